"""Services with which a buyer's browser submits an order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ...exceptions import InvalidParameter
from ..replies import ApiError, CallResult, RedirectToCashier
from ..trades.orders import Order, TradeEvent
from ..trades.trades import Trade, TradeStore
from . import orders
from .account import Timestamps
from .call import ApiCall, Context, Service


class PaymentService:
    """Creation of trades from orders; each waits on its cashier page.

    :param context: shared objects.
    :param timestamps: the anti_phishing_keys that were given out.
    """

    def __init__(self, context: Context, timestamps: Timestamps) -> None:
        self._context = context
        self._timestamps = timestamps
        self.services = {
            orders.DIRECT: self._service(orders.read_direct),
            orders.WAP: self._service(orders.read_wap),
            orders.ESCROW: self._service(orders.read_escrow),
            orders.DUAL: self._service(orders.read_escrow),
            orders.FOREX: self._service(orders.read_forex, seller=False),
            orders.FOREX_WAP: self._service(orders.read_forex, seller=False),
        }

    def _service(self, read: Callable[[ApiCall], Order], *, seller: bool = True) -> Service:
        def run(call: ApiCall) -> CallResult:
            if seller:
                self._check_seller(call)
            order = read(call)
            self._check_buyer(call)
            self._timestamps.check(call)
            new = self._context.trades.by_out_trade_no(order.out_trade_no) is None
            trade = placed(self._context.trades, order, call.now)
            # An order that may go into escrow is notified before it is paid.
            changed = (trade,) if new and TradeEvent.DEPOSIT in order.payment_events else ()
            return CallResult(RedirectToCashier(trade), trades=changed)

        return Service(run, browser=True)

    def _check_seller(self, call: ApiCall) -> None:
        """Check the seller, given by number, login name or account name; the first one counts."""
        merchant = self._context.merchant
        for name, own in (
            ("seller_id", merchant.partner),
            ("seller_email", merchant.seller_email),
            ("seller_account_name", merchant.seller_email),
        ):
            if call.get(name):
                if call.get(name) != own:
                    raise ApiError("SELLER_NOT_EXIST", f"{name} is not this merchant's")
                return
        raise InvalidParameter("seller_id", "or seller_email is required")

    def _check_buyer(self, call: ApiCall) -> None:
        """Check the buyer, if the request names one: it cannot be the seller."""
        merchant = self._context.merchant
        for name, seller in (
            ("buyer_id", merchant.partner),
            ("buyer_email", merchant.seller_email),
            ("buyer_account_name", merchant.seller_email),
        ):
            if call.get(name) == seller:
                raise ApiError("BUYER_SELLER_EQUAL")


def placed(trades: TradeStore, order: Order, now: datetime) -> Trade:
    """Return the trade of an order, new or existing.

    One whose money is in escrow is still to be seen: its page is where the buyer confirms.

    :raises ApiError: if the number was used for another order, or the trade has ended.
    """
    trade = trades.create(order, now)
    if not trade.order.agrees_with(order):
        raise ApiError("TRADE_DATA_MATCH_ERROR")
    if trade.paid and not trade.in_escrow:
        raise ApiError("TRADE_HAS_SUCCESS")
    if not trade.waiting and not trade.in_escrow:
        raise ApiError("TRADE_HAS_CLOSE")
    return trade
