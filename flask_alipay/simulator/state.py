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


class Shelf(Protocol[Thing]):
    """Things of one kind, by key."""

    def all(self) -> Iterable[tuple[str, Thing]]:
        """Returns what was there at the start, in the order in which it first came."""

    def put(self, key: str, thing: Thing) -> None:
        """Keeps a thing, in the place of that which has its key."""

    def drop(self, key: str) -> None:
        """Forgets a thing."""


class State(Protocol):
    """Where things are kept."""

    def shelf(self, name: str, kind: type[Thing], *, patient: bool = False) -> Shelf[Thing]:
        """Returns the shelf of a kind of things.

        :param kind: something that :mod:`.documents` can write.
        :param patient: whether things may wait to be kept until others are.
        """

    def together(self) -> AbstractContextManager[None]:
        """Keeps what is put within a block at its end, all or nothing.

        One block at a time: what one thread does in it, no other sees half done.
        """

    def close(self) -> None:
        """Keeps nothing from now on."""


class Nowhere:
    """Keeps nothing: what is in memory ends with the process."""

    def shelf(self, name: str, kind: type[Thing], *, patient: bool = False) -> Shelf[Thing]:
        """Returns a shelf on which nothing stays."""
        return _Empty()

    def together(self) -> AbstractContextManager[None]:
        """Does nothing."""
        return nullcontext()

    def close(self) -> None:
        """Does nothing."""


class _Empty:
    def all(self) -> Iterable[tuple[str, Thing]]:
        return ()

    def put(self, key: str, thing: object) -> None:
        pass

    def drop(self, key: str) -> None:
        pass


class Kept(OrderedDict[str, Thing]):
    """Things in memory, in the order in which they came, and on their shelf.

    Its owner sees to threads.

    :param shelf: where they are kept besides, and taken from now.
    :param most: how many :meth:`surplus` leaves.
    """

    def __init__(self, shelf: Shelf[Thing], most: int = 1_000) -> None:
        super().__init__()
        self._shelf = shelf
        self._most = most
        for key, thing in shelf.all():
            super().__setitem__(key, thing)

    def __setitem__(self, key: str, thing: Thing) -> None:
        super().__setitem__(key, thing)
        self._shelf.put(key, thing)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._shelf.drop(key)

    def surplus(self) -> list[Thing]:
        """Lets the oldest go that are too many, and returns them."""
        gone = []
        while len(self) > self._most:
            gone.append(self.oldest_out())
        return gone

    def oldest_out(self) -> Thing:
        """Lets the oldest go, and returns it."""
        key = next(iter(self))
        thing = self[key]
        del self[key]
        return thing
