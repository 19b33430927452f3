"""Listeners of the application's classes that the guarded ``UPDATE`` bypasses."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import inspect
from sqlalchemy.orm import configure_mappers

# What a guarded UPDATE writes, and how often the mixin itself listens to it: times are kept in UTC.
_WRITTEN: Final = {
    **dict.fromkeys(("trade_status", "trade_no", "buyer_id", "paid", "refunded_fen"), 0),
    **dict.fromkeys(("paid_at", "closed_at", "finished_at", "asked_at"), 1),
    **dict.fromkeys(("returned_at", "query_leased_until"), 1),
    "query_count": 0,
}


def bypassed(model: Any) -> list[str]:
    """Return what of a class the guarded ``UPDATE`` does not call: ``before_update``,
    ``after_update``, and listeners to or validators of attributes that it writes.

    :param model: the application's class, of payments or of refunds.
    """
    configure_mappers()  # extensions add their listeners then
    mapper: Any = inspect(model)
    found = [name for name in ("before_update", "after_update") if getattr(mapper.dispatch, name)]
    return found + [
        f"{model.__name__}.{name}"
        for name, count in _WRITTEN.items()
        if name in mapper.column_attrs and len(list(getattr(model, name).dispatch.set)) > count
    ]
