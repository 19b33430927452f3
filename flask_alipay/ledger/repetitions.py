"""A repetition in one statement: its line goes into the journal if the payment stands exactly where
the news says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, insert, inspect, literal_column, select

from ..notification import Notification
from .connections import Connections
from .prepared import Prepared

# MariaDB would lock the payment's row for it.
_DATABASES = ("sqlite", "postgresql")
# What a line of the journal has.
_LINE = (
    *("notify_id", "merchant", "out_trade_no", "trade_no", "trade_status"),
    *("outcome", "detail", "payload", "received_at"),
)


class Repetitions:
    """Writes the lines of repetitions, of one class of payments into one class of the journal.

    :param payments: the app's class on :class:`~flask_alipay.PaymentMixin`.
    :param lines: the app's class on :class:`~flask_alipay.NotificationMixin`.
    """

    def __init__(self, payments: type[Any], lines: type[Any]) -> None:
        self._payments: Any = inspect(payments)
        self._lines: Any = inspect(lines)
        column, of_line = self._payments.columns, self._lines.columns
        table = self._lines.local_table
        written = {of_line[name].key for name in _LINE}
        # A SELECT has no room for what SQLAlchemy makes up for a column.
        self._possible = all(one.default is None for one in table.c if one.key not in written)
        guarded = ("out_trade_no", "merchant", "currency", "total_fen", "trade_no")
        # PostgreSQL, before it has counted a new table's rows, would look for all sales in the
        # status' index; in what is not the bare column it cannot.
        status = column.trade_status + literal_column("''")
        line = select(*(bindparam(f"line_{name}", type_=of_line[name].type) for name in _LINE))
        found = line.select_from(self._payments.local_table).where(
            *(column[name] == bindparam(f"of_{name}") for name in guarded),
            status == bindparam("of_trade_status"),
            column.paid.is_(True),
            column.refunded_fen == literal_column("0"),
        )
        names = [of_line[name].key for name in _LINE]
        self._insert = Prepared(insert(table).from_select(names, found, include_defaults=False))

    def write(
        self, connections: Connections, merchant: str, sale: Notification, line: Mapping[str, Any]
    ) -> bool:
        """Adds a line to the journal, in the current transaction, if the payment is that very sale:
        paid by that trade, of that amount and status, and nothing of it given back.

        :param sale: the news of a plain sale.
        :param line: what is written, by name.
        :returns: whether it was; never where the database or the app's class cannot do it so.
        """
        if not self._possible:
            return False
        connection = connections.of(self._payments)
        if (
            connection.dialect.name not in _DATABASES
            or connections.of(self._lines) is not connection
        ):
            return False
        values = {f"line_{name}": value for name, value in line.items()}
        for name in ("out_trade_no", "currency", "total_fen", "trade_no", "trade_status"):
            values[f"of_{name}"] = getattr(sale, name)
        values["of_merchant"] = merchant
        return self._insert.execute(connection, values).rowcount == 1


@lru_cache(maxsize=64)
def repetitions(payments: Any, lines: Any) -> Repetitions:
    """Returns what writes the lines of two classes."""
    return Repetitions(payments, lines)
