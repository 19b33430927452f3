"""Explanation of ``doctor`` for an app that does not load."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import ConfigurationError
from ..settings import KNOWN
from .findings import FAIL, Finding
from .i18n import _
from .sentences import sentence

if TYPE_CHECKING:
    from flask import Flask

# A word of this shape in a message may be a key.
_SECRET = re.compile(r"[A-Za-z0-9+=]{32,}")
_MAX_MESSAGE = 300


def explain_load_failure(error: BaseException) -> Finding:
    """Return the finding for an app that does not load.

    :param error: raised by :meth:`flask.cli.ScriptInfo.load_app`.
    :return: its message contains no secret.
    """
    from flask.cli import NoAppException

    if isinstance(error, ConfigurationError):
        return Finding(
            "app",
            FAIL,
            _("The app does not load: {reason}").format(reason=sentence(error)),
            _("Its routes do not exist: no buyer can pay, and Alipay cannot notify it."),
            _("Change it in the app's configuration, or in the environment."),
        )
    if isinstance(error, NoAppException):
        cause = error.__context__
        # Flask wraps an ImportError of the app's module: explain the ImportError.
        if not isinstance(cause, ImportError) or not _was_raised_inside(cause):
            return _without_app(error)
        error = cause
    names = {"kind": type(error).__name__, "reason": _reason(error), "place": _place(error)}
    return Finding(
        "app",
        FAIL,
        _("The app does not load. {kind} at {place}: {reason}").format(**names),
        _("Its routes do not exist: no buyer can pay, and Alipay cannot notify it."),
        _("Fix it there; 'flask routes' shows the whole traceback."),
    )


def failed_app(error: BaseException) -> Flask | None:
    """Return the app that was being built when an error was raised, with its configuration so far.

    :param error: raised while the app was loaded.
    :return: ``None`` if there was no app yet.
    """
    from flask import Flask

    found = None
    for frame, _line in traceback.walk_tb(error.__traceback__):
        found = next((v for v in frame.f_locals.values() if isinstance(v, Flask)), found)
    return found


def failed_prefix(error: BaseException, mapping: Mapping[str, Any]) -> str:
    """Return the prefix of the settings of the merchant that was being registered.

    :param error: raised while the app was loaded.
    :param mapping: the app's configuration.
    :return: ``ALIPAY`` if it is unknown.
    """
    key = str(getattr(error, "key", ""))
    for name in sorted(KNOWN, key=len, reverse=True):
        prefix = key.removesuffix(f"_{name}")
        if prefix != key and not mapping.keys().isdisjoint(
            {f"{prefix}_APP_ID", f"{prefix}_PARTNER"}
        ):
            return prefix
    return "ALIPAY"


def _was_raised_inside(error: BaseException) -> bool:
    return error.__traceback__ is not None and error.__traceback__.tb_next is not None


def _without_app(error: click.ClickException) -> Finding:
    return Finding(
        "app",
        FAIL,
        _("There is no app to examine: {reason}").format(reason=error.format_message()),
        _("The settings of an app are in its configuration."),
        _("Give 'flask --app NAME', or use 'flask-alipay doctor', which needs no app."),
    )


def _reason(error: BaseException) -> str:
    # str() of a SyntaxError ends with the line at fault, which may contain a key.
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    first = message.strip().partition("\n")[0][:_MAX_MESSAGE]
    return _SECRET.sub("***", first) or type(error).__name__


def _place(error: BaseException) -> str:
    """Return the file and line at fault: the innermost of the app's own files."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_installed(frame.filename)] or frames
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "?"


def _is_installed(filename: str) -> bool:
    return "site-packages" in filename or filename.startswith("<frozen")
