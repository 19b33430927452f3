"""How a command ends: the exit statuses of all commands, and errors that say what to do next."""

from __future__ import annotations

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
from .database_errors import database_message
from .i18n import _
from .sentences import sentence as sentence

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


# Options and arguments with the parameters of calls that they become.
_ALIASES = {"date": ("bill_date",), "how_much": ("amount", "refund_amount", "refund_fee")}


class CommandFailed(click.ClickException):
    """Ends a command whose answer is no.

    :param message: what is the matter and what to do next; a sentence.
    """

    exit_code = NOT_IN_ORDER


class InputError(click.ClickException):
    """Ends a command that could not begin: what it needs cannot be read, or did not come.

    :param message: what is the matter and what to do next; a sentence.
    """

    exit_code = MISUSED


class UnknownOutcome(click.ClickException):
    """Ends a command of which nobody knows whether it happened.

    :param message: what is the matter and how to find out; a sentence.
    """

    exit_code = UNKNOWN


@contextmanager
def handle_errors(next_step: str = "") -> Iterator[None]:
    """Turns what our exceptions say into the end of a command.

    :param next_step: a sentence: what to do where the outcome is unknown.
    """
    try:
        yield
    except InvalidParameter as error:
        raise usage_error(error) from None
    except ConfigurationError as error:
        raise click.UsageError(sentence(error)) from None
    except OutcomeUnknown as error:
        default = _("It may have happened or not: ask with 'query' before you do it again.")
        raise UnknownOutcome(f"{sentence(error)} {next_step or default}") from None
    except AlipayError as error:
        raise CommandFailed(sentence(error)) from None
    except SQLAlchemyError as error:
        raise InputError(database_message(error)) from None


def usage_error(error: InvalidParameter) -> click.UsageError:
    """Return the error of a command for a rejected value: it blames the option or argument that the
    value was given by, if it was.
    """
    context = click.get_current_context(silent=True)
    named = [] if context is None else context.command.params
    for parameter in named:
        if error.parameter in (parameter.name, *_ALIASES.get(str(parameter.name), ())):
            message = sentence(error, without_parameter=True)
            return click.BadParameter(message, context, parameter)
    return click.UsageError(sentence(error))


@contextmanager
def handle_ledger_errors(done: str, remedy: str, next_step: str) -> Iterator[None]:
    """Goes round a call that changes something at Alipay: the ledger may fail after Alipay's yes.

    :param done: a sentence: what Alipay has done, and that the ledger does not have it.
    :param remedy: a sentence: how to bring the ledger in line.
    :param next_step: a sentence: what to do where the outcome is unknown.
    """
    try:
        yield
    except CallbackFailed as error:
        raise UnknownOutcome(f"{done} {sentence(error)} {remedy}") from None
    except LedgerUnavailable as error:
        # Without a cause other workers were in the way, perhaps before Alipay was asked.
        if error.__cause__ is None:
            raise UnknownOutcome(f"{sentence(error)} {next_step}") from None
        told = _("Alipay has answered, but the ledger could not write it down.")
        raise UnknownOutcome(f"{told} {sentence(error)} {remedy}") from None
    except SQLAlchemyError as error:
        raise UnknownOutcome(f"{database_message(error)} {next_step}") from None
