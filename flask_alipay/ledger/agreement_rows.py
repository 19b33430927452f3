"""The rows of one merchant's agreements: found, locked and changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, inspect, or_, select, update

from ..exceptions import LedgerUnavailable
from ..protocol.agreements import AgreementStatus
from .agreement_updates import is_second, payment_values
from .exact_text import exactly
from .session import LedgerSession, change
from .tables import columns_of, entity_of, version_of

logger = logging.getLogger("flask_alipay")

_SEEN: Final = (
    *("id", "external_agreement_no", "auth_app_id", "agreement_no", "status", "period_type"),
    *("period", "next_date", "latest_date", "single_fen", "total_fen", "total_payments"),
    *("charged_fen", "charge_count", "charge_no", "payer_user_id", "payer_open_id", "sent_at"),
    *("signed_at", "valid_until", "error_code"),
)
_GUARDED: Final = (
    *("status", "agreement_no", "next_date", "charged_fen", "charge_count", "charge_no"),
)


class AgreementRows:
    """The rows of agreements in the application's session.

    :param session: the ledger's session.
    :param model: the application's class.
    :param merchant: the ``app_id``.
    """

    def __init__(self, session: LedgerSession, model: Any, merchant: str) -> None:
        self._session = session
        #: The class that owns the table.
        self.model = entity_of(model)
        self._merchant = merchant

    def find(self, external_agreement_no: str) -> Any | None:
        """Return the application's object as the database has it now, or ``None``."""
        named = self._named(external_agreement_no)
        found = self._session.load(select(self.model).where(*named), self.model)
        return found[0] if found else None

    def require(self, external_agreement_no: str) -> Any:
        """Return the application's object within a change.

        :raises LedgerUnavailable: if the session does not return it.
        """
        row = self.find(external_agreement_no)
        if row is None:
            raise LedgerUnavailable("the session does not return the agreement")
        return row

    def read(self, external_agreement_no: str) -> Any | None:
        """Return the state of an agreement as a plain row, or ``None``."""
        return self._select(*self._named(external_agreement_no))

    def read_by_agreement_no(self, agreement_no: str) -> Any | None:
        """Return the state of the agreement with Alipay's number, or ``None``."""
        column = columns_of(self.model)
        return self._select(
            exactly(column["agreement_no"], agreement_no),
            exactly(column["merchant"], self._merchant),
        )

    def lock(self, external_agreement_no: str) -> Any | None:
        """Lock a row until the commit, and return its state as a plain row, or ``None``.

        On MariaDB the locking ``SELECT`` reads what other workers have committed; elsewhere an
        ``UPDATE`` that changes nothing comes first, which on SQLite locks the file.
        """
        dialect = self._session.connection(self.model).dialect.name
        named = self._named(external_agreement_no)
        if dialect not in ("mysql", "mariadb"):
            column = columns_of(self.model)["charge_count"]
            table = inspect(self.model).local_table
            touch = update(table).where(*named).values({column: column})
            touched: Any = self._session.execute(touch, self.model)
            if not touched.rowcount:
                return None
        return self._select(*named, lock=dialect != "sqlite")

    def change(self, seen: Any, values: Mapping[str, Any]) -> bool:
        """Change a row if its state is still as it was read: the guarded ``UPDATE``.

        :param seen: a row that this class has returned.
        :returns: ``False`` if the state has changed since.
        """
        column, mapper = columns_of(self.model), inspect(self.model)
        statement = (
            update(mapper.local_table)
            .where(
                column["id"] == seen.id,
                *(column[name].is_not_distinct_from(getattr(seen, name)) for name in _GUARDED),
            )
            .values({column[name]: value for name, value in values.items()})
        )
        return change(self._session, self.model, statement, {}, seen)

    def lease(self, external_agreement_no: str, now: datetime, interval: timedelta) -> bool:
        """Set ``asked_at`` of an unsigned agreement, unless it was set within the interval."""
        column, seen = columns_of(self.model), self.read(external_agreement_no)
        if seen is None or seen.status != AgreementStatus.TEMP:
            return False
        self._session.roll_back()
        statement = (
            update(inspect(self.model).local_table)
            .where(
                column["id"] == seen.id,
                or_(column["asked_at"].is_(None), column["asked_at"] < now - interval),
            )
            .values({column["asked_at"]: now})
        )
        return change(self._session, self.model, statement, {}, seen)

    def record_payment(self, payment: Any, events: Sequence[str]) -> tuple[tuple[str, ...], Any]:
        """Record the events of a settled deduction, in the transaction that settles it.

        A payment with which the payer only signed is no deduction.

        :param payment: the application's object.
        :param events: the payment's events.
        :returns: the events of the agreement, none, and the application's object.
        :raises LedgerUnavailable: if the row has changed although it was locked.
        """
        number = payment.external_agreement_no
        if payment.deduction_date is None or not {"paid", "failed"} & set(events):
            return (), None
        seen = self.lock(number)
        if seen is None:
            logger.error("the agreement %s of a deduction is missing", number)
            return (), None
        if "paid" in events and is_second(seen, payment):
            logger.error(
                "agreement %s: %s is the second deduction of its period, or one of a period that "
                "was passed: check whether to refund it",
                number,
                payment.out_trade_no,
            )
        if not self.change(seen, payment_values(seen, payment, events)):
            raise LedgerUnavailable("the agreement has changed although it was locked")
        return (), None

    def last_paid_date(self, payments: Any, external_agreement_no: str) -> str | None:
        """Return the day of the last deduction that was paid, or ``None``.

        :param payments: the application's class of payments.
        """
        payments = entity_of(payments)
        column = columns_of(payments)
        latest = (
            select(func.max(column["deduction_date"]))
            .select_from(inspect(payments).local_table)
            .where(
                exactly(column["external_agreement_no"], external_agreement_no),
                exactly(column["merchant"], self._merchant),
                column["paid"].is_(True),
            )
        )
        found: str | None = self._session.execute(latest, payments).scalar_one_or_none()
        return found

    def _named(self, external_agreement_no: str) -> tuple[Any, ...]:
        column = columns_of(self.model)
        return (
            exactly(column["external_agreement_no"], external_agreement_no),
            exactly(column["merchant"], self._merchant),
        )

    def _select(self, *conditions: Any, lock: bool = False) -> Any | None:
        column, version = columns_of(self.model), version_of(self.model)
        mapper: Any = inspect(self.model)
        seen, source = [column[name].label(name) for name in _SEEN], mapper.local_table
        if version is not None:
            seen += version.columns
            source = mapper.persist_selectable if version.parent else source
        found = select(*seen).select_from(source).where(*conditions)
        if lock:
            found = found.with_for_update()
        return self._session.execute(found, self.model).one_or_none()
