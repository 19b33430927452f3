"""The session's connections, asked for once in a transaction and not for each statement.

A session looks its way up to one through the engine, its own state and that of its transaction,
which takes longer than many a statement.

A session may read from one database and write to another that it follows (SQLAlchemy's recipe for a
router asks what is executed). What the ledger reads within a settlement it reads where it writes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, update
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

    @property
    def latest(self) -> Connection | None:
        """The last one that was asked for in the transaction that is open now."""
        same = self._session.get_transaction() is self._transaction
        return self._latest if same else None

    def reads_of(self, mapper: Any) -> dict[str, Any]:
        """Returns what has the session read rows of a class where they are written."""
        return {"bind": self.of(mapper)}

    def reads_there(self, mapper: Any) -> bool:
        """Tells whether the session reads rows of a class by itself where they are written."""
        connection, bind = self.of(mapper), self._session.get_bind(mapper=mapper)
        return bind is connection.engine or bind is connection

    def of(self, mapper: Any) -> Connection:
        """Returns the connection on which the rows of a class are written, in the transaction that
        is open now; the first question opens one.

        :param mapper: the class' mapper; the app's session decides about its engine.
        :raises LedgerUnavailable: if each statement on it would be committed by itself.
        """
        latest = self.latest
        if latest is not None and mapper is self._mapper:
            return latest
        bind = self._session.get_bind(mapper=mapper, clause=_writing(mapper))
        if latest is None or latest.engine is not bind:
            latest = self._session.connection(bind_arguments={"bind": bind})
            if _commits_by_itself(latest):
                raise LedgerUnavailable(_AUTOCOMMIT)
            self._latest = latest
            self._transaction = self._session.get_transaction()
        self._mapper = mapper
        return latest


@lru_cache(maxsize=64)
def _writing(mapper: Any) -> Any:
    return update(mapper.class_)


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
