"""Access to the operator pages: permissions to see them and to act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from flask import current_app, request
from flask.typing import ResponseReturnValue

Condition: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Access:
    """The shop's rules for its operators; each is evaluated during a request."""

    #: Whether the current user may see the pages; ``None``: in debug mode only.
    is_accessible: Condition | None = None
    #: Whether the current user may query, refund, close, replay and reconcile.
    can_edit: bool | Condition = True
    #: The current user's name, for the record of actions; ``None``: see :func:`current_operator`.
    operator: Callable[[], object] | None = None
    #: The response to a user who may not see a page; ``None``: 403.
    inaccessible: Callable[[], ResponseReturnValue] | None = None

    def may_see(self) -> bool:
        """Return whether the current user may see the pages."""
        if self.is_accessible is None:
            return current_app.debug
        return bool(self.is_accessible())

    def may_act(self) -> bool:
        """Return whether the current user may act."""
        return bool(self.can_edit() if callable(self.can_edit) else self.can_edit)

    def operator_name(self) -> str:
        """Return the current user's name, without control characters; ``-`` if it is unknown."""
        name = current_operator() if self.operator is None else self.operator()
        text = "".join(c for c in str(name or "") if c.isprintable()).strip()
        return text or "-"


def current_operator() -> str | None:
    """Return the name of the current user; ``None`` if it is unknown.

    It is the user's id of Flask-Login, otherwise the name from the server or from HTTP
    authentication.
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user

        if current_user.is_authenticated:
            return str(current_user.get_id())
    authorization = request.authorization
    return request.remote_user or (authorization.username if authorization else None)
