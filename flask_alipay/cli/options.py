"""What commands have in common when they talk: ask before money moves, tell how far they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import click

from .i18n import _

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any] | click.Command")

# Plain lines where there is no terminal: a log of ten lines, not of ten thousand.
_LINES = 10


def json_option(command: F) -> F:
    """Adds ``--json``, which arrives as ``machine``."""
    return click.option(
        "--json", "machine", is_flag=True, help=_("One JSON object a line, for programs.")
    )(command)


def yes_option(command: F) -> F:
    """Adds ``--yes``, which arrives as ``yes``."""
    return click.option("--yes", is_flag=True, help=_("Do not ask whether it is meant."))(command)


def confirm(what: str, yes: bool) -> None:
    """Asks on standard error whether something is meant, and ends the command where it is not.

    :param what: a sentence that says what is going to happen.
    :param yes: whether ``--yes`` was given.
    :raises click.Abort: if it is not meant, or nobody is there to say so. The exit status is
        :data:`~flask_alipay.cli.errors.NOT_IN_ORDER`.
    """
    if yes:
        return
    click.echo(what, err=True)
    click.confirm(_("Shall it be done?"), abort=True, err=True)


def warn_if_simulator(simulator: bool) -> None:
    """Explain on standard error why a command finds no trade in the embedded simulator.

    :param simulator: whether it stands in for Alipay.
    """
    if simulator:
        told = _(
            "The simulator is inside the app: its trades are in the server's process, and this "
            "command has a simulator of its own, without trades. To share one, run 'flask-alipay "
            "simulate' and give the app the settings that it prints."
        )
        click.echo(told, err=True)


def progress(things: Collection[T], label: str) -> Iterator[T]:
    """Goes through things and tells on standard error how far it is: by a bar in a terminal, by a
    few plain lines elsewhere.

    :param label: what is being done, "Asking Alipay".
    """
    if sys.stderr.isatty():
        with click.progressbar(things, label=label, file=sys.stderr) as bar:
            yield from bar
        return
    total = len(things)
    step = max(1, total // _LINES)
    for number, thing in enumerate(things, 1):
        yield thing
        if number % step == 0 or number == total:
            told = _("{label}: {number} of {total}")
            click.echo(told.format(label=label, number=number, total=total), err=True)
