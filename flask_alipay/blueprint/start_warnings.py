"""Warnings about the configuration, which belong to the start of a server and not to a command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

# A child's records do not pass its parent's filters.
_LOGGERS = ("flask_alipay", "flask_alipay.simulator")
# The command of Flask's that serves.
_SERVES = "run"


@contextmanager
def without_warnings_in_commands() -> Iterator[None]:
    """Omit the warnings of a registration while a command loads the app: ``flask run`` and other
    servers log them, and ``flask alipay doctor`` reports them as findings.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == _SERVES:
        yield
        return
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_no_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_no_warning)


def _is_no_warning(record: logging.LogRecord) -> bool:
    return record.levelno != logging.WARNING
