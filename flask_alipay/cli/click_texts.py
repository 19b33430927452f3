"""Translation of click's own texts: usage errors, prompts and headings of help pages.

click looks its texts up in the process's gettext domain, which belongs to the application.
"""

from __future__ import annotations

import gettext
from typing import Final

import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.termui
import click.types

from .i18n import N_, _

_MODULES: Final = (
    click.core,
    click.decorators,
    click.exceptions,
    click.formatting,
    click.parser,
    click.termui,
    click.types,
)

#: The texts that this package's commands can show.
TEXTS: Final = (
    N_("Aborted!"),
    N_("Missing command."),
    N_("Options"),
    N_("Commands"),
    N_("Got unexpected extra argument ({args})"),
    N_("Got unexpected extra arguments ({args})"),
    N_("default: {default}"),
    N_("Takes {nargs} values but 1 was given."),
    N_("Takes {nargs} values but {len} were given."),
    N_("Show the version and exit."),
    N_("Show this message and exit."),
    N_("Did you mean {possibility}?"),
    N_("(Did you mean one of: {possibilities}?)"),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("Invalid value: {message}"),
    N_("Could not open file {filename!r}: {message}"),
    N_("Error: {message}"),
    N_("Try '{command} {option}' for help."),
    N_("No such option {name!r}."),
    N_("No such command {name!r}."),
    N_("Usage:"),
    N_("Option {name!r} does not take a value."),
    N_("Option {name!r} requires an argument."),
    N_("Error: invalid input"),
    N_("file"),
    N_("directory"),
    N_("path"),
    N_("Choose from:\n\t{choices}"),
    N_("{value!r} is not {choice}."),
    N_("{value!r} is not one of {choices}."),
    N_("{value} is not in the range {range}."),
    N_("{value!r} is not a valid {number_type}."),
    N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is a directory."),
    N_("{name} {filename!r} is not readable."),
    N_("{name} {filename!r} is not writable."),
    N_("{name} {filename!r} does not exist."),
)
_KNOWN: Final = frozenset(TEXTS)


def translate_click() -> None:
    """Make click look its texts up in this package's catalogue first."""
    for module in _MODULES:
        for name, replacement in (("_", _translate), ("ngettext", _translate_plural)):
            if hasattr(module, name):
                setattr(module, name, replacement)


def _translate(text: str) -> str:
    translated = _(text) if text in _KNOWN else text
    return gettext.gettext(text) if translated == text else translated


def _translate_plural(one: str, several: str, count: int) -> str:
    text = one if count == 1 else several
    translated = _(text) if text in _KNOWN else text
    return gettext.ngettext(one, several, count) if translated == text else translated
