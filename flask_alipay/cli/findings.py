"""Findings of ``doctor``: level, message, reason and fix."""

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
#: It cannot be checked from here.
UNKNOWN = "unknown"

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red", UNKNOWN: "cyan"}
_INDENT = " " * 9


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    #: The name of the check, for programs.
    check: str
    #: :data:`OK`, :data:`WARN`, :data:`FAIL` or :data:`UNKNOWN`.
    level: str
    #: The result; contains no secret.
    message: str
    #: The consequence, unless the level is :data:`OK`.
    reason: str = ""
    #: The fix.
    fix: str = ""

    @property
    def is_fault(self) -> bool:
        """True if payments cannot work before this is fixed."""
        return self.level == FAIL


def print_findings(findings: Iterable[Finding], as_json: bool) -> bool:
    """Print findings as they are made, and their summary.

    :param findings: the findings.
    :param as_json: whether to print JSON, without a summary.
    :return: whether no finding is :data:`FAIL`.
    """
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in findings:
        counts[finding.level] += 1
        if as_json:
            echo_json(asdict(finding))
        else:
            _print(finding)
    if not as_json:
        text = _("{ok} ok, {warn} warnings, {fail} failed, {unknown} unknown.")
        click.echo("\n" + text.format(**counts))
    return not counts[FAIL]


@contextmanager
def muted_logging() -> Iterator[None]:
    """Suppress log warnings that are reported as findings."""
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
    available = min(100, terminal_width() or 80)
    # click wraps by characters, and a Chinese one takes two columns.
    width = (available + len(_INDENT)) // 2 if language() == "zh" else available
    return click.wrap_text(strip_control_chars(paragraph), width, _INDENT, _INDENT)
