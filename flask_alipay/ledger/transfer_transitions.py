"""Transitions of a transfer, as data: from its status and a report to an event. No database.

A transfer is transferred at most once. It can fail after that only if the payee's bank returns the
money. A success after a failure is proven money: it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..protocol.transfers import TransferStatus

_DEALING, _SUCCESS = TransferStatus.DEALING, TransferStatus.SUCCESS
_FAIL, _CLOSED, _REFUND = TransferStatus.FAIL, TransferStatus.CLOSED, TransferStatus.REFUND

#: The events, named as the callbacks are.
TRANSFERRED: Final = "transferred"
TRANSFER_FAILED: Final = "transfer_failed"

#: By the status in the ledger and that of a report: the event; ``recorded`` for a change without
#: event; ``duplicate`` or ``stale`` for no change.
TRANSITIONS: Final[Mapping[tuple[str, str], str]] = {
    (_DEALING, _DEALING): "duplicate",
    (_DEALING, _SUCCESS): TRANSFERRED,
    (_DEALING, _FAIL): TRANSFER_FAILED,
    (_DEALING, _CLOSED): TRANSFER_FAILED,
    (_DEALING, _REFUND): TRANSFER_FAILED,
    (_SUCCESS, _DEALING): "stale",
    (_SUCCESS, _SUCCESS): "duplicate",
    (_SUCCESS, _FAIL): "stale",
    (_SUCCESS, _CLOSED): "stale",
    (_SUCCESS, _REFUND): TRANSFER_FAILED,
    **{
        (failed, report): cell
        for failed in (_FAIL, _CLOSED)
        for report, cell in (
            (_DEALING, "stale"),
            (_SUCCESS, TRANSFERRED),
            (_FAIL, "duplicate"),
            (_CLOSED, "duplicate"),
            (_REFUND, "recorded"),
        )
    },
    (_REFUND, _DEALING): "stale",
    (_REFUND, _SUCCESS): "stale",
    (_REFUND, _FAIL): "duplicate",
    (_REFUND, _CLOSED): "duplicate",
    (_REFUND, _REFUND): "duplicate",
}
