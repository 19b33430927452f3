"""Whether the ledger can write to the app's classes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..exceptions import ConfigurationError
from ..ledger.bypassed import bypassed
from ..ledger.constraints import lacking_in_class
from ..ledger.tables import entity_of
from ..models import NotificationMixin, PaymentMixin, RefundMixin

if TYPE_CHECKING:
    from ..ledger import Models


logger = logging.getLogger("flask_alipay")


def check_classes(models: Models) -> None:
    """Checks that each class has the ledger's columns in a table of its own, and its constraints.

    One that inherits them from a class with another table has none of them there for an ``UPDATE``.

    :raises ConfigurationError: names the class that has them.
    """
    mixins = (PaymentMixin, RefundMixin, NotificationMixin)
    _check_order(models, mixins)
    for name, mixin in zip(models._fields, mixins, strict=True):
        mapper: Any = inspect(getattr(models, name), raiseerr=False)
        if mapper is None:
            continue
        owner = _owner(mapper, mixin)
        if owner is not mapper:
            asked, better = mapper.class_.__name__, owner.class_.__name__
            raise ConfigurationError(
                f"{asked} has the ledger's columns in the table of {better} and not in its own: "
                f"give the blueprint {better}",
                name,
            )
        lacking = lacking_in_class(entity_of(mapper.class_))
        if lacking:
            raise ConfigurationError(
                f"{mapper.class_.__name__} lacks the constraints {', '.join(lacking)}: its own "
                f"__table_args__, or a base listed before {mixin.__name__}, replaces the mixin's. "
                f"List {mixin.__name__} first, and return (*super().__table_args__, …) from a "
                "__table_args__ that is a declared_attr.directive",
                name,
            )


def log_bypassed(models: Models) -> None:
    """Log which listeners of the classes the ledger's guarded ``UPDATE`` does not call."""
    for model in (models.Payment, models.Refund):
        if inspect(model, raiseerr=False) is None:
            continue
        listeners = bypassed(model)
        if listeners:
            logger.warning(
                "%s has listeners that the ledger's guarded UPDATE does not call: %s. See 'Events "
                "of your classes' in the documentation of the ledger.",
                getattr(model, "__name__", model),
                ", ".join(listeners),
            )


def _check_order(models: Models, mixins: tuple[type[Any], ...]) -> None:
    """Check that no class is in the place of another.

    :raises ConfigurationError: names the class and its place.
    """
    for name, model, mixin in zip(models._fields, models, mixins, strict=True):
        if not isinstance(model, type) or issubclass(model, mixin):
            continue
        for place, other in zip(models._fields, mixins, strict=True):
            if issubclass(model, other):
                raise ConfigurationError(
                    f"{model.__name__} is a {other.__name__} in the place of {name}: give it as "
                    f"{place}=",
                    name,
                )


def _owner(mapper: Any, mixin: type[Any]) -> Any:
    """The mapper, of it and those that it inherits from, in whose table the mixin's columns are."""
    ours = mixin.__annotations__.keys() - {"id"}
    tables = {mapper.columns[name].table for name in ours if name in mapper.columns}
    if tables <= {mapper.local_table}:
        return mapper
    others = mapper.iterate_to_root()
    return next((each for each in others if each.local_table in tables), mapper)
