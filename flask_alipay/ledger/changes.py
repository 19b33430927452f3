"""The guarded ``UPDATE``: how many rows it changed is the answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Update, inspect, select, update
from sqlalchemy.orm import Session

from ..models import PaymentMixin
from .connections import Connections


def changed(session: Session, statement: Update) -> int:
    """Runs an ``UPDATE`` past the session's objects and returns how many rows it changed."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)


def held(
    session: Session, connections: Connections, payments: type[PaymentMixin], *guard: Any
) -> bool:
    """Holds on to a payment's row until the end of the transaction.

    What is read after it is as others have committed it: on MariaDB a transaction that began with
    a ``SELECT`` would not see it.

    :param guard: which row.
    :returns: whether there is one.
    :raises LedgerUnavailable: if the database would let go of it at once.
    """
    connection = connections.of(inspect(payments))
    if connection.dialect.name in ("mysql", "mariadb"):
        # It counts such a row as changed only where the client has asked for that, which SQLAlchemy
        # does and a connection of the app's own making (``creator``) may not.
        row = select(payments.id).where(*guard).with_for_update()
        here = connections.reads_of(inspect(payments))
        return session.execute(row, bind_arguments=here).first() is not None
    # An UPDATE that changes nothing locks the row, and SQLite's whole file.
    statement = update(payments).where(*guard).values(refunded_fen=payments.refunded_fen)
    return changed(session, statement) == 1
