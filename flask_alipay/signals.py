"""What observers may listen to. Sent after the commit, so a receiver can neither refuse nor undo.

For work that must happen exactly once, register a callback (``@alipay.on_paid``) instead: blinker
holds its receivers weakly and a receiver that raises is only logged. An ``async def`` receiver runs
to completion before the next one.
Every signal's sender is the Flask app; ``alipay`` is the blueprint.
"""

from __future__ import annotations

from blinker import Namespace

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
