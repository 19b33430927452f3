"""Command line: ``flask alipay …`` in an app, ``flask-alipay …`` without one.

Commands without an app:

``doctor``
    diagnosis of keys, settings, addresses, tables and gateway; its checks are in ``check_keys``,
    ``check_names``, ``check_site``, ``check_route``, ``check_production`` and ``check_gateway``,
    ``findings`` prints their results, and ``load_failure`` explains an app that does not load
``keygen``
    RSA key pair in the formats of Alipay's console and the SDKs
``sign_url``
    one signed test URL
``simulate``, ``simulate_instructions``, ``sdk_settings``
    stand-alone simulator of Alipay, and the settings for its apps
``trigger``, ``trigger_sender``, ``trigger_content``
    a simulated notification without a trade
``verify_notify``
    diagnosis of captured payloads

Commands of an app:

``payments``, ``show``
    the ledger's payments, and one payment with its history
``authorizations``, ``agreements``, ``grants``, ``show_grants``
    the ledger's authorizations and agreements, and one of them with its history
``capture``, ``release``, ``charge``
    operations on authorizations and agreements at Alipay
``query``, ``close``, ``refund``, ``reconcile``, ``transfer``
    operations at Alipay
``bill``
    comparison of Alipay's bill with the ledger
``replay``
    settlement of a notification from the journal or a file
``prune``
    deletion of old rows of the journal

Used by ``verify_notify`` and ``replay``:

``captured_notifications``, ``payloads``, ``raw_http``, ``json_text``, ``dump_formats``
    readers of captured payloads
``verification_keys``, ``responses``, ``ledger_checks``, ``verification_report``
    keys to verify with, gateway responses, checks against the ledger, and the report

Shared by the commands:

``merchants``, ``credentials``, ``key_folder``, ``site_addresses``
    the app's merchants; credentials without an app, and a simulator's; URLs
``options``, ``periods``
    options, confirmations and progress; days in China
``output``, ``table``, ``spreadsheet``
    the ledger's rows, tables and JSON, CSV
``errors``, ``database_errors``, ``sentences``, ``error_translation``, ``error_texts``,
``parameter_texts``
    exit statuses and error messages
``i18n``, ``click_texts``
    translation of this package's and click's texts
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

import click

from .. import _distribution as _distribution  # also if the other project's __init__.py is in place
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
    "agreements",
    "authorizations",
    "bill",
    "capture",
    "charge",
    "close",
    "payments",
    "prune",
    "query",
    "reconcile",
    "refund",
    "release",
    "replay",
    "show",
    "transfer",
)

# Commands that do not depend on a merchant.
_WITHOUT_MERCHANT = ("keygen", "simulate")
# Commands that also examine an app that does not load.
_LOADS_APP_ITSELF = ("doctor",)

_HELP = N_("""Tools for Alipay that need no app.

Credentials come from options or from environment variables: FLASK_ALIPAY_APP_ID,
FLASK_ALIPAY_PRIVATE_KEY_PATH and so on, named as in the app's configuration (the prefix ALIPAY_
works as well).

\b
Example:
  {prefix} verify-notify captured.txt --public-key alipay.pem
""")
_EPILOG = N_(
    "In an app that registers AlipayBlueprint the same commands are at 'flask alipay'; there they "
    "use the app's configuration."
)


class AppGroup(click.Group):
    """``flask alipay``: this package's commands and the app's.

    The app adds its own to ``AlipayBlueprint.cli``.
    """

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; load the app only for a command that the app adds."""
        return super().get_command(ctx, cmd_name) or _app_added_commands(ctx).get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, without the app's if it cannot be loaded."""
        try:
            added = _app_added_commands(ctx)
        except Exception:
            added = {}
        return sorted({*super().list_commands(ctx), *added})


def _app_added_commands(context: click.Context) -> dict[str, click.Command]:
    """Return the commands that the app adds to blueprints, by name."""
    enter_app(context)
    return {
        name: command
        for merchant in registrations().values()
        for name, command in merchant.blueprint.cli.commands.items()
    }


def _app_group() -> click.Group:
    """Build ``flask alipay``, in the current language."""
    translate_click()
    group = AppGroup("alipay", help=_("Alipay payments: sign, verify, query, refund."))
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
