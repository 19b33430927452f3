"""Transitions of an authorization, as data: from its status and a report to an event. No database.

An authorization is authorized at most once, and never moves back. One that was closed without being
frozen is authorized nevertheless if Alipay's current state proves that the amount is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..protocol.preauthorizations import AuthorizationStatus

_INIT, _AUTHORIZED = AuthorizationStatus.INIT, AuthorizationStatus.AUTHORIZED
_FINISH, _CLOSED = AuthorizationStatus.FINISH, AuthorizationStatus.CLOSED

#: The events, named as the callbacks are.
AUTHORIZED: Final = "authorized"
RELEASED: Final = "released"
AUTHORIZATION_CLOSED: Final = "authorization_closed"

#: Closed without having been frozen; it shares Alipay's status ``CLOSED``.
NEVER_FROZEN: Final = "NEVER_FROZEN"

#: By the state in the ledger and the status that a report states: the event; ``recorded`` for a
#: change without event; ``queried`` for ``authorized`` if a query proves it, otherwise no change;
#: ``duplicate`` or ``stale`` for no change. Releases are counted beside this table.
TRANSITIONS: Final[Mapping[tuple[str, str], str]] = {
    (_INIT, _INIT): "duplicate",
    (_INIT, _AUTHORIZED): AUTHORIZED,
    (_INIT, _FINISH): AUTHORIZED,
    (_INIT, _CLOSED): AUTHORIZATION_CLOSED,
    (_AUTHORIZED, _INIT): "stale",
    (_AUTHORIZED, _AUTHORIZED): "duplicate",
    (_AUTHORIZED, _FINISH): "recorded",
    (_AUTHORIZED, _CLOSED): "recorded",
    **{
        (ended, report): cell
        for ended in (_FINISH, _CLOSED)
        for report, cell in (
            (_INIT, "stale"),
            (_AUTHORIZED, "stale"),
            (_FINISH, "duplicate"),
            (_CLOSED, "duplicate"),
        )
    },
    (NEVER_FROZEN, _INIT): "stale",
    (NEVER_FROZEN, _AUTHORIZED): "queried",
    (NEVER_FROZEN, _FINISH): "queried",
    (NEVER_FROZEN, _CLOSED): "duplicate",
}


def authorization_state(status: str, *, frozen: bool) -> str:
    """Return the state of an authorization: its row in the table.

    :param status: Alipay's status.
    :param frozen: whether the amount was ever frozen.
    """
    return NEVER_FROZEN if status == _CLOSED and not frozen else status
