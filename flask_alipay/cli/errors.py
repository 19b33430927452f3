"""Exit statuses of errors, and errors that name the next step.

Commands with results of their own (``bill``, ``doctor``, ``reconcile``, ``replay``, ``trigger``,
``verify_notify``) decide their exit status themselves, with the constants of this module.
"""

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

#: Success.
IN_ORDER = 0
#: Failure: a check failed, Alipay or the ledger rejected the operation, or it was not confirmed.
NOT_IN_ORDER = 1
#: Not started: wrong usage, unreadable input, or a database that does not respond.
MISUSED = 2
#: Unknown result: query before retrying. Or Alipay has done it, and the ledger has not recorded it.
UNKNOWN = 3


# Options and arguments with the parameters that they set.
_ALIASES = {"date": ("bill_date",), "how_much": ("amount", "refund_amount", "refund_fee")}


class CommandFailed(click.ClickException):
    """An error that ends a command with status 1: a check or the operation failed.

    :param message: the problem and the next step; sentences.
    """

    exit_code = NOT_IN_ORDER


class InputError(click.ClickException):
    """An error that ends a command with status 2: it could not start.

    :param message: the problem and the next step; sentences.
    """

    exit_code = MISUSED


class UnknownOutcome(click.ClickException):
    """An error that ends a command with status 3: its result is unknown.

    :param message: the problem and how to find the result out; sentences.
    """

    exit_code = UNKNOWN


@contextmanager
def handle_errors(next_step: str = "") -> Iterator[None]:
    """Convert this package's exceptions to the errors of commands.

    :param next_step: a sentence: the next step if the result is unknown.
    :raises click.ClickException: with the exit status for the exception.
    """
    try:
        yield
    except InvalidParameter as error:
        raise usage_error(error) from None
    except ConfigurationError as error:
        raise click.UsageError(sentence(error)) from None
    except OutcomeUnknown as error:
        default = _("The result is unknown. Check with 'query' before retrying.")
        raise UnknownOutcome(f"{sentence(error)} {next_step or default}") from None
    except AlipayError as error:
        raise CommandFailed(sentence(error)) from None
    except SQLAlchemyError as error:
        raise InputError(database_message(error)) from None


def usage_error(error: InvalidParameter) -> click.UsageError:
    """Return the error for a rejected value; blame its option or argument if it came from one.

    :param error: names the parameter.
    :return: the error to raise.
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
    """Convert failures of the ledger during a request that changes something at Alipay.

    :param done: a sentence: Alipay has done it, the ledger has not recorded it.
    :param remedy: a sentence: the way to update the ledger.
    :param next_step: a sentence: the next step if the result is unknown.
    :raises UnknownOutcome: for a failure of the ledger or a callback.
    """
    try:
        yield
    except CallbackFailed as error:
        raise UnknownOutcome(f"{done} {sentence(error)} {remedy}") from None
    except LedgerUnavailable as error:
        # Without a cause other workers held the row, perhaps before the request to Alipay.
        if error.__cause__ is None:
            raise UnknownOutcome(f"{sentence(error)} {next_step}") from None
        text = _("Alipay has responded, but the ledger could not record it.")
        raise UnknownOutcome(f"{text} {sentence(error)} {remedy}") from None
    except SQLAlchemyError as error:
        raise UnknownOutcome(f"{database_message(error)} {next_step}") from None
