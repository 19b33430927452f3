"""How a command ends: the exit statuses of all commands, and errors that say what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import (
    AlipayError,
    CallbackFailed,
    ConfigurationError,
    InvalidParameter,
    LedgerUnavailable,
    OutcomeUnknown,
)
from .wording import _

#: Done, and everything is in order.
IN_ORDER = 0
#: The answer is no: it does not verify, Alipay or the ledger refuses, it is not there, you said no.
NOT_IN_ORDER = 1
#: Nothing was begun: the command was misused, what it was given cannot be read, or the database
#: does not answer.
MISUSED = 2
#: No whole answer came: it may have happened or not. Ask before you do it again. Or it has happened
#: at Alipay, and the ledger could not write it down.
UNKNOWN = 3

# A dot or an underscore inside a word: it is a name in somebody's code.
_NAME = re.compile(r"\w[._]\w")


class Refused(click.ClickException):
    """Ends a command whose answer is no.

    :param message: what is the matter and what to do next; a sentence.
    """

    exit_code = NOT_IN_ORDER


class Unreadable(click.ClickException):
    """Ends a command that could not begin: what it needs cannot be read, or did not come.

    :param message: what is the matter and what to do next; a sentence.
    """

    exit_code = MISUSED


class Unknown(click.ClickException):
    """Ends a command of which nobody knows whether it happened.

    :param message: what is the matter and how to find out; a sentence.
    """

    exit_code = UNKNOWN


@contextmanager
def refusals(next_step: str = "") -> Iterator[None]:
    """Turns what our exceptions say into the end of a command.

    :param next_step: a sentence: what to do where the outcome is unknown.
    """
    try:
        yield
    except (InvalidParameter, ConfigurationError) as error:
        raise click.UsageError(sentence(error)) from None
    except OutcomeUnknown as error:
        default = _("It may have happened or not: ask with 'query' before you do it again.")
        raise Unknown(f"{sentence(error)} {next_step or default}") from None
    except AlipayError as error:
        raise Refused(sentence(error)) from None
    except SQLAlchemyError as error:
        raise Unreadable(no_database(error)) from None


@contextmanager
def told_to_alipay(done: str, remedy: str, next_step: str) -> Iterator[None]:
    """Goes round a call that changes something at Alipay: the ledger may fail after Alipay's yes.

    :param done: a sentence: what Alipay has done, and that the ledger does not have it.
    :param remedy: a sentence: how to bring the ledger in line.
    :param next_step: a sentence: what to do where the outcome is unknown.
    """
    try:
        yield
    except CallbackFailed as error:
        raise Unknown(f"{done} {sentence(error)} {remedy}") from None
    except LedgerUnavailable as error:
        # Without a cause other workers were in the way, perhaps before Alipay was asked.
        if error.__cause__ is None:
            raise Unknown(f"{sentence(error)} {next_step}") from None
        told = _("Alipay has answered, but the ledger could not write it down.")
        raise Unknown(f"{told} {sentence(error)} {remedy}") from None
    except SQLAlchemyError as error:
        raise Unknown(f"{no_database(error)} {next_step}") from None


def no_database(error: SQLAlchemyError) -> str:
    """Returns what there is to say where the database does not answer."""
    # Not its text: it holds the statement's values, the buyer's data among them.
    told = _("The database could not answer ({kind}): is it there, and are the tables made?")
    return told.format(kind=type(error).__name__)


def sentence(error: BaseException) -> str:
    """Returns the words of an exception as a sentence, with a capital letter and a full stop."""
    text = str(error).strip() or type(error).__name__
    first = text.split(maxsplit=1)[0].rstrip(".,:;")
    if first != getattr(error, "parameter", None) and not _NAME.search(first):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", "。")) else f"{text}."
