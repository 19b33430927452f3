"""The rows of one merchant's authorizations: found, locked and changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import inspect, select, update

from ..exceptions import LedgerUnavailable
from .authorization_updates import apply_payment
from .exact_text import exactly
from .session import LedgerSession, change
from .tables import columns_of, entity_of, version_of

logger = logging.getLogger("flask_alipay")

_SEEN: Final = (
    *("id", "out_order_no", "out_request_no", "auth_app_id", "auth_no", "operation_id", "status"),
    *("total_fen", "captured_fen", "released_fen", "reserved_fen", "pending_captures", "details"),
    *("release_no", "release_fen", "release_sent_at", "releases", "payer_user_id"),
    *("payer_open_id", "authorized_at", "finished_at", "closed_at"),
)
_GUARDED: Final = ("status", "total_fen", "captured_fen", "released_fen", "reserved_fen")


class AuthorizationRows:
    """The rows of authorizations in the application's session.

    :param session: the ledger's session.
    :param model: the application's class.
    :param merchant: the ``app_id``.
    """

    def __init__(self, session: LedgerSession, model: Any, merchant: str) -> None:
        self._session = session
        #: The class that owns the table.
        self.model = entity_of(model)
        self._merchant = merchant

    def find(self, out_order_no: str) -> Any | None:
        """Return the application's object as the database has it now, or ``None``."""
        found = self._session.load(select(self.model).where(*self._named(out_order_no)), self.model)
        return found[0] if found else None

    def require(self, out_order_no: str) -> Any:
        """Return the application's object within a change.

        :raises LedgerUnavailable: if the session does not return it.
        """
        row = self.find(out_order_no)
        if row is None:
            raise LedgerUnavailable("the session does not return the authorization")
        return row

    def lock(self, out_order_no: str) -> Any | None:
        """Lock a row until the commit, and return its state as a plain row, or ``None``.

        Has to be the first statement of its transaction about the row. On MariaDB the locking
        ``SELECT`` reads what other workers have committed; elsewhere an ``UPDATE`` that changes
        nothing comes first, which on SQLite locks the file.
        """
        dialect = self._session.connection(self.model).dialect.name
        mapper: Any = inspect(self.model)
        if dialect not in ("mysql", "mariadb"):
            column = columns_of(self.model)["total_fen"]
            touch = update(mapper.local_table).where(*self._named(out_order_no))
            touched: Any = self._session.execute(touch.values({column: column}), self.model)
            if not touched.rowcount:
                return None
        return self._select(out_order_no, lock=dialect != "sqlite")

    def change(self, seen: Any, values: Mapping[str, Any]) -> None:
        """Change a locked row: the guarded ``UPDATE``.

        :param seen: the row as :meth:`lock` returned it.
        :raises LedgerUnavailable: if the row is not as it was read.
        """
        column, mapper = columns_of(self.model), inspect(self.model)
        statement = (
            update(mapper.local_table)
            .where(
                column["id"] == seen.id,
                *(column[name] == getattr(seen, name) for name in _GUARDED),
            )
            .values({column[name]: value for name, value in values.items()})
        )
        if not change(self._session, self.model, statement, {}, seen):
            raise LedgerUnavailable("the authorization has changed although it was locked")

    def record_payment(self, payment: Any, events: Sequence[str]) -> tuple[tuple[str, ...], Any]:
        """Record the events of a settled capture, in the transaction that settles it.

        :param payment: the application's object.
        :param events: the payment's events.
        :returns: the events of the authorization, and the application's object.
        """
        if "paid" not in events and "failed" not in events:
            return (), None
        seen = self.lock(payment.out_order_no)
        if seen is None:
            logger.error("the authorization %s of a capture is missing", payment.out_order_no)
            return (), None
        effect = apply_payment(seen, payment.out_trade_no, payment.total_fen, events)
        if effect.values:
            self.change(seen, effect.values)
        return effect.events, self.require(payment.out_order_no) if effect.events else None

    def _named(self, out_order_no: str) -> tuple[Any, ...]:
        column = columns_of(self.model)
        return (
            exactly(column["out_order_no"], out_order_no),
            exactly(column["merchant"], self._merchant),
        )

    def _select(self, out_order_no: str, *, lock: bool) -> Any | None:
        column, version = columns_of(self.model), version_of(self.model)
        mapper: Any = inspect(self.model)
        seen, source = [column[name].label(name) for name in _SEEN], mapper.local_table
        if version is not None:
            seen += version.columns
            source = mapper.persist_selectable if version.parent else source
        found = select(*seen).select_from(source).where(*self._named(out_order_no))
        if lock:
            found = found.with_for_update()
        return self._session.execute(found, self.model).one_or_none()
