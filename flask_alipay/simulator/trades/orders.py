"""Orders of a merchant, and the events of a trade; the same for all protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ...protocol.banks import CHECKOUT_BANKS
from .funding import CREDIT_CARD, DEBIT_CARD, KINDS, credit_card, kind_of


class TradeEvent:
    """Events of a trade."""

    #: The buyer pays; the money is the shop's.
    PAY: Final = "pay"
    #: The buyer pays into escrow; Alipay holds the money.
    DEPOSIT: Final = "deposit"
    #: The buyer pays for what is never refunded in the usual way: the trade is finished at once.
    SETTLE: Final = "settle"
    #: The shop has sent what was paid into escrow.
    SEND: Final = "send"
    #: The buyer has received it, and the shop gets the money.
    CONFIRM: Final = "confirm"
    #: The buyer refuses, or the shop takes it back.
    CLOSE: Final = "close"
    #: Its time runs out.
    EXPIRE: Final = "expire"
    #: The time for refunds is over.
    FINISH: Final = "finish"


#: The events with which the money comes.
PAYING: Final = (TradeEvent.PAY, TradeEvent.DEPOSIT, TradeEvent.SETTLE)


@dataclass(frozen=True)
class Order:
    """A merchant's order."""

    #: ``"openapi"``, ``"mapi"`` or ``"wap"``: the protocol of its notifications.
    protocol: str
    #: The open platform's ``method`` or the legacy gateway's ``service``.
    method: str
    out_trade_no: str
    subject: str
    #: The amount in minor units of the currency.
    total_fen: int
    #: How the merchant writes and signs, and so how it is answered.
    charset: str
    sign_type: str
    body: str = ""
    notify_url: str = ""
    return_url: str = ""
    #: Until when it may be paid, aware UTC; ``None``: no limit was requested.
    expires_at: datetime | None = None
    #: The code of the bank that the buyer chose in the shop, or nothing.
    bank: str = ""
    #: ISO 4217 code.
    currency: str = "CNY"
    #: The price in fen, where it was named in yuan and is settled in another currency.
    rmb_fen: int | None = None
    #: The events by which the buyer may pay, the one meant by a plain "pay" first.
    payment_events: tuple[str, ...] = (TradeEvent.PAY,)
    #: The kinds of funds that the merchant takes, of :data:`~.funding.KINDS`.
    funds: tuple[str, ...] = KINDS
    #: The token of the merchant for whom a third-party application sells, or nothing.
    app_auth_token: str = field(default="", repr=False)
    #: The buyer for whom a trade was created: the number of the account, or an OpenID that the
    #: simulator does not know; empty for an order that any buyer may pay.
    buyer: str = field(default="", repr=False)
    #: The agreement by which it is deducted, or nothing.
    agreement_no: str = ""
    #: The page of the agreement that the buyer may sign together with the payment, or nothing.
    sign_page: str = field(default="", repr=False)
    #: Parameters that a notification repeats unchanged.
    echo: Mapping[str, str] = field(default_factory=dict, repr=False)

    def choose_fund(self, requested: str = "") -> str:
        """Return the payment channel: the requested one, the bank that was chosen in the shop, or
        the first that the merchant accepts; empty if the merchant does not accept it.

        :param requested: ``balance``, ``credit`` or the code of a bank; empty without a request.
        """
        if requested:
            return requested if kind_of(requested) in self.funds else ""
        if self.bank and kind_of(self.bank) in self.funds:
            return self.bank
        first = next(iter(self.funds), "")
        bank = CHECKOUT_BANKS[0]
        return {DEBIT_CARD: bank, CREDIT_CARD: credit_card(bank)}.get(first, first)

    def is_for_another(self, buyer: str) -> bool:
        """Return True if the order is for one buyer, and not for this one."""
        return bool(self.buyer and buyer) and self.buyer != buyer

    def agrees_with(self, other: Order) -> bool:
        """Return True if both are the same order, not only the same number."""
        return (
            self.out_trade_no == other.out_trade_no
            and self.protocol == other.protocol
            and self.total_fen == other.total_fen
            and self.currency == other.currency
            and self.payment_events == other.payment_events
            and self.subject == other.subject
            and self.app_auth_token == other.app_auth_token
            and self.agreement_no == other.agreement_no
            and not self.is_for_another(other.buyer)
        )
