"""What the benchmarks find: a line for each aim, reached or missed, and how many at the end."""

from __future__ import annotations

from collections import Counter

REACHED, MISSED, NOT_MEASURED = "reached", "MISSED", "not measured"

_told: list[tuple[str, str]] = []


def at_least(what: str, value: float, reach: float, unit: str) -> None:
    """Prints one line about something that is to be large.

    :param what: is measured.
    :param unit: what the value counts, "of the floor".
    """
    verdict = REACHED if value >= reach else MISSED
    _tell(what, verdict, f"{value:5.2f} {unit} (at least {reach:.2f}: {verdict})")


def at_most(what: str, value: float, reach: float, unit: str) -> None:
    """Prints one line about something that is to be small; otherwise as :func:`at_least`."""
    verdict = REACHED if value <= reach else MISSED
    _tell(what, verdict, f"{value:5.2f} {unit} (at most {reach:.2f}: {verdict})")


def for_the_record(what: str, value: float, unit: str) -> None:
    """Prints one line about something that nobody has set an aim for."""
    print(f"{what:<48} {value:5.2f} {unit}", flush=True)


def not_measured(what: str, why: str) -> None:
    """Prints one line about something that this machine lacks what it takes for."""
    _tell(what, NOT_MEASURED, f"not measured: {why}")


def conclude() -> int:
    """Prints what was missed, and how many aims were reached.

    :returns: what the process exits with: 1 if anything was missed.
    """
    count = Counter(verdict for _, verdict in _told)
    for what, verdict in _told:
        if verdict != REACHED:
            print(f"{verdict}: {what}")
    print(", ".join(f"{count[verdict]} {verdict}" for verdict in (REACHED, MISSED, NOT_MEASURED)))
    return 1 if count[MISSED] else 0


def _tell(what: str, verdict: str, said: str) -> None:
    _told.append((what, verdict))
    print(f"{what:<48} {said}", flush=True)
