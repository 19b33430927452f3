"""The session's connections, asked for once in a transaction and not for each statement.

A session looks its way up to one through the engine, its own state and that of its transaction,
which takes longer than many a statement.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session


class Connections:
    """Knows on which connection a session's transaction reads and writes.

    :param session: the app's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transaction: object = None
        self._mapper: object = None
        self._latest: Connection | None = None

    def of(self, mapper: Any) -> Connection:
        """Returns the connection for the rows of a class, in the transaction that is open now; the
        first question opens one.

        :param mapper: the class' mapper; the app's session decides about its engine.
        """
        latest = self._latest
        if self._session.get_transaction() is not self._transaction:
            latest = None
        if latest is not None and mapper is self._mapper:
            return latest
        bind = self._session.get_bind(mapper=mapper)
        if latest is None or latest.engine is not bind:
            latest = self._latest = self._session.connection(bind_arguments={"bind": bind})
            self._transaction = self._session.get_transaction()
        self._mapper = mapper
        return latest
