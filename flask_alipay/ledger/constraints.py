"""Constraints that the ledger relies on, and those that a class's table or the database lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, UniqueConstraint, inspect
from sqlalchemy.engine import Inspector

from ..models import (
    AgreementMixin,
    AuthorizationMixin,
    NotificationMixin,
    PaymentMixin,
    RefundMixin,
    TransferMixin,
)

# By mixin: the columns that are unique together; the last one names the constraint.
_UNIQUE: Final[dict[type, tuple[tuple[str, ...], ...]]] = {
    PaymentMixin: (("out_trade_no",), ("trade_no",)),
    RefundMixin: (("out_trade_no", "out_request_no"),),
    NotificationMixin: (("message_id",),),
    TransferMixin: (("merchant", "out_biz_no"), ("merchant", "limit_day", "limit_number")),
    AuthorizationMixin: (("merchant", "out_order_no"), ("auth_no",)),
    AgreementMixin: (("merchant", "external_agreement_no"), ("agreement_no",)),
}
_CHECKS: Final[dict[type, tuple[str, ...]]] = {
    PaymentMixin: ("total_fen", "refunded_fen", "trade_status"),
    RefundMixin: ("refund_fen",),
    NotificationMixin: (),
    TransferMixin: ("amount_fen",),
    AuthorizationMixin: ("total_fen", "rest_fen", "status"),
    AgreementMixin: ("status", "charged_fen"),
}


def missing_in_class(model: Any) -> list[str]:
    """Return the names of the required constraints that a class's table does not declare.

    :param model: the class that owns the table.
    """
    table: Any = inspect(model).local_table
    uniques = [
        {column.name for column in rule.columns}
        for rule in table.constraints
        if isinstance(rule, (UniqueConstraint, PrimaryKeyConstraint))
    ]
    uniques += [{column.name for column in each.columns} for each in table.indexes if each.unique]
    checks = {rule.name for rule in table.constraints if isinstance(rule, CheckConstraint)}
    return _missing(model, table.name, uniques, {str(name) for name in checks if name})


def missing_in_database(model: Any, database: Inspector, schema: str | None = None) -> list[str]:
    """Return the names of the required constraints that a table in the database lacks.

    :param model: the class that owns the table.
    :param database: the inspector of the database.
    :param schema: the table's schema.
    """
    table: Any = inspect(model).local_table
    where = {"table_name": table.name, "schema": schema}
    uniques = [set(rule["column_names"]) for rule in database.get_unique_constraints(**where)]
    uniques += [
        set(filter(None, index["column_names"]))
        for index in database.get_indexes(**where)
        if index["unique"]
    ]
    uniques.append(set(database.get_pk_constraint(**where)["constrained_columns"]))
    try:
        checks = {str(rule["name"]) for rule in database.get_check_constraints(**where)}
    except NotImplementedError:
        checks = {f"ck_{table.name}_{name}" for name in _of(model, _CHECKS)}
    return _missing(model, table.name, uniques, checks)


def _missing(model: Any, table: str, uniques: Iterable[set[str]], checks: set[str]) -> list[str]:
    known = [columns for columns in uniques if columns]
    missing = [
        f"uq_{table}_{columns[-1]}"
        for columns in _of(model, _UNIQUE)
        if not any(each <= set(columns) for each in known)
    ]
    names = (f"ck_{table}_{name}" for name in _of(model, _CHECKS))
    return missing + [name for name in names if name not in checks]


def _of(model: Any, rules: dict[type, tuple[Any, ...]]) -> tuple[Any, ...]:
    return next(rules[mixin] for mixin in rules if issubclass(model, mixin))
