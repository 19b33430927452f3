"""Collections of values that are held in memory, and in a storage beyond the process.

Memory is bounded; each change is written to the storage as well, and read from it at the start.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

Value = TypeVar("Value")


class Storage:
    """Storage that stores nothing; a subclass stores values by collection and key."""

    def read(self, collection: str, kind: type[Value]) -> Iterable[tuple[str, Value]]:
        """Return keys and values of a collection, in the order in which the keys were added."""
        return ()

    def write(self, collection: str, key: str, value: Any) -> None:
        """Store a value at the end of this thread's transaction, else at once; delete ``None``."""

    def transaction(self) -> AbstractContextManager[None]:
        """Store what is written within the block at its end, all or nothing.

        Blocks of different threads run one after the other; blocks may be nested.
        """
        return nullcontext()

    def close(self) -> None:
        """Store nothing from now on."""


class PersistentDict(OrderedDict[str, Value]):
    """Values in memory and in a storage, oldest first; not safe for threads.

    :param storage: is read now, and written with each change.
    :param collection: name of the collection in the storage.
    :param kind: type of the values, one that :mod:`.serialization` supports.
    :param max_items: number of values that :meth:`evict` leaves.
    """

    def __init__(
        self, storage: Storage | None, collection: str, kind: type[Value], max_items: int = 1_000
    ) -> None:
        super().__init__()
        self._storage, self._collection = storage or Storage(), collection
        self._max_items = max_items
        for key, value in self._storage.read(collection, kind):
            super().__setitem__(key, value)

    def __setitem__(self, key: str, value: Value) -> None:
        super().__setitem__(key, value)
        self._storage.write(self._collection, key, value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._storage.write(self._collection, key, None)

    def evict(self) -> list[Value]:
        """Remove the oldest values that exceed the limit, and return them."""
        return [self.pop_oldest() for _ in range(len(self) - self._max_items)]

    def pop_oldest(self) -> Value:
        """Remove the oldest value, and return it."""
        key = next(iter(self))
        value = self[key]
        del self[key]
        return value
