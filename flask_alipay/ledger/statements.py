"""The statements that find a payment and move it, written once for each class."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import bindparam, inspect, literal_column, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError

from ..exceptions import LedgerUnavailable
from ..models import PaymentMixin
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .drivers import is_overtaken
from .exact_text import exactly
from .session import LedgerSession
from .shortcuts import claim
from .tables import change, columns_of, entity_of, version_of
from .transitions import BEFORE_SALE

# The status of a payment, and what never changes of it: what a look sees and a move guards.
_GUARDED = ("merchant", "out_trade_no", "currency", "total_fen")
_STATE_COLUMNS = ("trade_status", "paid", "refunded_fen")

# What is known of a payment once a claim has written it. Times are not: a database may keep less of
# them than that.
_WRITTEN = (*_STATE_COLUMNS, "trade_no", "buyer_id")


class PaymentStatements:
    """Finds and moves payments of one class.

    :param model: the application's class on :class:`~flask_alipay.PaymentMixin`.
    """

    def __init__(self, model: type[PaymentMixin]) -> None:
        #: The class that owns the table; objects are of their own classes all the same.
        self.model: Any = entity_of(cast("Any", model))
        mapper: Any = inspect(self.model)
        column = columns_of(self.model)
        self._table = mapper.local_table
        self._keys = {name: column[name].key for name in column}
        self._version = version_of(self.model)
        named = (
            given(column["out_trade_no"], "of_out_trade_no"),
            given(column["merchant"], "of_merchant"),
        )
        self._find = select(self.model).where(*named)
        # Of its own row alone: what a class loads with it may not be there to be locked.
        self._lock = self._find.with_for_update(of=self.model)
        seen = [column[name].label(name) for name in (*_GUARDED, *_STATE_COLUMNS, "trade_no")]
        source = self._table
        if self._version is not None:
            seen += self._version.columns
            source = mapper.persist_selectable if self._version.parent else source
        # Changes nothing, but locks the row; on SQLite the file.
        same = {column["refunded_fen"]: column["refunded_fen"]}
        self._touch = update(self._table).where(*named).values(same)
        self._look = select(*seen).select_from(source).where(*named)
        self._number = select(column["out_trade_no"]).where(
            given(column["trade_no"], "of_trade_no"),
            given(column["merchant"], "of_merchant"),
        )
        # This one explains a violated constraint, which compares as the database does.
        self._another: Any = (
            select(literal_column("1"))
            .where(
                column["trade_no"] == bindparam("of_trade_no"),
                column["out_trade_no"] != bindparam("of_out_trade_no"),
            )
            .limit(1)
        )
        self._move = update(self._table).where(
            *(column[name] == bindparam(f"seen_{name}") for name in (*_GUARDED, *_STATE_COLUMNS))
        )
        self._claim = update(self._table).where(
            *named,
            given(column["currency"], "of_currency"),
            column["total_fen"] == bindparam("of_total_fen"),
            column["trade_status"].in_([literal_column(f"'{status}'") for status in BEFORE_SALE]),
            column["trade_status"] != bindparam("of_barred", type_=column["trade_status"].type),
            column["paid"].is_(False),
            column["refunded_fen"] == literal_column("0"),
        )

    @property
    def claims_at_once(self) -> bool:
        """Whether a sale can be claimed without a look; the next version of a row depends on the
        last.
        """
        return self._version is None

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

        :param writing: whether to read where payments are written.
        :param lock: whether to lock its row until the commit, too.
        """
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        where = self.model if writing else None
        found = session.load(self._lock if lock else self._find, where, named)
        return found[0] if found else None

    def lock(self, session: LedgerSession, merchant: str, out_trade_no: str) -> Any | None:
        """Lock a payment until the commit and return it as it is then, or ``None``.

        What is read after it is as others have committed it: on MariaDB a transaction that began
        with a ``SELECT`` would not see it.

        :raises LedgerUnavailable: if the database would release the lock at once.
        """
        if session.connection(self.model).dialect.name not in ("mysql", "mariadb"):
            # On PostgreSQL this UPDATE also fails if the transaction is too old to see the refunds
            # that others committed.
            named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
            touched: Any = session.execute(self._touch, self.model, named)
            if not touched.rowcount:
                return None
        return self.find(session, merchant, out_trade_no, lock=True)

    def fetch_state(self, session: LedgerSession, merchant: str, out_trade_no: str) -> Any | None:
        """Return the status of a payment as a plain row, or ``None``."""
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        return session.execute(self._look, self.model, named).one_or_none()

    def find_out_trade_no(self, session: LedgerSession, merchant: str, trade_no: str) -> str | None:
        """Return the merchant's number of a trade, or ``None``."""
        named = {"of_trade_no": trade_no, "of_merchant": merchant}
        found = session.execute(self._number, self.model, named)
        number: str | None = found.scalar_one_or_none()
        return number

    def trade_no_taken(self, session: LedgerSession, notification: Notification) -> bool:
        """Tell whether a report's trade is another payment's, of any merchant."""
        numbers = {
            "of_trade_no": notification.trade_no,
            "of_out_trade_no": notification.out_trade_no,
        }
        return session.execute(self._another, self.model, numbers).first() is not None

    def claim(
        self, session: LedgerSession, merchant: str, sale: Notification, values: Mapping[str, Any]
    ) -> Any | None:
        """Make a sale of a payment that is none yet, if it is of exactly that amount: the guarded
        ``UPDATE`` without a look.

        :param values: what is written.
        :returns: the payment, ``None`` if there was none.
        """
        guard = {
            "out_trade_no": sale.out_trade_no,
            "merchant": merchant,
            "currency": sale.currency,
            "total_fen": sale.total_fen,
        }
        written = {name: values[name] for name in _WRITTEN if name in values}
        known = {**guard, "refunded_fen": 0, **written}
        params = {f"of_{name}": guard[name] for name in guard} | self._written(values)
        # Without a query no closed payment becomes a sale.
        params["of_barred"] = "" if sale.query_first == "never" else TradeStatus.TRADE_CLOSED
        claimed, payment = claim(session, self.model, self._claim, params, known)
        if claimed and payment is None:
            payment = self.find(session, merchant, sale.out_trade_no)
            if payment is None:
                raise LedgerUnavailable("the session does not return the payment that was claimed")
        return payment

    def move(self, session: LedgerSession, seen: Any, values: Mapping[str, Any]) -> bool:
        """Change a payment that still is as it was seen: the guarded ``UPDATE``.

        :param seen: what :meth:`look` returned.
        :param values: what is written.
        :returns: whether it was.
        """
        guard = {f"seen_{name}": getattr(seen, name) for name in (*_GUARDED, *_STATE_COLUMNS)}
        return change(session, self.model, self._move, guard | self._written(values), seen)

    def _written(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self._keys[name]: value for name, value in values.items()}


def given(column: Any, parameter: str) -> exactly:
    """Return the condition that a column holds exactly the text of a parameter."""
    return exactly(column, bindparam(parameter, type_=column.type))


@lru_cache(maxsize=64)
def payment_statements(model: Any) -> PaymentStatements:
    """Return the statements of a class."""
    return PaymentStatements(model)


def is_serialization_failure(error: BaseException | None) -> bool:
    """Tells whether a transaction failed only because another was faster."""
    if isinstance(error, StaleDataError):
        return True  # another worker has counted the row's version up
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    return is_overtaken(error.orig)
