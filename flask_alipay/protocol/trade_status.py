"""Alipay's trade statuses."""

from __future__ import annotations

from typing import Final


class TradeStatus:
    """Statuses of a trade; plain text, as Alipay sends them."""

    #: Created, nothing paid yet.
    WAIT_BUYER_PAY: Final = "WAIT_BUYER_PAY"
    #: Paid, but the seller's account is frozen: the amount is not credited yet.
    TRADE_PENDING: Final = "TRADE_PENDING"
    #: Escrow: the buyer has paid Alipay, the shop may ship.
    WAIT_SELLER_SEND_GOODS: Final = "WAIT_SELLER_SEND_GOODS"
    #: Escrow: shipped, the buyer has not confirmed yet.
    WAIT_BUYER_CONFIRM_GOODS: Final = "WAIT_BUYER_CONFIRM_GOODS"
    #: Paid, and may be refunded.
    TRADE_SUCCESS: Final = "TRADE_SUCCESS"
    #: Paid, and closed to refunds.
    TRADE_FINISHED: Final = "TRADE_FINISHED"
    #: Closed without payment, or fully refunded.
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

    #: Statuses of escrow trades, which only the legacy gateway has.
    ESCROW: Final = (WAIT_SELLER_SEND_GOODS, WAIT_BUYER_CONFIRM_GOODS)
