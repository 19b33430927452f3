"""Suppression of configuration warnings in commands: they belong to the start of a server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

# A parent logger's filters do not apply to a child's records.
_LOGGERS = ("flask_alipay", "flask_alipay.simulator")
# Flask's command that starts a server.
_RUN_COMMAND = "run"


@contextmanager
def without_warnings_in_commands() -> Iterator[None]:
    """Omit the warnings of a registration while a command loads the app: ``flask run`` and other
    servers log them, and ``flask alipay doctor`` reports them as findings.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == _RUN_COMMAND:
        yield
        return
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_not_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_not_warning)


def _is_not_warning(record: logging.LogRecord) -> bool:
    return record.levelno != logging.WARNING
