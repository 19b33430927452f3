"""Recent notification IDs, which ``notify_verify`` queries."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta
from typing import Final

from ..storage.storage import PersistentDict, Storage

#: How long after a sending Alipay owns up to a notification.
FRESH_FOR: Final = timedelta(seconds=60)


class NotifyIds:
    """Recently sent notification IDs, safe for threads.

    Entries older than a minute are removed.

    :param storage: stores them beyond the process.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        self._sent = PersistentDict(storage, "notify_ids", datetime)
        for notify_id in sorted(self._sent, key=self._sent.__getitem__):
            self._sent.move_to_end(notify_id)

    @staticmethod
    def new() -> str:
        """Return a new, unguessable ID of 34 characters."""
        return secrets.token_hex(17)

    def record(self, notify_id: str, now: datetime) -> None:
        """Record that the notification is being sent now: a retry makes it recent again."""
        with self._lock:
            self._sent[notify_id] = now
            self._sent.move_to_end(notify_id)
            while next(iter(self._sent.values())) + FRESH_FOR < now:
                self._sent.pop_oldest()

    def is_recent(self, notify_id: str, now: datetime) -> bool:
        """Return True if the notification was sent within the last minute."""
        with self._lock:
            sent = self._sent.get(notify_id)
        return sent is not None and now - sent <= FRESH_FOR
