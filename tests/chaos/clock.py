"""Clock of the simulated months, shared by the workers through a file."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

CHINA = timezone(timedelta(hours=8))


class SharedClock:
    """Clock that is ahead of the machine's by what a file says.

    :param file: the file, which may be missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """Return the simulated time, aware UTC."""
        try:
            ahead = float(self._file.read_text())
        except FileNotFoundError:
            ahead = 0.0
        return datetime.now(timezone.utc) + timedelta(seconds=ahead)

    def today(self) -> date:
        """Return the simulated day in China."""
        return self.now().astimezone(CHINA).date()

    def move_to(self, day: date) -> None:
        """Make it noon of a day in China."""
        noon = datetime.combine(day, time(12), CHINA)
        ahead = (noon - datetime.now(timezone.utc)).total_seconds()
        new = self._file.with_suffix(".new")
        new.write_text(str(ahead))
        new.replace(self._file)
