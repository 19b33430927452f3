"""The command line: ``flask alipay …`` in an app, ``flask-alipay …`` without one.

``sign_url``
    one signed test URL
``doctor``
    what has to be fixed before money comes; the checks are in ``check_keys``, ``check_names``,
    ``check_site``, ``check_route`` and ``check_gateway``, and ``finding`` prints their results
``keygen``
    an RSA key pair in every form that somebody wants it in
``payments``, ``show``
    what the ledger knows, of many payments or all of one
``query``, ``close``, ``refund``
    what Alipay is asked about a payment, or told to do with it
``bill``
    Alipay's bill held against the ledger
``replay``
    a notification heard again
``rows``
    the ledger's rows, for people and for programs
``simulate``
    an offline Alipay by itself
``trigger``, ``telling``
    a notification of the simulator's without a trade behind it, and who signs and sends it
``verify_notify``
    whether a captured payload verifies and, if not, why
``captures``, ``payloads``, ``http_text``, ``json_text``, ``prints``
    read payloads from any capture; ``responses`` verifies those of the gateway
``checks``
    what the app's ledger says of a verified payload
``keyring``
    the keys to verify with, and what to call them
``addresses``
    whether a URL is on the internet
``verdict``
    what is said about a payload, to people and to programs
``merchants``
    the app and the merchant that a command works for
``load_failure``
    why the app does not load
``credentials``
    options and environment variables, where there is no app
``wording``
    what is said, in the reader's language
``table``
    tables that fit the terminal, and JSON for programs
``exits``
    exit statuses, and errors that say what to do next
``reconcile``
    asks about everything that waits
``conversation``
    what is asked before money moves, and how far a long command is
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

import click

from .._version import __version__
from ..blueprint.lazy_command import LazyCommand
from .click_texts import translate_click
from .i18n import N_, _
from .merchants import enter_app, merchant_option, program, registrations
from .merchants import in_app as run_in_app

#: The commands that exist with and without an app.
STANDALONE = ("doctor", "keygen", "sign-url", "simulate", "trigger", "verify-notify")
#: The commands that need an app.
APP_COMMANDS = (
    "bill",
    "close",
    "payments",
    "query",
    "reconcile",
    "refund",
    "replay",
    "show",
)

# They do not depend on a merchant.
_WITHOUT_MERCHANT = ("keygen", "simulate")
# It also examines an app that does not load.
_LOADS_APP_ITSELF = ("doctor",)

_HELP = N_("""Tools for Alipay that need no app.

Credentials come from options or from environment variables: FLASK_ALIPAY_APP_ID,
FLASK_ALIPAY_PRIVATE_KEY_PATH and so on, named as in the app's configuration (the prefix ALIPAY_
alone will do too).

\b
Example:
  {prefix} verify-notify captured.txt --public-key alipay.pem
""")
_EPILOG = N_(
    "In an app that registers AlipayBlueprint the same commands are at 'flask alipay'; there they "
    "use the app's configuration."
)


class AppGroup(click.Group):
    """``flask alipay``: our commands, and those that the app adds to ``AlipayBlueprint.cli``."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; the app is loaded only for one of its own."""
        return super().get_command(ctx, cmd_name) or _own_commands(ctx).get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; of ours alone if the app cannot be loaded."""
        try:
            own = _own_commands(ctx)
        except Exception:
            own = {}
        return sorted({*super().list_commands(ctx), *own})


def _own_commands(context: click.Context) -> dict[str, click.Command]:
    """The commands that the app adds to blueprints, by name."""
    enter_app(context)
    return {
        name: command
        for merchant in registrations().values()
        for name, command in merchant.blueprint.cli.commands.items()
    }


def _app_group() -> click.Group:
    """Build ``flask alipay``, in the current language."""
    translate_click()
    group = AppGroup("alipay", help=_("Take Alipay payments: sign, verify, look into."))
    _add_commands(group, STANDALONE + APP_COMMANDS, in_app=True)
    return merchant_option(group)


def _standalone_group() -> click.Group:
    """Build the group of commands that need no app, in the current language."""
    translate_click()
    group = click.Group(
        "flask-alipay",
        context_settings={"help_option_names": ["-h", "--help"]},
        help=_(_HELP).format(prefix=program(in_app=False)),
        epilog=_(_EPILOG),
    )
    _add_commands(group, STANDALONE, in_app=False)
    return click.version_option(__version__, prog_name="Flask-Alipay")(group)


def _add_commands(group: click.Group, names: tuple[str, ...], *, in_app: bool) -> None:
    for name in names:
        group.add_command(LazyCommand(name, partial(_load, name, in_app)))


def _load(name: str, in_app: bool) -> click.Command:
    """Build a command: ``sign-url`` is built by ``sign_url_command`` in ``sign_url``."""
    module = name.replace("-", "_")
    build = getattr(import_module(f".{module}", __name__), f"{module}_command")
    command: click.Command = build(in_app) if name in STANDALONE else build()
    if in_app and name not in _WITHOUT_MERCHANT:
        merchant_option(command)
        if name not in _LOADS_APP_ITSELF and command.callback is not None:
            command.callback = run_in_app(command.callback)
    return command


#: ``flask alipay``: the entry point of ``flask.commands``.
app_commands = LazyCommand("alipay", _app_group)

#: ``flask-alipay`` and ``python -m flask_alipay``: the commands that need no app.
main = LazyCommand("flask-alipay", _standalone_group)
