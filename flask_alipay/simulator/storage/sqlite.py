"""The simulator's state in a file of SQLite: a table for each kind of things, a row for each thing.

What is answered is in the file before it is answered, so killing the process loses nothing; a power
cut may lose the last moment, and damages nothing. One simulator has the file at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from ...exceptions import AlipayError, ConfigurationError
from .serialization import InvalidDocument, dump, load
from .storage import Collection

Thing = TypeVar("Thing")

#: Marks our files among those of SQLite: "Alip".
APPLICATION: Final = 0x416C6970
#: Of the documents' shape. A file of another version is left alone.
VERSION: Final = 1

# SQLite's own: how its files begin, how long their beginning is, and where ours is told in it.
_MAGIC, _HEAD = b"SQLite format 3\0", 100
_VERSION_AT, _APPLICATION_AT = slice(60, 64), slice(68, 72)

_GONE: Final = object()
_readable = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_lock = threading.Lock()
_open_here: set[Path] = set()


class StorageError(ConfigurationError):
    """The state file cannot be used; it is left as it is."""


class StorageLocked(AlipayError):
    """The state file is another simulator's at the moment."""


class StateFile:
    """A state that survives the process; safe for threads.

    :param path: the file; a new one is made where there is none, for this user alone.
    :raises StorageError: if it is something else, damaged, or of another version.
    :raises StorageLocked: if another simulator has it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._turn = threading.RLock()  # held through a block of ``together``
        self._owner = 0
        self._depth = 0
        self._writing = threading.Lock()  # held for a moment; nobody waits for a turn with it
        self._pending: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._connection: sqlite3.Connection | None = self._opened()

    def collection(
        self, name: str, kind: type[Thing], *, deferred: bool = False
    ) -> Collection[Thing]:
        """Returns the table of a kind of things, a new one if there is none."""
        with self._writing, self._explained():
            self._open().execute(
                f"CREATE TABLE IF NOT EXISTS {name}"
                " (position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, document TEXT NOT NULL)"
            )
        return _Table(self, name, kind, deferred)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keeps what is put within the block at its end, all or nothing; one block at a time."""
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
        """Gives the file up; what is put from now on is not kept."""
        try:
            self._flush()
        finally:
            with self._writing:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()
                    with _lock:
                        _open_here.discard(self._path)

    def rows(self, table: str) -> list[tuple[str, str]]:
        """Returns keys and documents of a table, in the order in which they first came."""
        with self._writing, self._explained():
            query = f"SELECT key, document FROM {table} ORDER BY position"  # noqa: S608 - our name
            return self._open().execute(query).fetchall()

    def put(self, table: str, key: str, thing: Any, kind: Any, *, deferred: bool) -> None:
        """Keeps a thing at the end of this thread's block, or at once if it is in none.

        :param patient: whether it may wait for the next that cannot.
        """
        with self._writing:
            self._pending[table, key] = (thing, kind)
        if not deferred and self._owner != threading.get_ident():
            self._flush()

    def unreadable(self, table: str) -> StorageError:
        """Returns what is raised for a document that cannot be read."""
        why = f"is damaged, or of another release (in {table}): choose another file"
        return self._unusable(why)

    def _flush(self) -> None:
        with self._writing:
            pending, connection = self._pending, self._connection
            if not pending or connection is None:
                return
            with self._explained(), connection:  # commits, or rolls back
                connection.execute("BEGIN")
                for (table, key), (thing, kind) in pending.items():
                    if thing is _GONE:
                        connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608
                    else:
                        document = _text(dump(thing, kind))
                        connection.execute(_KEEP.format(table=table), (key, document))
            # What could not be kept is tried again with the next.
            self._pending = {}

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise self._unusable("is closed")
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        with _lock:
            if self._path in _open_here:
                raise self._in_use()
            with self._explained():
                new = self._is_new()
                connection = sqlite3.connect(
                    self._path, timeout=0, isolation_level=None, check_same_thread=False
                )
                try:
                    self._prepare(connection, new)
                except BaseException:
                    connection.close()
                    raise
            _open_here.add(self._path)
        return connection

    def _is_new(self) -> bool:
        """Makes the file if it is not there; looks at one that is without touching it."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            with self._path.open("rb") as file:
                head = file.read(_HEAD)
            if head:
                self._check(head)
            self._path.chmod(0o600)
            return not head
        return True

    def _check(self, head: bytes) -> None:
        ours = head.startswith(_MAGIC) and _number(head[_APPLICATION_AT]) == APPLICATION
        if not ours or len(head) < _HEAD:
            raise self._unusable("is no state of a simulator: choose another file")
        version = _number(head[_VERSION_AT])
        if version != VERSION:
            raise self._unusable(
                f"is a state of version {version}, and this simulator's is {VERSION}: "
                "choose another file"
            )

    def _prepare(self, connection: sqlite3.Connection, new: bool) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        if new:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        # Readable with the file alone, and as quick as it gets; see above for what it may lose.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise self._unusable("is damaged: choose another file")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Has trouble with the file told in our words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise self._in_use() from None
            raise self._unusable(f"cannot be used ({error})") from None
        except sqlite3.DatabaseError:
            raise self._unusable("is damaged: choose another file") from None
        except OSError as error:
            raise self._unusable(f"cannot be used ({error.strerror})") from None

    def _unusable(self, why: str) -> StorageError:
        return StorageError(f"the state file {self._path.name} {why}", "STATE")

    def _in_use(self) -> StorageLocked:
        return StorageLocked(f"the state file {self._path.name} is used by another simulator")


_KEEP = (
    "INSERT INTO {table} (key, document) VALUES (?, ?)"
    " ON CONFLICT (key) DO UPDATE SET document = excluded.document"
)


class _Table(Generic[Thing]):
    def __init__(self, file: StateFile, name: str, kind: type[Thing], deferred: bool) -> None:
        self._file, self._name, self._kind, self._patient = file, name, kind, deferred

    def all(self) -> Iterable[tuple[str, Thing]]:
        for key, document in self._file.rows(self._name):
            try:
                yield key, load(json.loads(document), self._kind)
            except (InvalidDocument, ValueError, RecursionError):
                raise self._file.unreadable(self._name) from None

    def put(self, key: str, thing: Thing) -> None:
        self._file.put(self._name, key, thing, self._kind, deferred=self._patient)

    def delete(self, key: str) -> None:
        self._file.put(self._name, key, _GONE, self._kind, deferred=self._patient)


def _text(document: Any) -> str:
    text = _readable(document)
    # JSON may spell half a character, which is no text anywhere else.
    return text if text.isascii() or _is_text(text) else json.dumps(document)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(four: bytes) -> int:
    return int.from_bytes(four, "big")
