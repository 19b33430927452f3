"""The ``state`` of an authorisation: signed, expiring, bound to the browser's session, used once.

Without it an attacker could let a victim's browser finish an authorisation that the attacker began,
and so connect the victim's account in the shop with the attacker's at Alipay, or the reverse.
"""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from flask import session

from ..exceptions import BadToken, ExpiredToken, InvalidParameter
from ..models import utc_now

if TYPE_CHECKING:
    from .tokens import Tokens

#: The time for an authorisation.
STATE_LIFETIME: Final = timedelta(minutes=30)
# The authorisations that a browser may have begun; a cookie has little room.
_MAX_PENDING: Final = 5
_SESSION_KEY: Final = "alipay_authorizations"
# With this, a state has fewer than Alipay's 100 characters.
_NONCE_BYTES: Final = 12


def issue_state(tokens: Tokens, purpose: str, value: Any) -> str:
    """Return a new state, and remember it in the browser's session.

    :param tokens: of the merchant.
    :param purpose: the kind of authorisation.
    :param value: JSON for :func:`redeem_state`; it stays in the session.
    :raises InvalidParameter: if the value is no JSON.
    """
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise InvalidParameter("reference", "must be JSON, to be stored in the session") from None
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    # Pairs: the session's JSON sorts the keys of an object.
    pending = [*session.get(_SESSION_KEY, ()), [nonce, value]]
    session[_SESSION_KEY] = pending[-_MAX_PENDING:]
    # Alipay's documents allow only characters of base64.
    return base64.b32encode(tokens.make(purpose, nonce).encode("ascii")).decode("ascii").rstrip("=")


def redeem_state(tokens: Tokens, purpose: str, state: str) -> Any:
    """Verify a state, once, and return the value that it was issued with.

    :raises ExpiredToken: if it is too old.
    :raises BadToken: if it was not issued here for this purpose and this browser, or was used
        before.
    """
    claim = tokens.read(purpose, _decoded(state))
    pending = session.get(_SESSION_KEY, [])
    found = [value for nonce, value in pending if nonce == claim.out_trade_no]
    if not found:
        raise BadToken("the state was not issued to this browser, or was used before")
    session[_SESSION_KEY] = [pair for pair in pending if pair[0] != claim.out_trade_no]
    if claim.issued_at + STATE_LIFETIME < utc_now():
        raise ExpiredToken("the state has expired")
    return found[0]


def _decoded(state: str) -> str:
    """Return the token of a state.

    :raises BadToken: if it is not encoded as :func:`issue_state` does.
    """
    try:
        token = base64.b32decode(state + "=" * (-len(state) % 8)).decode("ascii")
    except ValueError:
        token = ""
    if base64.b32encode(token.encode("ascii")).decode("ascii").rstrip("=") != state or not token:
        raise BadToken("the state was not issued by this application")
    return token
