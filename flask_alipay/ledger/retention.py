"""Deletion of old rows of the journal.

No operation depends on rows that are older than :data:`MIN_AGE`: Alipay's last retry of a
notification comes after a day, reports that only the journal can recognize as duplicates are
rejected from :data:`MAX_REPORT_AGE` on, and the operator pages list problems of the last 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, inspect, select

from .session import LedgerSession
from .tables import columns_of, entity_of

#: The youngest age at which rows may be deleted.
MIN_AGE: Final = timedelta(days=30)

#: The greatest age of a report whose row in the journal is all that prevents a repetition. Retries
#: have the time of the retry, up to 25 hours after the attempt that was processed; the rest allows
#: for clocks that differ.
MAX_REPORT_AGE: Final = MIN_AGE - timedelta(days=2)

_BATCH: Final = 500


class OldNotifications:
    """One merchant's rows of the journal that were received before a time.

    :param session: the application's session.
    :param model: the application's class on :class:`~flask_alipay.NotificationMixin`.
    :param merchant: the ``app_id`` or ``partner``.
    :param before: aware UTC.
    """

    def __init__(self, session: Any, model: Any, merchant: str, before: datetime) -> None:
        self._session = LedgerSession(session)
        self._model = entity_of(model)
        column = columns_of(self._model)
        self._condition = column["merchant"] == merchant, column["received_at"] < before

    def count(self) -> int:
        """Return the number of rows."""
        table = inspect(self._model).local_table
        counted = select(func.count()).select_from(table).where(*self._condition)
        return int(self._session.execute(counted, self._model).scalar_one())

    def delete(self) -> Iterator[int]:
        """Delete the rows as the application would, with its events and cascades.

        Each batch is one transaction, so that notifications that arrive meanwhile do not wait. What
        was deleted before an error stays deleted. Pending changes of the session are rolled back.

        :return: the number of rows of each batch, after its commit.
        :raises SQLAlchemyError: if the database fails, or other tables refer to a row.
        """
        self._session.roll_back()
        batch = select(self._model).where(*self._condition).limit(_BATCH)
        session = self._session.session
        while rows := self._session.load(batch, self._model):
            try:
                for row in rows:
                    session.delete(row)
                session.commit()
            except BaseException:
                self._session.roll_back()
                raise
            yield len(rows)
