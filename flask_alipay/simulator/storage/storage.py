"""What the simulator keeps beyond its process, if it keeps anything: see :mod:`.state_file`.

Its stores work in memory, which is bounded. Whatever changes in them is put on a shelf as well, and
taken from there when the simulator starts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

Thing = TypeVar("Thing")


class Collection(Protocol[Thing]):
    """Things of one kind, by key."""

    def all(self) -> Iterable[tuple[str, Thing]]:
        """Returns what was there at the start, in the order in which it first came."""

    def put(self, key: str, thing: Thing) -> None:
        """Keeps a thing, in the place of that which has its key."""

    def delete(self, key: str) -> None:
        """Forgets a thing."""


class Storage(Protocol):
    """Where things are kept."""

    def collection(
        self, name: str, kind: type[Thing], *, deferred: bool = False
    ) -> Collection[Thing]:
        """Returns the shelf of a kind of things.

        :param kind: something that :mod:`.documents` can write.
        :param patient: whether things may wait to be kept until others are.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Keeps what is put within a block at its end, all or nothing.

        One block at a time: what one thread does in it, no other sees half done.
        """

    def close(self) -> None:
        """Keeps nothing from now on."""


class NullStorage:
    """Keeps nothing: what is in memory ends with the process."""

    def collection(
        self, name: str, kind: type[Thing], *, deferred: bool = False
    ) -> Collection[Thing]:
        """Returns a shelf on which nothing stays."""
        return _Empty()

    def transaction(self) -> AbstractContextManager[None]:
        """Does nothing."""
        return nullcontext()

    def close(self) -> None:
        """Does nothing."""


class _Empty:
    def all(self) -> Iterable[tuple[str, Thing]]:
        return ()

    def put(self, key: str, thing: object) -> None:
        pass

    def delete(self, key: str) -> None:
        pass


class PersistentDict(OrderedDict[str, Thing]):
    """Things in memory, in the order in which they came, and on their shelf.

    Its owner sees to threads.

    :param shelf: where they are kept besides, and taken from now.
    :param most: how many :meth:`surplus` leaves.
    """

    def __init__(self, collection: Collection[Thing], limit: int = 1_000) -> None:
        super().__init__()
        self._collection = collection
        self._limit = limit
        for key, thing in collection.all():
            super().__setitem__(key, thing)

    def __setitem__(self, key: str, thing: Thing) -> None:
        super().__setitem__(key, thing)
        self._collection.put(key, thing)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._collection.delete(key)

    def evict(self) -> list[Thing]:
        """Lets the oldest go that are too many, and returns them."""
        gone = []
        while len(self) > self._limit:
            gone.append(self.pop_oldest())
        return gone

    def pop_oldest(self) -> Thing:
        """Lets the oldest go, and returns it."""
        key = next(iter(self))
        thing = self[key]
        del self[key]
        return thing
