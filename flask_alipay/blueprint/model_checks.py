"""Validation of the application's classes: the ledger must be able to use their tables."""

from __future__ import annotations

import logging
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..exceptions import ConfigurationError
from ..ledger.bypassed_listeners import bypassed
from ..ledger.constraints import missing_in_class
from ..ledger.references import is_searchable
from ..ledger.tables import entity_of
from ..models import (
    AgreementMixin,
    AuthorizationMixin,
    NotificationMixin,
    PaymentMixin,
    RefundMixin,
    TransferMixin,
)

if TYPE_CHECKING:
    from ..ledger import Models


logger = logging.getLogger("flask_alipay")


# In the order of the fields of ``Models``.
_MIXINS: tuple[type[Any], ...] = (
    PaymentMixin,
    RefundMixin,
    NotificationMixin,
    TransferMixin,
    AuthorizationMixin,
    AgreementMixin,
)


def validate_models(models: Models, db: Any) -> None:
    """Check that each class has the ledger's columns and constraints in its own table.

    A class that inherits the columns from a class with another table does not have them in the
    table that an ``UPDATE`` changes.

    :param models: the application's classes.
    :param db: must have a session.
    :raises ConfigurationError: names the wrong class and, if known, the right one.
    """
    _check_session(db)
    _check_kinds(models, _MIXINS)
    for name, mixin in zip(models._fields, _MIXINS, strict=True):
        if getattr(models, name) is None:
            continue
        mapper: Any = inspect(getattr(models, name))
        owner = _owner(mapper, mixin)
        if owner is not mapper:
            given, correct = mapper.class_.__name__, owner.class_.__name__
            raise ConfigurationError(
                f"{given} has the ledger's columns in the table of {correct} and not in its own: "
                f"pass {correct} to the blueprint",
                name,
            )
        if name == "Payment" and not is_searchable(mapper.class_):
            raise ConfigurationError(
                f"{mapper.class_.__name__}.reference cannot be searched for: make it a column, a "
                "synonym, a hybrid_property with an expression, or an association_proxy",
                name,
            )
        missing = missing_in_class(entity_of(mapper.class_))
        if missing:
            raise ConfigurationError(
                f"{mapper.class_.__name__} lacks the constraints {', '.join(missing)}: its own "
                f"__table_args__, or a base listed before {mixin.__name__}, replaces the mixin's. "
                f"List {mixin.__name__} first, and return (*super().__table_args__, …) from a "
                "__table_args__ that is a declared_attr.directive",
                name,
            )


def log_bypassed(models: Models) -> None:
    """Log the listeners of the classes that the ledger's guarded ``UPDATE`` does not call."""
    for model in (m for m in models if m is not models.Notification):
        if model is None:
            continue
        listeners = bypassed(model)
        if listeners:
            logger.warning(
                "%s has listeners that the ledger's guarded UPDATE does not call: %s. See 'Events "
                "of your classes' in the documentation of the ledger.",
                getattr(model, "__name__", model),
                ", ".join(listeners),
            )


def _check_session(db: Any) -> None:
    """Check that the first argument of the blueprint has a session.

    :raises ConfigurationError: if it has none.
    """
    # Flask-SQLAlchemy-Lite's session needs an app context, and there is none yet.
    missing = object()
    if isinstance(db, type) or getattr_static(db, "session", missing) is missing:
        raise ConfigurationError(
            f"{_name(db)} has no session: pass the application's SQLAlchemy object to "
            "AlipayBlueprint first, then the class of payments: AlipayBlueprint(db, Payment)",
            "db",
        )


def _check_kinds(models: Models, mixins: tuple[type[Any], ...]) -> None:
    """Check that each class is mapped, on the right mixin, and passed as the right argument.

    :raises ConfigurationError: names the class and the argument.
    """
    for name, model, mixin in zip(models._fields, models, mixins, strict=True):
        if model is None and name != "Payment":
            continue
        if not isinstance(model, type):
            raise ConfigurationError(
                f"{name} must be a class on {mixin.__name__}, not {_name(model)}", name
            )
        for place, other in zip(models._fields, mixins, strict=True):
            if issubclass(model, other) and other is not mixin:
                raise ConfigurationError(
                    f"{model.__name__} is a {other.__name__} but was passed as {name}: pass it as "
                    f"{place}=",
                    name,
                )
        if not issubclass(model, mixin):
            raise ConfigurationError(
                f"{model.__name__} was passed as {name} but lacks the columns of "
                f"{mixin.__name__}: define class {model.__name__}({mixin.__name__}, db.Model)",
                name,
            )
        if inspect(model, raiseerr=False) is None:
            raise ConfigurationError(
                f"{model.__name__} was passed as {name} but has no table: derive it from db.Model "
                "as well",
                name,
            )


def _name(argument: object) -> str:
    """Describe an argument: a class by its name, any other object by its type, never its value."""
    return argument.__name__ if isinstance(argument, type) else f"a {type(argument).__name__}"


def _owner(mapper: Any, mixin: type[Any]) -> Any:
    """Return the mapper, this one or a parent, whose table has the mixin's columns."""
    names = mixin.__annotations__.keys() - {"id"}
    tables = {mapper.columns[name].table for name in names if name in mapper.columns}
    if tables <= {mapper.local_table}:
        return mapper
    others = mapper.iterate_to_root()
    return next((each for each in others if each.local_table in tables), mapper)
