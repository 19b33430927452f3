"""The result of a settled report, and the classes of the application that a ledger works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ..models import NotificationMixin, PaymentMixin, RefundMixin, TransferMixin

#: A callback of the shop: takes the payment, or the transfer.
Callback: TypeAlias = Callable[[Any], object]


class Models(NamedTuple):
    """The application's classes. Without ``Notification`` there is no journal."""

    Payment: type[PaymentMixin]
    Refund: type[RefundMixin] | None = None
    Notification: type[NotificationMixin] | None = None
    Transfer: type[TransferMixin] | None = None


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
