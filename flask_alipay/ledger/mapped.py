"""The app's object of a row that is at hand already.

To ask the database for it once more would cost a round trip and several times the time. What comes
of it is the same: a persistent object with every column loaded.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session, make_transient_to_detached


class Mapped:
    """Makes objects of one class of the app's.

    :param model: on one of our mixins.
    """

    def __init__(self, model: type[Any]) -> None:
        self._mapper: Any = inspect(model)
        self._manager = self._mapper.class_manager
        #: The columns, in the order of a row's values.
        self.columns = tuple(self._mapper.local_table.columns)
        places = {column: place for place, column in enumerate(self.columns)}
        self._places = [
            (each.key, places[each.columns[0]])
            for each in self._mapper.column_attrs
            if not each.deferred and each.columns[0] in places
        ]
        self._primary = [places.get(column) for column in self._mapper.primary_key]

    @property
    def plain(self) -> bool:
        """Whether an object is nothing but its row. A subclass, or a class that listens to its
        loads (``reconstructor``), is for SQLAlchemy to make.
        """
        mapper = self._mapper
        alone = mapper.inherits is None and mapper.polymorphic_on is None
        # The one listener is the mixin's, which makes times aware.
        return alone and None not in self._primary and len(self._manager.dispatch.load) == 1

    def of(self, session: Session, row: Any) -> Any | None:
        """Returns the object of a row of :attr:`columns`, as if the session had loaded it.

        :param session: in the transaction that has read the row.
        :returns: ``None`` where that takes more: the session has one already, or the class is not
            :attr:`plain`.
        """
        if not self.plain:
            return None
        key = self._mapper.identity_key_from_primary_key([row[place] for place in self._primary])
        if key in session.identity_map:
            return None
        one = self._manager.new_instance()
        state = inspect(one)
        state.dict.update({name: row[place] for name, place in self._places})
        make_transient_to_detached(one)
        session.add(one)
        self._manager.dispatch.load(state, None)
        return one
