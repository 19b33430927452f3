"""Which notify_id was issued when: what ``notify_verify`` is asked about."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta
from typing import Final

from ..storage.storage import PersistentDict, Storage

#: How long after a sending Alipay owns up to a notification.
FRESH_FOR: Final = timedelta(seconds=60)


class NotifyIds:
    """The numbers of notifications sent lately, safe for threads.

    Forgets what is no longer fresh, so it holds a minute's notifications and no more.

    :param storage: keeps them beyond the process.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        self._sent = PersistentDict(storage, "notify_ids", datetime)
        for notify_id in sorted(self._sent, key=self._sent.__getitem__):
            self._sent.move_to_end(notify_id)

    @staticmethod
    def new() -> str:
        """Returns a new number: 34 characters, not to be guessed."""
        return secrets.token_hex(17)

    def record(self, notify_id: str, now: datetime) -> None:
        """Notes that the notification is being sent now: a repetition is fresh again."""
        with self._lock:
            self._sent[notify_id] = now
            self._sent.move_to_end(notify_id)
            while next(iter(self._sent.values())) + FRESH_FOR < now:
                self._sent.pop_oldest()

    def is_recent(self, notify_id: str, now: datetime) -> bool:
        """Tells whether the notification was sent within the last minute."""
        with self._lock:
            sent = self._sent.get(notify_id)
        return sent is not None and now - sent <= FRESH_FOR
