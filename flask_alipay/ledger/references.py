"""The shop's own order number: ``reference`` of the application's class of payments."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session, scoped_session

from .exact_text import exactly
from .session import unfiltered

#: The attribute's name.
NAME = "reference"


def reference_of(payment: Any) -> str:
    """Return the shop's own number of a payment; empty if it has none."""
    value = getattr(payment, NAME, None)
    return "" if value is None else str(value)


def reference_column(model: Any) -> Any | None:
    """Return the SQL expression for the shop's own number; ``None`` if the class has none.

    :param model: the application's class of payments.
    """
    return getattr(model, NAME, None)


def is_searchable(model: Any) -> bool:
    """Return whether queries can look for the shop's own number, if the class has one.

    A column, synonym, hybrid property or association proxy has an SQL expression on the class; a
    plain property has none.

    :param model: the application's class of payments.
    """
    return getattr(model, NAME, None) is None or NAME in inspect(model).all_orm_descriptors


def references_of(
    session: Session | scoped_session[Any], model: Any, merchant: str, numbers: Collection[str]
) -> dict[str, str]:
    """Return the shop's own numbers of payments by ``out_trade_no``; without those that have none.

    :param model: the application's class of payments.
    :param merchant: the ``app_id`` or ``partner``.
    :param numbers: at most a few hundred.
    """
    if reference_column(model) is None or not numbers:
        return {}
    found = select(model).where(
        exactly(model.merchant, merchant), model.out_trade_no.in_(sorted(numbers))
    )
    payments = unfiltered(session, found).scalars().unique()
    return {each.out_trade_no: number for each in payments if (number := reference_of(each))}
