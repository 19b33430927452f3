"""Ledger classes without columns of the application."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin


class LedgerClasses(NamedTuple):
    """The three classes of one ledger, mapped on one base."""

    Payment: Any
    Refund: Any
    Notification: Any


def declare_payment(base: Any) -> Any:
    """Declare a class of payments."""

    class Payment(PaymentMixin, base):
        pass

    return Payment


def declare_models(base: Any) -> LedgerClasses:
    """Declare the three classes of a ledger.

    :param base: of the declarative classes, for example ``db.Model``.
    """

    class Refund(RefundMixin, base):
        pass

    class Notification(NotificationMixin, base):
        pass

    return LedgerClasses(declare_payment(base), Refund, Notification)
