"""What ``doctor`` finds: how bad it is, what, why, and how to mend it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import click

from .i18n import _, language
from .table import echo_json, strip_control_chars, terminal_width

OK = "ok"
WARN = "warn"
FAIL = "fail"
#: What cannot be seen from here.
UNKNOWN = "unknown"

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red", UNKNOWN: "cyan"}
_INDENT = " " * 9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    #: What was looked at, in one word for programs.
    check: str
    #: :data:`OK`, :data:`WARN`, :data:`FAIL` or :data:`UNKNOWN`.
    level: str
    #: What was found; no secret.
    message: str
    #: Why it matters, where it is not in order.
    reason: str = ""
    #: What to do about it.
    fix: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether nothing works before it is mended."""
        return self.level == FAIL


def print_findings(findings: Iterable[Finding], as_json: bool) -> bool:
    """Prints findings as they come, and what they come to.

    :param machine: whether programs read it.
    :returns: whether nothing failed.
    """
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in findings:
        counts[finding.level] += 1
        if as_json:
            echo_json(asdict(finding))
        else:
            _print(finding)
    if not as_json:
        told = _("{ok} in order, {warn} to look at, {fail} wrong, {unknown} unknown.")
        click.echo("\n" + told.format(**counts))
    return not counts[FAIL]


@contextmanager
def muted_logging() -> Iterator[None]:
    """Keeps warnings out of the log that are told as findings."""
    logger = logging.getLogger("flask_alipay")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _print(finding: Finding) -> None:
    level = click.style(finding.level.ljust(7), fg=_COLOURS[finding.level], bold=True)
    click.echo(f"{level}  {_wrapped(finding.message).lstrip()}")
    for paragraph in filter(None, (finding.reason, finding.fix and f"→ {finding.fix}")):
        click.echo(_wrapped(paragraph))


def _wrapped(paragraph: str) -> str:
    room = min(100, terminal_width() or 80)
    # Wrapping counts characters, and a Chinese one takes two columns.
    width = (room + len(_INDENT)) // 2 if language() == "zh" else room
    return click.wrap_text(strip_control_chars(paragraph), width, _INDENT, _INDENT)
