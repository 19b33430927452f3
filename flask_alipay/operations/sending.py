"""The record that a payment is sent to Alipay: the buyer is redirected, or shown a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..ledger.annotations import record_sent
from ..models import utc_now

if TYPE_CHECKING:
    from ..merchant import Merchant


def mark_sent(payment: Any) -> None:
    """Set the time when a payment is first sent to Alipay; the caller commits.

    :param payment: the application's object.
    """
    if payment.sent_at is None:
        payment.sent_at = utc_now()


def mark_new_as_sent(payment: Any) -> None:
    """Set the time on an object that is not in the database yet: its ``INSERT`` stores it.

    A stored object is left alone: the application decides when its session writes.
    """
    if not inspect(payment).has_identity:
        mark_sent(payment)


def note_sent(merchant: Merchant, payment: Any) -> None:
    """Record in a transaction of its own that a payment is first sent to Alipay.

    The session is committed, and the payment's attributes expire. An error is logged only.

    :param payment: the application's object, committed.
    """
    if payment.sent_at is None:
        models, account = merchant.models, merchant.config.merchant
        record_sent(merchant.session, models, account, payment.out_trade_no)
