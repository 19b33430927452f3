"""Faster paths for classes without hooks.

Most of a notification's cost are its statements and the objects built for them. The object of a
payment that was just claimed need not be loaded: the columns that the claim has guarded and written
are known, and the rest is loaded on first access. A row of the journal need not pass through the
unit of work. If a class or the session has a listener, a version counter, a constructor or related
classes that could observe the difference, the ledger uses the ORM's regular path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, Update, func, insert
from sqlalchemy.orm import Session, make_transient_to_detached

from .session import LedgerSession
from .tables import columns_of, mapper_of


def is_plain(session: LedgerSession, model: Any) -> bool:
    """Return whether no hook could observe a skipped load or flush of a class's object."""
    if not _is_simple(model) or session.observed:
        return False
    mapper = mapper_of(model)
    rows, objects = mapper.dispatch, mapper.class_manager.dispatch
    return not (
        rows.before_insert
        or rows.after_insert
        or objects.init_failure
        or objects.expire
        # SQLAlchemy listens to "init" itself; the mixins to the others, to convert times to UTC.
        or len(objects.init) > 1
        or len(objects.load) > 1
        or len(objects.refresh) > 1
    )


@lru_cache(maxsize=64)
def _is_simple(model: Any) -> bool:
    """Return whether a class has no inheritance, version counter or constructor, and an integer as
    its primary key.
    """
    mapper = mapper_of(model)
    identity = columns_of(model)["id"]
    return (
        mapper.inherits is None
        and mapper.polymorphic_on is None
        and mapper.version_id_col is None
        and mapper.class_manager.original_init is mapper.registry.constructor
        and tuple(mapper.primary_key) == (identity,)
        and isinstance(identity.type, Integer)
    )


def claim(
    session: LedgerSession,
    model: Any,
    statement: Update,
    values: Mapping[str, Any],
    known: Mapping[str, Any],
) -> tuple[bool, Any | None]:
    """Execute a claim.

    :param statement: the guarded ``UPDATE``.
    :param values: its parameters, and the new values by the columns' keys.
    :param known: the payment's attributes after the claim, as far as they are known.
    :returns: whether a row was claimed, and its object if it need not be loaded.
    """
    connection = session.connection(model)
    returning = _returning(model, connection.dialect.name, connection.dialect.update_returning)
    if returning is None or not _writes_where_reads(session, model, connection):
        claimed: Any = connection.execute(statement, values, execution_options=session.options)
        return claimed.rowcount == 1, None
    result: Any = connection.execute(
        returning(statement), values, execution_options=session.options
    )
    if connection.dialect.update_returning:
        number = result.scalar_one_or_none()
    else:
        number = result.lastrowid if result.rowcount == 1 else None
    if not number:
        return number is not None, None
    return True, _object(session.session, model, {**known, "id": number})


def _writes_where_reads(session: LedgerSession, model: Any, connection: Connection) -> bool:
    """Return whether a claimed object can be built without a load: deferred loads have to use the
    database that was written to.
    """
    bind = session.session.get_bind(mapper=mapper_of(model))
    here = bind is connection.engine or bind is connection
    return here and is_plain(session, model)


@lru_cache(maxsize=64)
def _returning(model: Any, database: str, update_returning: bool) -> Callable[[Update], Any] | None:
    """Return a function that adds the row's ``id`` to a claim; ``None`` if the database cannot."""
    identity = columns_of(model)["id"]

    @lru_cache(maxsize=1)
    def returning(statement: Update) -> Any:
        if update_returning:
            return statement.returning(identity)
        # Sets lastrowid; the column keeps its value.
        return statement.values({identity: func.last_insert_id(identity)})

    return returning if update_returning or database in ("mysql", "mariadb") else None


def _object(session: Session, model: Any, known: Mapping[str, Any]) -> Any | None:
    """Return the object of a row that this transaction has changed, persistent in the session.

    :param known: its attributes, as far as they are known; ``id`` among them.
    :returns: ``None`` if the session has the object already and would have to refresh it.
    """
    if mapper_of(model).identity_key_from_primary_key((known["id"],)) in session.identity_map:
        return None
    payment = model()
    # Without history and without events, as a load sets them.
    vars(payment).update(known)
    make_transient_to_detached(payment)
    session.add(payment)
    return payment


def insert_row(session: LedgerSession, model: Any, values: Mapping[str, Any]) -> None:
    """Insert a row, without an object if no hook could observe the difference.

    :param values: by the names of the attributes.
    """
    if not is_plain(session, model):
        session.add(model(**values))
        return
    columns = columns_of(model)
    session.execute(_insert(model), model, {columns[name].key: values[name] for name in values})


@lru_cache(maxsize=64)
def _insert(model: Any) -> Any:
    # Inline: the new row's number is not needed.
    return insert(mapper_of(model).local_table).inline()
