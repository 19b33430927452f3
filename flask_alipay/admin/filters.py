"""Filters of the lists, from the query of a request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from ..exceptions import InvalidAmount
from ..ledger.listing import Listing, Position
from ..protocol.conversion import CHINA_TIME, to_minor_units
from .texts import _

_MAX_TEXT = 128
_MAX_ID = 2**63 - 1


class InvalidFilter(Exception):
    """A filter that cannot be applied; the message is for the operator."""


class Filters:
    """The filters of one request.

    :param args: the parameters of the request's query.
    """

    def __init__(self, args: Mapping[str, str]) -> None:
        self._args = args

    def text(self, name: str) -> str:
        """Return a text without surrounding spaces; empty if it is missing.

        :raises InvalidFilter: if it is too long or has control characters.
        """
        value = self._args.get(name, "").strip()
        if len(value) > _MAX_TEXT or not value.isprintable():
            raise InvalidFilter(_("The text to search for is too long or not readable."))
        return value

    def choice(self, name: str, choices: Collection[str]) -> str:
        """Return one of several words; empty if it is missing.

        :raises InvalidFilter: for any other word.
        """
        value = self._args.get(name, "")
        if value and value not in choices:
            raise InvalidFilter(_("There is no such choice; please choose from the list."))
        return value

    def day(self, name: str) -> date | None:
        """Return a day in China; ``None`` if it is missing.

        :raises InvalidFilter: if it is none.
        """
        value = self._args.get(name, "")
        if not value:
            return None
        try:
            day = date.fromisoformat(value)
        except ValueError:
            day = None
        # Beyond these years some databases have no times.
        if day is None or not 2000 <= day.year <= 2999:
            raise InvalidFilter(_("Please write a date like 2026-01-31."))
        return day

    def fen(self, name: str) -> int | None:
        """Return an amount in fen; ``None`` if it is missing.

        :raises InvalidFilter: if it is none.
        """
        value = self._args.get(name, "").strip()
        if not value:
            return None
        try:
            return to_minor_units(value)
        except InvalidAmount:
            raise InvalidFilter(_("Please write an amount like 88.88.")) from None

    def range(self) -> tuple[datetime | None, datetime | None]:
        """Return the range of the days ``since`` to ``until``, both included.

        :return: the beginning, and the end, which is excluded; ``None`` is open.
        :raises InvalidFilter: if it ends before it begins.
        """
        since, until = self.day("since"), self.day("until")
        if since is not None and until is not None and until < since:
            raise InvalidFilter(_("The last day is before the first."))
        end = None if until is None else _midnight(until + timedelta(days=1))
        return (None if since is None else _midnight(since)), end

    def has_range(self) -> bool:
        """Return whether the first day is given; the last one defaults to today."""
        return bool(self._args.get("since"))

    def position(self) -> Position | None:
        """Return the row after which the page begins; ``None``: it is the first page.

        :raises InvalidFilter: if the link was changed.
        """
        value = self._args.get("after", "")
        if not value:
            return None
        at, _sep, number = value.partition("_")
        try:
            found = Position(datetime.fromisoformat(at), int(number))
        except ValueError:
            found = None
        if found is None or found.at.tzinfo is None or not 0 < found.id <= _MAX_ID:
            raise InvalidFilter(_("This link is damaged; please start from the first page."))
        return Position(found.at.astimezone(timezone.utc), found.id)

    def given(self) -> dict[str, str]:
        """Return the filters that are set, to put them into links and forms again."""
        return {name: value for name, value in self._args.items() if value and name != "after"}


def written(row: Any, listing: Listing) -> str:
    """Return the position of a row as :meth:`Filters.position` reads it."""
    return f"{getattr(row, listing.time).isoformat()}_{row.id}"


def narrowed(listing: Listing, filters: Filters, *conditions: Any) -> Listing:
    """Return a selection with the filters that all lists have: a range of days and a number."""
    ranged = listing.between(*filters.range())
    return replace(listing, conditions=(*ranged, *conditions), number=filters.text("q"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA_TIME).astimezone(timezone.utc)
