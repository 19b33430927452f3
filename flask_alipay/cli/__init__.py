"""The command line: ``flask alipay …`` in an app, ``python -m flask_alipay …`` without one.

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

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .._version import __version__
from .wording import N_, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

#: The commands that need no app, and those that do.
ANYWHERE = ("doctor", "keygen", "sign-url", "simulate", "trigger", "verify-notify")
IN_AN_APP = (
    "bill",
    "close",
    "payments",
    "query",
    "reconcile",
    "refund",
    "replay",
    "show",
)


class LaterCommand(click.Command):
    """A command that is loaded when it is asked for: each app carries the group, few run it.

    :param name: on the command line.
    :param load: makes the command itself.
    """

    def __init__(self, name: str, load: Callable[[], click.Command]) -> None:
        super().__init__(name)
        self._load = load

    @property
    def command(self) -> click.Command:
        """The command itself, in the language of whoever asks."""
        return self._load()

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Hands over to the command: the context is its own."""
        return self.command.make_context(*args, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Returns the command's."""
        return self.command.get_short_help_str(limit)


def attach(group: click.Group, blueprint: AlipayBlueprint | None = None) -> None:
    """Gives a command group its commands.

    :param group: a blueprint's, which is ``flask alipay`` unless it has another name; or one that
        needs no app.
    :param blueprint: the merchant that the commands speak for; without one, options and environment
        say who that is.
    """
    group.help = group.help or _("Take Alipay payments: sign, verify, look into.")
    for name in ANYWHERE if blueprint is None else ANYWHERE + IN_AN_APP:
        group.add_command(LaterCommand(name, partial(_load, name, blueprint)))


def _load(name: str, blueprint: AlipayBlueprint | None) -> click.Command:
    """Makes a command: ``sign-url`` is made by ``sign_url_command`` in ``sign_url``."""
    room = name.replace("-", "_")
    make = getattr(import_module(f".{room}", __name__), f"{room}_command")
    return _in_app(make(blueprint), blueprint)


def _in_app(command: click.Command, blueprint: AlipayBlueprint | None) -> click.Command:
    if blueprint is not None and command.callback is not None:
        from flask.cli import with_appcontext

        command.callback = with_appcontext(command.callback)
    return command


_HELP = N_("""Tools for Alipay that need no app.

Credentials come from options or from environment variables: FLASK_ALIPAY_APP_ID,
FLASK_ALIPAY_PRIVATE_KEY_PATH and so on, named as in the app's configuration (the prefix ALIPAY_
alone will do too).

\b
Example:
  python -m flask_alipay verify-notify captured.txt --public-key alipay.pem
""")
_EPILOG = N_(
    "In an app that registers AlipayBlueprint the same commands are at 'flask alipay'; there they "
    "use the app's configuration."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]}, help=_(_HELP), epilog=_(_EPILOG)
)
@click.version_option(__version__, prog_name="Flask-Alipay")
def main() -> None:
    """Runs a command that needs no app."""


attach(main)
