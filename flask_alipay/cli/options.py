"""Shared options, confirmations and progress of commands."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import click

from .i18n import _

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any] | click.Command")

# The number of progress lines without a terminal, to keep logs short.
_LINES = 10
_NEGATIVE = re.compile(r"-[0-9][0-9.,]*|-[.,][0-9]+")


class AmountCommand(click.Command):
    """A command with an argument AMOUNT, which does not parse a negative amount as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments.

        :param ctx: of the command.
        :param args: of the command line.
        :return: the arguments that are left.
        :raises click.BadParameter: for a negative amount.
        """
        for before, argument in zip(("", *args), args, strict=False):
            if _NEGATIVE.fullmatch(argument) and not before.startswith("-"):
                raise click.BadParameter(_("must be above zero."), ctx, param_hint="'AMOUNT'")
        return super().parse_args(ctx, args)


def json_option(command: F) -> F:
    """Add ``--json``, as the argument ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help=_("Print one JSON object per line, for programs.")
    )(command)


def yes_option(command: F) -> F:
    """Add ``--yes``, as the argument ``yes``."""
    return click.option("--yes", is_flag=True, help=_("Do not ask for confirmation."))(command)


def confirm(what: str, yes: bool) -> None:
    """Ask for a confirmation on standard error, and end the command without one.

    :param what: a sentence that describes the operation.
    :param yes: whether ``--yes`` was given.
    :raises click.Abort: without a confirmation or a terminal; the exit status is
        :data:`~flask_alipay.cli.errors.NOT_IN_ORDER`.
    """
    if yes:
        return
    click.echo(what, err=True)
    click.confirm(_("Continue?"), abort=True, err=True)


def warn_if_simulator(simulator: bool) -> None:
    """Explain on standard error why a command finds no trade in the embedded simulator.

    :param simulator: whether the merchant uses it.
    """
    if simulator:
        text = _(
            "The simulator is embedded in the app: its trades are in the server's process, and "
            "this command has a separate simulator without trades. To share one, run "
            "'flask-alipay simulate' and use the settings that it prints."
        )
        click.echo(text, err=True)


def progress(things: Collection[T], label: str) -> Iterator[T]:
    """Yield things and show the progress on standard error: a bar in a terminal, else a few lines.

    :param things: the things to process.
    :param label: of the progress, for example "Querying Alipay".
    :return: the things in their order.
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
            text = _("{label}: {number} of {total}")
            click.echo(text.format(label=label, number=number, total=total), err=True)
