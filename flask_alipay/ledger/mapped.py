"""The app's object of a row that a claim has just written.

To load it costs a round trip and more time than the claim itself, and many callbacks ask for
nothing but the order's number. So the object knows what the claim has guarded and written, and
reads the rest, all at once, when it is asked for the first of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Dialect, Integer, inspect
from sqlalchemy.orm import Session, configure_mappers, make_transient_to_detached


class Mapped:
    """Makes objects of one class of the app's.

    :param model: on one of our mixins.
    """

    def __init__(self, model: type[Any]) -> None:
        configure_mappers()  # as a query would: until then a class cannot be made an object of
        mapper: Any = inspect(model)
        self._mapper = mapper
        self._manager = mapper.class_manager
        #: The column that tells one row from another.
        self.identity = mapper.columns.id
        alone = mapper.inherits is None and mapper.polymorphic_on is None
        self._simple = alone and tuple(mapper.primary_key) == (self.identity,)

    def simple(self, dialect: Dialect) -> bool:
        """Tells whether a row's class and identity are known without loading it, and nobody wants
        to know of that (``reconstructor``, a ``load`` event).

        :param dialect: the database's; an ``id`` that is anything but an integer there, or that a
            type of the app's own makes something else of, is not what the driver tells.
        """
        # The one listener is the mixin's, which makes times aware, of a later refresh as well.
        return (
            self._simple
            and len(self._manager.dispatch.load) == 1
            and _is_number(self.identity.type.dialect_impl(dialect))
        )

    def of(self, session: Session, number: int, known: Mapping[str, Any]) -> Any | None:
        """Returns the object of a row, persistent in the session.

        :param session: in the transaction that has written the row.
        :param number: its ``id``.
        :param known: what its attributes are, by name, as far as it is known.
        :returns: ``None`` where the session has one already, which it has to refresh itself.
        """
        here = session.identity_map
        if here and self._mapper.identity_key_from_primary_key((number,)) in here:
            return None
        one = self._manager.new_instance()
        one.__dict__.update(known, id=number)
        make_transient_to_detached(one)
        session.add(one)
        return one


def _is_number(kind: Any) -> bool:
    return isinstance(kind, Integer) and type(kind).__module__.startswith("sqlalchemy.")
