"""Replies of a gateway as data, independent of HTTP; ``web.responses`` converts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from ..exceptions import AlipayError
from .notifications.messages import Announcement, OutgoingMessage
from .trades.agreements import Agreement
from .trades.batches import Batch
from .trades.trades import Trade
from .web.forms import RawForm


@dataclass(frozen=True)
class RedirectToCashier:
    """Accepted order: redirect to its trade's cashier page."""

    trade: Trade


@dataclass(frozen=True)
class RedirectToBatch:
    """Accepted batch: redirect to the page where the merchant confirms it."""

    batch: Batch


@dataclass(frozen=True)
class RedirectToAgreement:
    """Accepted request to sign: redirect to the page where the buyer signs."""

    agreement: Agreement


@dataclass(frozen=True)
class PlainText:
    """Plain text for the merchant's server."""

    text: str


@dataclass(frozen=True)
class JsonText:
    """JSON document for the merchant's server."""

    text: str
    charset: str = "utf-8"
    media_type: str = "application/json"


@dataclass(frozen=True)
class V3Response:
    """Response of version 3 for the merchant's server."""

    status: int
    body: bytes = field(repr=False)
    #: The signature and its parameters; empty without a signature.
    headers: Mapping[str, str]
    media_type: str = "application/json"


@dataclass(frozen=True)
class XmlText:
    """XML document for the merchant's server; declares its encoding."""

    body: bytes = field(repr=False)
    charset: str


@dataclass(frozen=True)
class ErrorPage:
    """Rejection for the buyer's browser: a page with the reason."""

    #: Alipay's code; on the open platform the ``sub_code``.
    code: str
    #: What the code means, in English and in Chinese.
    meaning: tuple[str, str]
    #: What exactly was wrong, in English, for the developer; repeats no value of the request.
    detail: str = ""
    #: Where the buyer can go, if it is known to be the shop's: without a good signature it is not.
    shop_url: str = ""
    #: The string that the merchant should have signed, if the signature does not verify.
    string_to_sign: str = ""
    #: The HTTP status and the charset of the page.
    status: int = 400
    charset: str = "utf-8"


Reply: TypeAlias = (
    RedirectToCashier
    | RedirectToBatch
    | RedirectToAgreement
    | PlainText
    | JsonText
    | V3Response
    | XmlText
    | ErrorPage
)


class ApiError(AlipayError):
    """Rejection of a request with one of Alipay's codes; never leaves the simulator.

    :param code: Alipay's code; on the open platform the ``sub_code``.
    :param detail: what exactly was wrong, for the developer; repeats no value of the request.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


#: Sender of a notification: Alipay, a party without Alipay's keys, Alipay about another
#: account; or Alipay, with the amount altered or a text garbled on the way.
ALIPAY: Final = "alipay"
FORGER: Final = "forger"
OTHER_ACCOUNT: Final = "other-account"
TAMPERER: Final = "tamperer"
GARBLER: Final = "garbler"


@dataclass(frozen=True)
class PendingNotification:
    """A notification to send, with retries until it is acknowledged.

    It is written and signed anew for each attempt.
    """

    url: str
    #: Alipay's number of the notification, the same however often it is sent.
    notify_id: str
    #: What it is about, as it stood when it happened.
    about: Trade | Batch | OutgoingMessage = field(repr=False)
    #: :data:`ALIPAY`, unless a developer chooses another sender.
    sender: str = ALIPAY

    @property
    def out_trade_no(self) -> str:
        """The merchant's number: of an order, of a batch, or that a message is about."""
        about = self.about
        if isinstance(about, OutgoingMessage):
            return about.number
        return about.batch_no if isinstance(about, Batch) else about.order.out_trade_no

    @property
    def protocol(self) -> str:
        """The protocol of the notification."""
        if isinstance(self.about, OutgoingMessage):
            return "openapi"
        return "mapi" if isinstance(self.about, Batch) else self.about.order.protocol

    @property
    def is_message(self) -> bool:
        """True for a message, which is not about a trade."""
        return isinstance(self.about, OutgoingMessage)


@dataclass(frozen=True)
class CallResult:
    """A reply, and the notifications that it causes."""

    reply: Reply
    #: Notifications that are written already.
    notices: tuple[PendingNotification, ...] = ()
    #: Changed trades: each is notified in its protocol.
    trades: tuple[Trade | Announcement, ...] = ()


class GatewayProtocol(Protocol):
    """Interface of one of Alipay's protocols."""

    def reply(self, form: RawForm, now: datetime) -> CallResult:
        """Handle a request to the gateway; never raise for its content."""

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade; ``None`` without a notify_url, and if Alipay sends
        none.
        """

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt.

        ``notify_time`` is that time, not the event's (seen in captured retries).
        """

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
