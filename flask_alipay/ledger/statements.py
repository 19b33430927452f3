"""SQL statements that find and update a payment, built once for each class.

Most of a notification's cost are its statements and the objects built for them. For classes without
hooks there are faster paths. The object of a payment that was just claimed need not be loaded: the
columns that the claim has guarded and written are known, and the rest is loaded on first access. A
row of the journal need not pass through the unit of work. If a class or the session has a listener,
a version counter, a constructor or related classes that could observe the difference, the ledger
uses the ORM's regular path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    Update,
    bindparam,
    func,
    inspect,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.exc import StaleDataError

from ..exceptions import LedgerUnavailable
from ..models import PaymentMixin
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .errors import is_serialization_error
from .exact_text import exactly
from .session import LedgerSession, change
from .tables import columns_of, entity_of, mapper_of, version_of
from .transitions import BEFORE_SALE

# The fixed columns and the state of a payment: read before an update, and guarded by it.
_GUARDED = ("merchant", "out_trade_no", "currency", "total_fen")
_STATE_COLUMNS = ("trade_status", "paid", "refunded_fen")

_SEEN = (*_GUARDED, *_STATE_COLUMNS, "trade_no", "auth_app_id", "details")

# The written columns whose values are known without reading the row back. Times are not: a database
# may store them with less precision.
_WRITTEN = (*_STATE_COLUMNS, "trade_no", "buyer_id", "buyer_open_id")


def _claim(table: Any, column: Mapping[str, Any], named: tuple[Any, ...]) -> Update:
    """Return the ``UPDATE`` that turns an unpaid payment into a sale."""
    return update(table).where(
        *named,
        equals_param(column["currency"], "of_currency"),
        column["total_fen"] == bindparam("of_total_fen"),
        column["trade_status"].in_([literal_column(f"'{status}'") for status in BEFORE_SALE]),
        column["trade_status"] != bindparam("of_barred", type_=column["trade_status"].type),
        column["paid"].is_(False),
        column["refunded_fen"] == literal_column("0"),
        # Of another merchant's payment the merchant is compared, after it was read.
        column["auth_app_id"].is_(None),
        # Of a capture or deduction, the authorization or agreement changes as well.
        column["out_order_no"].is_(None),
        column["external_agreement_no"].is_(None),
    )


class PaymentStatements:
    """Statements for the payments of one class.

    :param model: the application's class on :class:`~flask_alipay.PaymentMixin`.
    """

    def __init__(self, model: type[PaymentMixin]) -> None:
        #: The class that owns the table; loaded objects are instances of their own classes.
        self.model: Any = entity_of(cast("Any", model))
        mapper: Any = inspect(self.model)
        column = columns_of(self.model)
        self._table = mapper.local_table
        self._keys = {name: column[name].key for name in column}
        #: The version counter, which has to be read before an update.
        self.version = version_of(self.model)
        named = (
            equals_param(column["out_trade_no"], "of_out_trade_no"),
            equals_param(column["merchant"], "of_merchant"),
        )
        self._find = select(self.model).where(*named)
        #: Locks a payment. Only its own row: a class may load related rows that cannot be locked.
        self.lock_row = self._find.with_for_update(of=self.model)
        seen = [column[name].label(name) for name in _SEEN]
        source = self._table
        if self.version is not None:
            seen += self.version.columns
            source = mapper.persist_selectable if self.version.parent else source
        #: Changes nothing, but locks the row; on SQLite the file.
        same = {column["refunded_fen"]: column["refunded_fen"]}
        self.touch = update(self._table).where(*named).values(same)
        self._select_state = select(*seen).select_from(source).where(*named)
        self._select_number = select(column["out_trade_no"]).where(
            equals_param(column["trade_no"], "of_trade_no"),
            equals_param(column["merchant"], "of_merchant"),
        )
        # Explains a violated unique constraint, so it compares by the database's collation.
        self._select_taken: Any = (
            select(literal_column("1"))
            .where(
                column["trade_no"] == bindparam("of_trade_no"),
                column["out_trade_no"] != bindparam("of_out_trade_no"),
            )
            .limit(1)
        )
        self._update = update(self._table).where(
            *(column[name] == bindparam(f"seen_{name}") for name in (*_GUARDED, *_STATE_COLUMNS))
        )
        self._claim = _claim(self._table, column, named)

    def find(
        self,
        session: LedgerSession,
        merchant: str,
        out_trade_no: str,
        *,
        writing: bool = True,
        lock: bool = False,
    ) -> Any | None:
        """Return a payment as the database has it now, or ``None``.

        :param writing: whether to read on the connection that writes payments.
        :param lock: whether to lock the row until the commit.
        """
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        where = self.model if writing else None
        found = session.load(self.lock_row if lock else self._find, where, named)
        return found[0] if found else None

    def lock(self, session: LedgerSession, merchant: str, out_trade_no: str) -> Any | None:
        """Lock a payment until the commit and return its current state, or ``None``.

        Later reads see the commits of other workers: on MariaDB a transaction that began with a
        ``SELECT`` would not.

        :raises LedgerUnavailable: if the database would release the lock at once.
        """
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        [found] = session.lock(self.touch, named, (self.lock_row, self.model))
        return found[0] if found else None

    def fetch_state(self, session: LedgerSession, merchant: str, out_trade_no: str) -> Any | None:
        """Return the state of a payment as a plain row, or ``None``."""
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        return session.execute(self._select_state, self.model, named).one_or_none()

    def find_out_trade_no(self, session: LedgerSession, merchant: str, trade_no: str) -> str | None:
        """Return the merchant's number of a trade, or ``None``."""
        named = {"of_trade_no": trade_no, "of_merchant": merchant}
        found = session.execute(self._select_number, self.model, named)
        number: str | None = found.scalar_one_or_none()
        return number

    def trade_no_taken(self, session: LedgerSession, notification: Notification) -> bool:
        """Return whether another payment, of any merchant, has the trade number of a report."""
        numbers = {
            "of_trade_no": notification.trade_no,
            "of_out_trade_no": notification.out_trade_no,
        }
        return session.execute(self._select_taken, self.model, numbers).first() is not None

    def claim(
        self, session: LedgerSession, merchant: str, sale: Notification, values: Mapping[str, Any]
    ) -> Any | None:
        """Record a sale for an unpaid payment of exactly that amount, without reading it first: the
        guarded ``UPDATE``.

        :param values: the values to write.
        :returns: the payment, or ``None`` if no row matched.
        """
        params = {
            "of_out_trade_no": sale.out_trade_no,
            "of_merchant": merchant,
            "of_currency": sale.currency,
            "of_total_fen": sale.total_fen,
            # A closed payment becomes a sale only after a query.
            "of_barred": "" if sale.query_first == "never" else TradeStatus.TRADE_CLOSED,
            **self._written(values),
        }
        known = {
            "out_trade_no": sale.out_trade_no,
            "merchant": merchant,
            "currency": sale.currency,
            "total_fen": sale.total_fen,
            "refunded_fen": 0,
            "auth_app_id": None,
            "out_order_no": None,
            "external_agreement_no": None,
            **{name: values[name] for name in _WRITTEN if name in values},
        }
        claimed, payment = _execute_claim(session, self.model, self._claim, params, known)
        if claimed and payment is None:
            payment = self.find(session, merchant, sale.out_trade_no)
            if payment is None:
                raise LedgerUnavailable("the session does not return the payment that was claimed")
        return payment

    def update_if_unchanged(
        self, session: LedgerSession, seen: Any, values: Mapping[str, Any]
    ) -> bool:
        """Change a payment if its state is still as it was read: the guarded ``UPDATE``.

        :param seen: the state that :meth:`fetch_state` returned.
        :param values: the values to write.
        :returns: ``False`` if the state has changed since.
        """
        guard = {f"seen_{name}": getattr(seen, name) for name in (*_GUARDED, *_STATE_COLUMNS)}
        return change(session, self.model, self._update, guard | self._written(values), seen)

    def _written(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self._keys[name]: value for name, value in values.items()}


def equals_param(column: Any, parameter: str) -> exactly:
    """Return the condition that a column equals the text of a parameter exactly."""
    return exactly(column, bindparam(parameter, type_=column.type))


@lru_cache(maxsize=64)
def payment_statements(model: Any) -> PaymentStatements:
    """Return the statements of a class."""
    return PaymentStatements(model)


def is_serialization_failure(error: BaseException | None) -> bool:
    """Return whether a transaction failed only because another was faster."""
    if isinstance(error, StaleDataError):
        return True  # another worker has incremented the row's version
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    return is_serialization_error(error.orig)


def _execute_claim(
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
    connection, is_buildable = session.claiming_connection(model)
    returning = _returning(model, connection.dialect.name, connection.dialect.update_returning)
    if returning is None or not is_buildable:
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
    return True, _claimed_object(session.session, model, {**known, "id": number})


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


def _claimed_object(session: Session, model: Any, known: Mapping[str, Any]) -> Any | None:
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
