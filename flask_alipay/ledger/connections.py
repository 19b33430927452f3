"""The session's connections, asked for once in a transaction and not for each statement.

A session looks its way up to one through the engine, its own state and that of its transaction,
which takes longer than many a statement.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from ..exceptions import LedgerUnavailable
from ..kept_open import is_open

_AUTOCOMMIT = (
    "the database is set to AUTOCOMMIT, where a sale whose callback fails would stay written: the "
    "ledger's engine needs another isolation_level"
)


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
        :raises LedgerUnavailable: if each statement on it would be committed by itself.
        """
        latest = self._latest
        if self._session.get_transaction() is not self._transaction:
            latest = None
        if latest is not None and mapper is self._mapper:
            return latest
        bind = self._session.get_bind(mapper=mapper)
        if latest is None or latest.engine is not bind:
            latest = self._session.connection(bind_arguments={"bind": bind})
            if _commits_by_itself(latest):
                raise LedgerUnavailable(_AUTOCOMMIT)
            self._latest = latest
            self._transaction = self._session.get_transaction()
        self._mapper = mapper
        return latest


def _commits_by_itself(connection: Connection) -> bool:
    """Tells whether a connection commits each statement, as its driver knows without asking.

    One on which somebody has begun a transaction by hand, as SQLAlchemy's recipe for SQLite does,
    commits with it.
    """
    driver: Any = connection.connection.dbapi_connection
    name = connection.dialect.driver
    if name == "pysqlite":
        alone = driver.isolation_level is None or getattr(driver, "autocommit", None) is True
    elif name in ("psycopg", "psycopg2"):
        alone = driver.autocommit
    else:
        alone = name in ("pymysql", "mysqldb") and driver.get_autocommit()
    return alone and not is_open(connection)
