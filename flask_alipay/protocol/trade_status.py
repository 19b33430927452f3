"""Alipay's own words for where a trade stands."""

from __future__ import annotations

from typing import Final


class TradeStatus:
    """The statuses that a payment goes through; plain text, as Alipay writes them."""

    #: Created, nothing paid yet.
    WAIT_BUYER_PAY: Final = "WAIT_BUYER_PAY"
    #: Paid, but the seller's account is frozen: not money yet.
    TRADE_PENDING: Final = "TRADE_PENDING"
    #: Escrow: the buyer has paid Alipay, the shop may ship.
    WAIT_SELLER_SEND_GOODS: Final = "WAIT_SELLER_SEND_GOODS"
    #: Escrow: shipped, the buyer has not confirmed yet.
    WAIT_BUYER_CONFIRM_GOODS: Final = "WAIT_BUYER_CONFIRM_GOODS"
    #: Paid, and may be refunded.
    TRADE_SUCCESS: Final = "TRADE_SUCCESS"
    #: Paid, and closed to refunds.
    TRADE_FINISHED: Final = "TRADE_FINISHED"
    #: Closed without payment, or wholly refunded.
    TRADE_CLOSED: Final = "TRADE_CLOSED"

    #: All of them, in the order of a trade's life.
    ALL: Final = (
        WAIT_BUYER_PAY,
        TRADE_PENDING,
        WAIT_SELLER_SEND_GOODS,
        WAIT_BUYER_CONFIRM_GOODS,
        TRADE_SUCCESS,
        TRADE_FINISHED,
        TRADE_CLOSED,
    )

    #: Those of escrow, which the legacy gateway alone has.
    ESCROW: Final = (WAIT_SELLER_SEND_GOODS, WAIT_BUYER_CONFIRM_GOODS)
