"""Batches of refunds or transfers: many entries under one number.

The merchant confirms some on a page; others are performed at once.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from ..storage.storage import PersistentDict, Storage

#: How many batches a store keeps; the oldest make room, and their numbers are forgotten.
MAX_BATCHES = 1_000

REFUNDS: Final = "refunds"
TRANSFERS: Final = "transfers"

WAITING: Final = "waiting"
DONE: Final = "done"
REFUSED: Final = "refused"


@dataclass(frozen=True)
class BatchEntry:
    """One refund or one transfer."""

    #: The trade that is refunded, or the merchant's number of the transfer.
    number: str
    fen: int
    #: The amount as the merchant wrote it: the notification repeats it.
    amount: str
    #: Why.
    note: str
    #: Who gets it; of a refund it is the buyer.
    account: str = field(default="", repr=False)
    name: str = field(default="", repr=False)


@dataclass(frozen=True)
class Outcome:
    """Result of an entry."""

    entry: BatchEntry
    #: Alipay's code of the failure, nothing if it was done.
    error: str = ""
    #: Alipay's number of it.
    number: str = ""


@dataclass(frozen=True)
class Batch:
    """Immutable state of a batch."""

    #: :data:`REFUNDS` or :data:`TRANSFERS`.
    kind: str
    #: The merchant's number of it, never to be used again.
    batch_no: str
    entries: tuple[BatchEntry, ...] = field(repr=False)
    charset: str
    sign_type: str
    notify_url: str = ""
    #: Who pays, as the merchant wrote it.
    payer: str = field(default="", repr=False)
    #: The part of the page's address that cannot be guessed.
    batch_id: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    status: str = WAITING
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    #: When it was done or refused.
    ended_at: datetime | None = None

    @property
    def total_fen(self) -> int:
        """The sum of its entries."""
        return sum(entry.fen for entry in self.entries)


class BatchStore:
    """The latest batches, safe for threads.

    :param max_count: maximum number; the oldest are removed.
    :param storage: stores them beyond the process.
    """

    def __init__(self, max_count: int = MAX_BATCHES, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        # By batch_id.
        self._batches = PersistentDict(storage, "batches", Batch, max_count)
        # Kind and batch_no to batch_id.
        self._numbers = {(b.kind, b.batch_no): b.batch_id for b in self._batches.values()}

    def create(self, batch: Batch) -> Batch | None:
        """Store a new batch and return it; ``None`` if its number was used before.

        An identical batch that still waits for confirmation is returned again.
        """
        with self._lock:
            number = (batch.kind, batch.batch_no)
            known = self._batches.get(self._numbers.get(number, ""))
            if known is not None:
                same = known.status == WAITING and known.entries == batch.entries
                return known if same else None
            self._batches[batch.batch_id] = batch
            self._numbers[number] = batch.batch_id
            for oldest in self._batches.evict():
                del self._numbers[oldest.kind, oldest.batch_no]
            return batch

    def by_id(self, batch_id: str) -> Batch | None:
        """Return the batch of a page, ``None`` if there is none."""
        with self._lock:
            return self._batches.get(batch_id)

    def all(self) -> tuple[Batch, ...]:
        """Return the batches, the oldest first."""
        with self._lock:
            return tuple(self._batches.values())

    def end(self, batch_id: str, status: str, now: datetime) -> Batch | None:
        """End a batch that waits for confirmation; only one of concurrent callers succeeds.

        :param status: :data:`DONE` or :data:`REFUSED`.
        :returns: the batch, or ``None`` if it was not waiting: the caller that gets it does the
            work.
        """
        with self._lock:
            batch = self._batches.get(batch_id)
            if batch is None or batch.status != WAITING:
                return None
            self._batches[batch_id] = replace(batch, status=status, ended_at=now)
            return self._batches[batch_id]

    def note(self, batch: Batch, outcomes: tuple[Outcome, ...]) -> Batch:
        """Record the results of the entries, and return the batch."""
        noted = replace(batch, outcomes=outcomes)
        with self._lock:
            if batch.batch_id in self._batches:
                self._batches[batch.batch_id] = noted
        return noted
