"""The items of an order, as the checkout lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from ..exceptions import InvalidParameter
from ..protocol.conversion import format_amount, to_minor_units

_MAX_ITEMS: Final = 50


class OrderItem(NamedTuple):
    """One line of an order."""

    name: str
    #: ``None`` if the order does not state it.
    quantity: str | None
    #: The amount of the line in the payment's currency; ``None`` if the order does not state it.
    amount: str | None


def order_items(payment: Any) -> list[OrderItem]:
    """Return the items of an order, at most 50.

    They come from the attribute ``checkout_items`` of the application's class, if it has one:
    mappings with ``name``, and ``quantity`` and ``amount`` if they are to be shown. Otherwise they
    come from the gateway's parameter ``goods_detail``. Invalid rows are left out: the list is only
    for the buyer's information.

    :param payment: the application's object.
    """
    rows = getattr(payment, "checkout_items", None)
    if rows is None:
        rows = _goods((payment.details or {}).get("goods_detail"))
    currency = payment.currency or "CNY"
    found = (_item(row, currency) for row in rows if isinstance(row, Mapping))
    return [item for item in found if item is not None][:_MAX_ITEMS]


def _goods(value: Any) -> Iterable[Mapping[str, Any]]:
    """Return the rows of ``goods_detail``, named as the application's."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
    return [{"name": row.get("goods_name"), "quantity": row.get("quantity")} for row in rows]


def _item(row: Mapping[str, Any], currency: str) -> OrderItem | None:
    name, quantity, amount = row.get("name"), row.get("quantity"), row.get("amount")
    if not isinstance(name, str) or not name:
        return None
    return OrderItem(
        name,
        None if quantity in (None, "") else str(quantity),
        None if amount is None else _amount(amount, currency),
    )


def _amount(amount: Any, currency: str) -> str | None:
    try:
        return format_amount(to_minor_units(amount, currency), currency)
    except (InvalidParameter, TypeError):
        return None
