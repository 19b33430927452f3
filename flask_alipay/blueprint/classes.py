"""Whether the ledger can write to the app's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..exceptions import ConfigurationError
from ..models import NotificationMixin, PaymentMixin, RefundMixin

if TYPE_CHECKING:
    from ..ledger import Models


def check_classes(models: Models) -> None:
    """Checks that each class has the ledger's columns in a table of its own.

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
