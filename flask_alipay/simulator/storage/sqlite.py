"""Storage in an SQLite file: one row for each value.

A response is sent after its changes are committed, so killing the process loses nothing; a power
failure may lose the latest changes, and damages nothing. One simulator can use the file at a time.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ...exceptions import AlipayError, ConfigurationError
from .serialization import InvalidDocument, dump, load
from .storage import Storage

Value = TypeVar("Value")

#: SQLite's ``application_id`` of these files: "Alip".
APPLICATION: Final = 0x416C6970
#: SQLite's ``user_version`` of these files; a file of another version is left unchanged.
VERSION: Final = 2

_CREATE = """\
CREATE TABLE documents (position INTEGER PRIMARY KEY, collection TEXT NOT NULL, key TEXT NOT NULL,
document TEXT NOT NULL, UNIQUE (collection, key))"""
_READ = "SELECT key, document FROM documents WHERE collection = ? ORDER BY position"
_PUT = """\
INSERT INTO documents (collection, key, document) VALUES (?, ?, ?)
ON CONFLICT (collection, key) DO UPDATE SET document = excluded.document"""
_DELETE = "DELETE FROM documents WHERE collection = ? AND key = ?"


class StorageError(ConfigurationError):
    """The state file cannot be used; it is left unchanged."""


class StorageLocked(AlipayError):
    """Another simulator uses the state file."""


class SqliteStorage(Storage):
    """A storage in a file; safe for threads.

    :param path: of the file; created if it does not exist, readable for this user only.
    :raises StorageError: if it is another program's, damaged, or of another version.
    :raises StorageLocked: if another simulator uses it.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._turn = threading.RLock()  # held throughout a transaction
        self._owner, self._depth = 0, 0  # the transaction's thread, and its nested blocks
        self._lock = threading.Lock()  # held briefly, also while another thread has its turn
        self._pending: dict[tuple[str, str], Any] = {}
        self._connection: sqlite3.Connection | None = None
        with self._translated():
            # The only open() of the file besides SQLite's: a close() releases SQLite's lock.
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
                path.chmod(0o600)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def read(self, collection: str, kind: type[Value]) -> Iterator[tuple[str, Value]]:
        """Yield keys and values of a collection, in the order in which the keys were added.

        :raises StorageError: if a value is not of the type.
        """
        with self._lock, self._translated():
            if self._connection is None:
                raise self._error("is closed")
            rows = self._connection.execute(_READ, (collection,)).fetchall()
        for key, document in rows:
            try:
                yield key, load(document, kind)
            except InvalidDocument:
                reason = f"is damaged, or of another release (in {collection}): choose another file"
                raise self._error(reason) from None

    def write(self, collection: str, key: str, value: Any) -> None:
        """Store a value at the end of this thread's transaction, else at once; delete ``None``."""
        with self._lock:
            self._pending[collection, key] = value
        if self._owner != threading.get_ident():
            self._flush()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Store what is written within the block at its end, all or nothing."""
        with self._turn:
            self._owner, self._depth = threading.get_ident(), self._depth + 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._owner = 0
                    self._flush()

    def close(self) -> None:
        """Store what is pending, close the file, and store nothing from now on."""
        try:
            self._flush()
        finally:
            with self._lock:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()

    def _flush(self) -> None:
        with self._lock:
            connection = self._connection
            if connection is None or not self._pending:
                return
            with self._translated(), connection:  # commits, or rolls back
                connection.execute("BEGIN")
                for (collection, key), value in self._pending.items():
                    if value is None:
                        connection.execute(_DELETE, (collection, key))
                    else:
                        connection.execute(_PUT, (collection, key, dump(value)))
            self._pending = {}  # kept after an error, for the next change

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (tables, application) == (0, 0):
            connection.execute(_CREATE)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif application != APPLICATION:
            raise sqlite3.DatabaseError("file is not a database")
        elif version != VERSION:
            versions = f"version {version}, and this simulator's is {VERSION}"
            raise self._error(f"is a state of {versions}: choose another file")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise errors of the file as :class:`StorageError` or :class:`StorageLocked`."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if "locked" in str(error):
                reason = f"the state file {self._name} is used by another simulator"
                raise StorageLocked(reason) from None
            reason = getattr(error, "strerror", None) or str(error)
            raise self._error(f"cannot be used ({reason})") from None
        except sqlite3.DatabaseError as error:
            foreign = "not a database" in str(error)
            reason = "is no state of a simulator" if foreign else "is damaged"
            raise self._error(f"{reason}: choose another file") from None

    def _error(self, reason: str) -> StorageError:
        return StorageError(f"the state file {self._name} {reason}", "STATE")
