"""Payments in the merchant's app: an order string as processed by Alipay's SDK on a phone."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.conversion import format_amount, format_china_time
from ..replies import ApiError
from ..trades.orders import TradeEvent
from .call import ApiCall, Context, InApp, Success
from .new_trades import create_or_reject, payable
from .orders import APP

#: Results of the library: paid, cannot be paid, cancelled by the buyer, unknown.
PAID, FAILED, CANCELLED, UNSURE = "9000", "4000", "6001", "8000"


class App:
    """``alipay.trade.app.pay``, which Alipay's SDK performs, not a server.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        #: The methods of order strings: how each is checked, and performed.
        self.in_apps: Mapping[str, InApp] = {APP: (self.check, self.pay)}

    def check(self, call: ApiCall) -> None:
        """Parse the order; its trade is created with the payment.

        :raises InvalidParameter: names the parameter that Alipay would reject.
        :raises ApiError: if it cannot be paid.
        """
        create_or_reject(self._context, call, opened=False)

    def pay(self, call: ApiCall) -> Success:
        """Pay the order of an order string, with the exceptions of :meth:`check`."""
        order = payable(create_or_reject(self._context, call, opened=True))
        trade = self._context.happen(call, order, TradeEvent.PAY)
        if trade is None:
            raise ApiError("ACQ.TRADE_HAS_CLOSE")
        auth_app_id, seller_id = self._context.seller(trade.order)
        return Success(
            {
                "app_id": self._context.merchant.app_id,
                "auth_app_id": auth_app_id,
                "charset": call.charset,
                "timestamp": format_china_time(call.now),
                "out_trade_no": trade.order.out_trade_no,
                "total_amount": format_amount(trade.order.total_fen),
                "trade_no": trade.trade_no,
                "seller_id": seller_id,
            }
        )


def result(status: str, memo: str = "", text: str = "") -> str:
    """Return the text that the SDK passes to the app."""
    return f"resultStatus={{{status}}};memo={{{memo}}};result={{{text}}}"
