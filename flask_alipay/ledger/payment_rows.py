"""Columns of one payment, read and changed by guarded ``UPDATE`` statements of their own.

For facts beside the settlement: leases, the buyer's way to Alipay and back, and queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from .exact_text import exactly
from .session import LedgerSession, change
from .statements import is_serialization_failure
from .tables import columns_of, entity_of, version_of


class PaymentRows:
    """The rows of one merchant's payments.

    :param session: the application's session.
    :param model: the application's class of payments.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(self, session: LedgerSession, model: Any, merchant: str) -> None:
        self._session = session
        #: The class that owns the table.
        self.model = entity_of(model)
        #: Its columns by the names of their attributes.
        self.column = columns_of(self.model)
        self._merchant = merchant

    def read(self, out_trade_no: str, names: Sequence[str], *, lock: bool = False) -> Any | None:
        """Return columns of a payment; ``None`` if there is no such payment.

        :param names: the attributes to read, beside ``id``.
        :param lock: whether to lock the row until the commit; a row that another transaction has
            locked is then treated as missing. SQLite locks nothing here.
        """
        column, version = self.column, version_of(self.model)
        seen = [column[name].label(name) for name in ("id", *names)]
        source = inspect(self.model).local_table
        if version is not None:
            seen += version.columns
            source = inspect(self.model).persist_selectable if version.parent else source
        found = (
            select(*seen)
            .select_from(source)
            .where(
                exactly(column["out_trade_no"], out_trade_no),
                exactly(column["merchant"], self._merchant),
            )
        )
        if lock:
            found = found.with_for_update(skip_locked=True)
        return self._session.execute(found, self.model).one_or_none()

    def change(self, row: Any, values: Mapping[str, Any], *guard: Any) -> bool:
        """Change a row that still is as the guard states; the caller commits.

        :param row: of :meth:`read`.
        :param values: the new values by attribute.
        :param guard: conditions that exclude changes since then.
        :return: ``False`` if the row has changed since; the caller rolls back.
        """
        statement = (
            update(inspect(self.model).local_table)
            .where(self.column["id"] == row.id, *guard)
            .values({self.column[name]: value for name, value in values.items()})
        )
        return change(self._session, self.model, statement, {}, row)

    def write(self, row: Any, values: Mapping[str, Any], *guard: Any) -> bool:
        """Change a row as :meth:`change` does, and commit or roll back.

        :return: ``False`` if the row has changed since.
        :raises SQLAlchemyError: if the database fails; the transaction is rolled back.
        """
        try:
            if self.change(row, values, *guard):
                self._session.session.commit()
                return True
        except SQLAlchemyError as error:
            self._session.roll_back()
            if not is_serialization_failure(error):
                raise
            return False
        self._session.roll_back()
        return False
