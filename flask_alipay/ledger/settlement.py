"""The result of a settled report, and the classes of the application that a ledger works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ..models import (
        AgreementMixin,
        AuthorizationMixin,
        NotificationMixin,
        PaymentMixin,
        RefundMixin,
        TransferMixin,
    )

#: A callback of the shop: takes the payment, transfer, authorization, agreement or message.
Callback: TypeAlias = Callable[[Any], object]

#: The event of messages of all kinds; that of one kind is followed by a colon and the kind.
MESSAGE_EVENT: Final = "message"


class Models(NamedTuple):
    """The application's classes. Without ``Notification`` there is no journal."""

    Payment: type[PaymentMixin]
    Refund: type[RefundMixin] | None = None
    Notification: type[NotificationMixin] | None = None
    Transfer: type[TransferMixin] | None = None
    Authorization: type[AuthorizationMixin] | None = None
    Agreement: type[AgreementMixin] | None = None


class MessageEffect(NamedTuple):
    """The changes that a message has made to the ledger, in a transaction that is still open."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: The events whose callbacks run next.
    events: tuple[str, ...] = ()
    #: The application's object that these callbacks take.
    subject: Any = None


@dataclass(frozen=True)
class Settlement:
    """The committed result of a report that is acknowledged with ``success``."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: The events, of ``paid``, ``finished``, ``failed``, ``refunded``; of a transfer,
    #: ``transferred`` or ``transfer_failed``.
    events: tuple[str, ...]
    _read: Callable[[], Any] = field(repr=False)

    @cached_property
    def payment(self) -> Any:
        """The application's payment or transfer, read on first access."""
        return self._read()
