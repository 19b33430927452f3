"""Messages about database errors: the database, the cause and the next step."""

from __future__ import annotations

import re

import click
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..ledger.errors import describe_error, mysql_errno, sqlstate
from .i18n import _
from .merchants import current_merchant
from .table import strip_control_chars

# A table or column is missing. PostgreSQL: undefined_table, undefined_column, invalid_schema_name;
# MariaDB: ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR.
_MISSING_STATES = ("42P01", "42703", "3F000")
_MISSING_NUMBERS = (1146, 1054)
_MISSING_IN_SQLITE = re.compile(r"no such (table|column)|has no column named")


def database_message(error: SQLAlchemyError) -> str:
    """Return the message for a database error: the database, the cause, the next step.

    :param error: its text is repeated only if it contains no values of a row.
    :return: sentences in the reader's language.
    """
    text = _("The database {database} cannot be used ({reason}).")
    names = {
        "database": strip_control_chars(_database()),
        "reason": strip_control_chars(describe_error(error)),
    }
    return f"{text.format(**names)} {_next_step(error)}".replace("  ", " ")


def _next_step(error: SQLAlchemyError) -> str:
    if _is_table_missing(error):
        return _("Run 'flask db upgrade', or db.create_all() for a new database.")
    return _(
        "Check that it is running, and check SQLALCHEMY_DATABASE_URI. 'flask alipay "
        "doctor' diagnoses it."
    )


def _is_table_missing(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    if type(error.orig).__module__ == "sqlite3":
        return _MISSING_IN_SQLITE.search(str(error.orig)) is not None
    return sqlstate(error.orig) in _MISSING_STATES or mysql_errno(error.orig) in _MISSING_NUMBERS


def _database() -> str:
    """Return the payments' database URL without password and options; empty if it is unknown."""
    if click.get_current_context(silent=True) is None:
        return ""
    try:
        merchant = current_merchant()
        bind = merchant.session.get_bind(mapper=merchant.models.Payment)
    except (click.ClickException, SQLAlchemyError, RuntimeError):
        return ""
    url: URL = bind.engine.url
    return url.set(query={}).render_as_string(hide_password=True)
