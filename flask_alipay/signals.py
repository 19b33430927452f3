"""Signals of the package, sent after the commit: receivers can neither reject nor roll back.

For work that must happen exactly once, register a callback (``@alipay.on_paid``) instead: blinker
references its receivers weakly, and an exception of a receiver is only logged. An ``async def``
receiver is completed before the next one. The sender of each signal is the Flask app; ``alipay`` is
the blueprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from blinker import Namespace


@dataclass(frozen=True)
class Alert:
    """A problem that a person must solve."""

    #: ``mismatched``, ``callback_failed``, ``refund_unresolved``, ``transfer_unresolved``,
    #: ``capture_unresolved``, ``release_unresolved``, ``authorization_expiring``,
    #: ``deduction_unresolved``, ``deduction_overdue`` or ``bill_differs``.
    kind: str
    #: One line for people, in English; no buyer data.
    message: str
    #: The order numbers of at most twenty affected payments, or the numbers of transfers,
    #: authorizations or agreements.
    numbers: tuple[str, ...]
    #: The number of affected rows or differences; for one payment, of reports.
    count: int


_signals = Namespace()

#: A payment was paid. Arguments: ``alipay``, ``payment``.
payment_paid = _signals.signal("payment-paid")

#: A trade was closed without having been paid. Arguments: ``alipay``, ``payment``.
payment_failed = _signals.signal("payment-failed")

#: A paid payment was refunded, fully or partially. Arguments: ``alipay``, ``payment``.
payment_refunded = _signals.signal("payment-refunded")

#: Alipay notified the result of a transfer batch. Arguments: ``alipay``, ``batch``: a
#: :class:`~flask_alipay.protocol.batch_notification.TransferBatchNotification`.
transfer_batch_notified = _signals.signal("transfer-batch-notified")

#: A notification was not acknowledged with ``success``. Arguments: ``alipay``, ``error``: the
#: :class:`~flask_alipay.exceptions.NotificationRefused` with the reason.
notification_refused = _signals.signal("notification-refused")

#: A person must act: a report contradicts the ledger (``mismatched``), a payment's callback
#: failed again (``callback_failed``), refunds, transfers, captures, releases or deductions have had
#: no result for an hour (``…_unresolved``, by ``reconcile``), a frozen amount will soon be released
#: by Alipay (``authorization_expiring``) or a deduction was missed (``deduction_overdue``, both by
#: ``reconcile``), a bill and the ledger differ (``bill_differs``, by ``flask alipay bill``).
#: Arguments: ``alipay``, ``alert``: an :class:`Alert`. Each is also a line at ``ERROR`` of the
#: logger ``flask_alipay.alerts``.
attention_needed = _signals.signal("attention-needed")
