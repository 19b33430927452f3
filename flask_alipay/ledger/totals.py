"""Sums of selected payments, by currency."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, case, func, select


def totals(model: Any, conditions: Iterable[Any]) -> Select[Any]:
    """Return the statement for the sums of each currency: the number of payments, and the ordered,
    paid and refunded amounts in minor units.

    :param model: the application's class of payments.
    :param conditions: the conditions of the selection.
    """
    # MariaDB has no FILTER.
    paid = func.sum(case((model.paid.is_(True), model.total_fen), else_=0))
    return (
        select(
            model.currency,
            func.count(model.id),
            func.sum(model.total_fen),
            paid,
            func.sum(model.refunded_fen),
        )
        .where(*conditions)
        .group_by(model.currency)
        .order_by(model.currency)
    )
