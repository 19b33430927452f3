"""Rules of the mixins' attributes: times are aware UTC, and some columns cannot be changed."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import QueryContext, validates
from sqlalchemy.orm.attributes import set_committed_value

from ..exceptions import InvalidParameter

# The columns that Alipay's trade, links and QR codes depend on; the claim of a sale compares them.
_FIXED = frozenset({"merchant", "out_trade_no", "currency", "total_fen"})


def keep_utc(mixin: type, *names: str) -> None:
    """Convert the mixin's times to aware UTC when they are loaded and set: SQLite and MariaDB keep
    no zone, and PostgreSQL returns times in the zone of its session.
    """

    def convert(row: Any, name: str, time: Any) -> Any:
        if not isinstance(time, datetime):
            return time
        if time.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime: add its time zone")
        return time.astimezone(timezone.utc)

    def attach(row: Any, context: QueryContext, attributes: Any = None) -> None:
        values = row.__dict__
        for name in names:
            value = values.get(name)
            if value is not None and value.tzinfo is not timezone.utc:
                aware = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
                set_committed_value(row, name, aware.astimezone(timezone.utc))

    mixin._in_utc = validates(*names)(convert)  # type: ignore[attr-defined]
    event.listen(mixin, "load", attach, propagate=True)
    event.listen(mixin, "refresh", attach, propagate=True)


def keep_fixed(mapped: type, name: str, attribute: Any) -> None:
    """Reject changes of a payment's fixed columns once its row is in the database.

    Listens for the attribute's own event: a validator would replace one of the application's class.
    """
    if name not in _FIXED:
        return

    def check(row: Any, value: Any, old: Any, initiator: object) -> None:
        if inspect(row).key is not None and value != old:
            raise InvalidParameter(
                name,
                "of a stored payment cannot change: the buyer may have received the old value. "
                "Close the payment and create another",
            )

    event.listen(attribute, "set", check, active_history=True)
