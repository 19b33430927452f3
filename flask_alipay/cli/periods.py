"""Days in China time as conditions on the ledger's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple, TypeVar

import click

from ..models import utc_now
from ..protocol.conversion import CHINA_TIME
from .i18n import _

F = TypeVar("F", bound="Callable[..., Any] | click.Command")


class Day(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A day in China: ``2026-01-31``."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a :class:`~datetime.date`."""
        if isinstance(value, date):
            return value
        text = str(value).strip()
        try:
            # Python 3.11 also reads 20260131 and 2026-W05-6.
            return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            self.fail(_("use the format 2026-01-31."), param, ctx)


def day_options(command: F) -> F:
    """Add ``--today``, ``--on``, ``--from`` and ``--to``; see :func:`days_of`."""
    day = Day()
    options = (
        click.option("--today", is_flag=True, help=_("Only payments of today.")),
        click.option("--on", type=day, metavar="DATE", help=_("Only payments of this day.")),
        click.option(
            "--from",
            "since",
            type=day,
            metavar="DATE",
            help=_("Only payments of this day or later."),
        ),
        click.option(
            "--to",
            "until",
            type=day,
            metavar="DATE",
            help=_("Only payments of this day or earlier."),
        ),
    )
    for add in reversed(options):
        command = add(command)
    return command


class Days(NamedTuple):
    """A range of days in China; ``None`` is an open end."""

    first: date | None = None
    last: date | None = None

    @property
    def is_one_day(self) -> bool:
        """True for a single day."""
        return self.first is not None and self.first == self.last

    def conditions(self, column: Any) -> list[Any]:
        """Return the conditions for a column of times.

        :param column: with aware UTC times.
        :return: conditions for ``where()``.
        """
        found = [] if self.first is None else [column >= _midnight(self.first)]
        return found if self.last is None else [*found, column < _midnight(self.last, 1)]


def days_of(options: Mapping[str, Any]) -> Days:
    """Return the range of ``--today``, ``--on``, ``--from`` and ``--to``.

    :param options: ``today``, ``on``, ``since`` and ``until``.
    :return: the range; open without options.
    :raises click.UsageError: if they contradict each other.
    """
    since, until = options["since"], options["until"]
    given = [options["today"], options["on"] is not None, (since or until) is not None]
    if sum(map(bool, given)) > 1:
        raise click.UsageError(_("Use only one of --today, --on, or --from and --to."))
    if options["today"]:
        today = utc_now().astimezone(CHINA_TIME).date()
        return Days(today, today)
    if options["on"] is not None:
        return Days(options["on"], options["on"])
    if since and until and since > until:
        raise click.UsageError(_("--from is later than --to."))
    return Days(since, until)


def _midnight(day: date, later: int = 0) -> datetime:
    """Return the start of a day in China, or of a later day, in UTC."""
    at = datetime.combine(day, time(), CHINA_TIME) + timedelta(days=later)
    return at.astimezone(timezone.utc)
