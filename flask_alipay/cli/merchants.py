"""The app and the merchant of a command."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..exceptions import ConfigurationError
from .i18n import _
from .sentences import sentence

if TYPE_CHECKING:
    from flask import Flask

    from ..merchant import Merchant

F = TypeVar("F", bound="Callable[..., Any] | click.Command")

#: The program's name for commands of an app.
PROGRAM_IN_APP = "flask alipay"

#: The program's names without an app: console script and module.
PROGRAMS = ("flask-alipay", "python -m flask_alipay")

_SELECTED = "flask_alipay.merchant"


def program(in_app: bool) -> str:
    """Return the words before a command's name, for examples.

    :param in_app: whether the command belongs to ``flask alipay``.
    :return: for example ``flask alipay``.
    """
    if in_app:
        return PROGRAM_IN_APP
    context = click.get_current_context(silent=True)
    name = context.find_root().info_name if context else None
    return name if name in PROGRAMS else PROGRAMS[0]


def merchant_option(command: F) -> F:
    """Add ``--merchant`` to a command or group of an app.

    If both have it, the last one on the command line takes precedence.
    """
    return click.option(
        "--merchant",
        metavar="NAME",
        expose_value=False,
        callback=_select,
        help=_("The merchant's blueprint, by its name, if the app registers several."),
    )(command)


def in_app(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command's callback in the context of the app.

    :param callback: of the command.
    :return: the callback with the context.
    """

    def run(*args: Any, **options: Any) -> Any:
        enter_app(click.get_current_context())
        return callback(*args, **options)

    return update_wrapper(run, callback)


def load_app(context: click.Context) -> Flask:
    """Load the app and push its context for the rest of the command.

    :param context: of the command.
    :return: the app.
    :raises click.UsageError: if there is no app; other errors are the app's own.
    """
    from flask import current_app
    from flask.cli import ScriptInfo

    if not current_app:
        context.with_resource(context.ensure_object(ScriptInfo).load_app().app_context())
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def enter_app(context: click.Context) -> Flask:
    """Load the app as :func:`load_app` does, for commands that need one.

    :param context: of the command.
    :return: the app.
    :raises click.UsageError: also if the configuration of Alipay is invalid.
    """
    try:
        return load_app(context)
    except ConfigurationError as error:
        next_step = _("'flask alipay doctor' checks the configuration.")
        raise click.UsageError(f"{sentence(error)} {next_step}") from None


def registrations() -> dict[str, Merchant]:
    """Return the merchants that the current app registers, by name."""
    from flask import current_app

    found = current_app.extensions.get("alipay", {}).values()
    return {merchant.name: merchant for merchant in found}


def current_merchant() -> Merchant:
    """Return the merchant of the command.

    :return: the selected merchant, or the only one.
    :raises click.UsageError: if the app registers no blueprint, or several and ``--merchant`` does
        not select one; the message names them.
    """
    found, selected = registrations(), click.get_current_context().meta.get(_SELECTED)
    if not found:
        raise click.UsageError(
            _(
                "This app registers no AlipayBlueprint. Register one with app.register_blueprint, "
                "or use 'flask-alipay' for commands that need no app."
            )
        )
    names = ", ".join(found)
    if selected is None:
        if len(found) > 1:
            text = _("This app has several merchants. Select one with --merchant: {names}.")
            raise click.UsageError(text.format(names=names))
        return next(iter(found.values()))
    # The name of a nested blueprint begins with its parent's.
    matching = [one for name, one in found.items() if selected in (name, one.blueprint.name)]
    if len(matching) != 1:
        text = _("There is no merchant {name!r} in this app. It has: {names}.")
        raise click.BadParameter(text.format(name=selected, names=names), param_hint="--merchant")
    return matching[0]


def command_line(merchant: Merchant, command: str) -> str:
    """Return a command line for the shell.

    :param merchant: the merchant.
    :param command: with its arguments.
    :return: with ``--merchant`` if the app has several.
    """
    if len(registrations()) == 1:
        return f"{PROGRAM_IN_APP} {command}"
    return f"{PROGRAM_IN_APP} --merchant {merchant.name} {command}"


def _select(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_SELECTED] = value
