"""Ledger classes without columns of the application."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin


class LedgerClasses(NamedTuple):
    """The three classes of one ledger, mapped on one base."""

    Payment: Any
    Refund: Any
    Notification: Any


def declare_models(base: Any) -> LedgerClasses:
    """Declare the three classes of a ledger.

    :param base: of the declarative classes, for example ``db.Model``.
    """

    class Payment(PaymentMixin, base):
        pass

    class Refund(RefundMixin, base):
        pass

    class Notification(NotificationMixin, base):
        pass

    return LedgerClasses(Payment, Refund, Notification)
