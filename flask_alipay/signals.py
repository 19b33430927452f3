"""What observers may listen to. Sent after the commit, so a receiver can neither refuse nor undo.

For work that must happen exactly once, register a callback (``@alipay.on_paid``) instead: blinker
holds its receivers weakly and a receiver that raises is only logged. An ``async def`` receiver runs
to completion before the next one.
Every signal's sender is the Flask app; ``alipay`` is the blueprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from blinker import Namespace


@dataclass(frozen=True)
class Alert:
    """Something that needs a person."""

    #: ``mismatched``, ``callback_failed``, ``refund_unresolved`` or ``bill_differs``.
    kind: str
    #: One line for people, in English; no buyer data.
    message: str
    #: The payments that it is about, twenty at most.
    numbers: tuple[str, ...]
    #: How many payments, refunds or differences it is about; of one payment, how many reports.
    count: int


_signals = Namespace()

#: A payment became a sale. Arguments: ``alipay``, ``payment``.
payment_paid = _signals.signal("payment-paid")

#: A trade was closed without having been paid. Arguments: ``alipay``, ``payment``.
payment_failed = _signals.signal("payment-failed")

#: Money of a sale went back to the buyer. Arguments: ``alipay``, ``payment``.
payment_refunded = _signals.signal("payment-refunded")

#: Alipay told what became of a batch of transfers. Arguments: ``alipay``, ``batch``: a
#: :class:`~flask_alipay.protocol.batch_notification.TransferBatch`.
transfer_batch_notified = _signals.signal("transfers-told")

#: A notification was not answered ``success``. Arguments: ``alipay``, ``error``: the
#: :class:`~flask_alipay.exceptions.NotificationRefused` that says why.
notification_refused = _signals.signal("notification-refused")

#: Something needs a person: a report contradicts the ledger (``mismatched``), a payment's callback
#: failed again (``callback_failed``), refunds have had no result for an hour
#: (``refund_unresolved``, by ``reconcile``), a bill and the ledger differ (``bill_differs``, by
#: ``flask alipay bill``). Arguments: ``alipay``, ``alert``: an :class:`Alert`. Each is also a line
#: at ``ERROR`` of the logger ``flask_alipay.alerts``.
attention_needed = _signals.signal("attention-needed")
