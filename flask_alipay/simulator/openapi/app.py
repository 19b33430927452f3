"""The shop's own app: what an order string becomes in Alipay's library on a phone."""

from __future__ import annotations

from ...china_time import to_china
from ...money import to_yuan
from ..answers import Refusal
from ..orders import Event
from .call import Call, Desk, Done
from .payments import payable, placed

#: What the library says: paid, cannot be paid, cancelled by the buyer, nobody knows.
PAID, FAILED, CANCELLED, UNSURE = "9000", "4000", "6001", "8000"


class App:
    """``alipay.trade.app.pay``, which is Alipay's library's to perform, and no server's.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def check(self, call: Call) -> None:
        """Takes the order; its trade begins when the buyer pays.

        :raises InvalidParameter: names the parameter that Alipay would not take.
        :raises Refusal: if it cannot be paid.
        """
        placed(self._desk, call, opened=False)

    def pay(self, call: Call) -> Done:
        """Pays what an order string asks for; raises likewise."""
        order = payable(placed(self._desk, call, opened=True))
        trade = self._desk.happen(call, order, Event.PAY)
        if trade is None:
            raise Refusal("ACQ.TRADE_HAS_CLOSE")
        merchant = self._desk.merchant
        return Done(
            {
                "app_id": merchant.app_id,
                "auth_app_id": merchant.app_id,
                "charset": call.charset,
                "timestamp": to_china(call.now),
                "out_trade_no": trade.order.out_trade_no,
                "total_amount": to_yuan(trade.order.total_fen),
                "trade_no": trade.trade_no,
                "seller_id": merchant.partner,
            }
        )


def result(status: str, memo: str = "", text: str = "") -> str:
    """Returns what the library hands back to the shop's app."""
    return f"resultStatus={{{status}}};memo={{{memo}}};result={{{text}}}"
