"""Authorisations of users and merchants: codes, and the tokens for which they are exchanged."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ..protocol.conversion import format_china_time
from .merchant.merchant import SimulatedMerchant
from .storage.storage import PersistentDict, Storage

#: How long a code is good for, and a user's token and refresh token (seen in production).
CODE_FOR: Final = timedelta(hours=24)
TOKEN_FOR: Final = timedelta(days=15)
REFRESH_FOR: Final = timedelta(days=30)
#: How long a merchant's token is good for after it was replaced.
REPLACED_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Code:
    """A code in a redirect, good for one exchange."""

    until: datetime
    #: What the user granted, joined by commas; or, of a merchant, the application.
    granted: str = field(repr=False)


@dataclass(frozen=True)
class UserToken:
    """The tokens of the buyer."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scope: str
    at: datetime
    refreshable_until: datetime


@dataclass(frozen=True)
class AppToken:
    """A token of a merchant for the third-party application."""

    app_auth_token: str = field(repr=False)
    app_refresh_token: str = field(repr=False)
    #: The merchant's application and account.
    auth_app_id: str
    user_id: str
    at: datetime
    #: When it ends, because it was replaced or withdrawn.
    ends_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Return True unless the token was replaced or withdrawn."""
        return self.ends_at is None or now < self.ends_at


class AuthorizationStore:
    """The codes and tokens of one application, safe for threads.

    :param merchant: the application's.
    :param storage: stores them beyond the process.
    """

    def __init__(self, merchant: SimulatedMerchant, storage: Storage | None = None) -> None:
        self._merchant = merchant
        self._lock = threading.Lock()
        self._user_codes = PersistentDict(storage, "user_codes", Code)
        self._user_tokens = PersistentDict(storage, "user_tokens", UserToken)
        self._app_codes = PersistentDict(storage, "app_codes", Code)
        self._app_tokens = PersistentDict(storage, "app_tokens", AppToken)

    def user_code(self, scope: str, now: datetime) -> str:
        """Return a code of the buyer, who has granted the scope."""
        code = secrets.token_hex(16)
        with self._lock:
            self._user_codes[code] = Code(now + CODE_FOR, scope)
            self._user_codes.evict()
        return code

    def app_code(self, auth_app_id: str, now: datetime) -> str:
        """Return a code of a merchant.

        :param auth_app_id: the merchant's application.
        """
        code = f"P{secrets.token_hex(16)}"
        with self._lock:
            self._app_codes[code] = Code(now + CODE_FOR, auth_app_id)
            self._app_codes.evict()
        return code

    def exchange_user(self, code: str, now: datetime) -> UserToken | None:
        """Exchange a code for the buyer's tokens; ``None`` if it is not good, or no longer."""
        with self._lock:
            found = _taken(self._user_codes, code, now)
            return None if found is None else self._new_user_token(found.granted, now)

    def refresh_user(self, refresh_token: str, now: datetime) -> UserToken | None:
        """Replace the buyer's tokens; the new ones are not refreshable for longer. ``None`` if the
        token is not good, or no longer.
        """
        with self._lock:
            token = next(
                (t for t in self._user_tokens.values() if t.refresh_token == refresh_token), None
            )
            if token is None or now >= token.refreshable_until:
                return None
            del self._user_tokens[token.access_token]
            return self._new_user_token(token.scope, now, token.refreshable_until)

    def user_token(self, access_token: str) -> UserToken | None:
        """Return the buyer's tokens, ``None`` if there are none."""
        with self._lock:
            return self._user_tokens.get(access_token)

    def exchange_app(self, code: str, now: datetime) -> AppToken | None:
        """Exchange a code for a merchant's tokens; an earlier one ends. ``None`` if the code is not
        good, or no longer.
        """
        with self._lock:
            found = _taken(self._app_codes, code, now)
            if found is None:
                return None
            self._end(found.granted, now)
            return self._new_app_token(found.granted, now)

    def refresh_app(self, refresh_token: str, now: datetime) -> AppToken | None:
        """Replace a merchant's tokens; the old one lives for some minutes. ``None`` if the token is
        not good.
        """
        with self._lock:
            token = next(
                (t for t in self._app_tokens.values() if t.app_refresh_token == refresh_token), None
            )
            if token is None or token.ends_at is not None:
                return None
            self._end(token.auth_app_id, now + REPLACED_FOR)
            return self._new_app_token(token.auth_app_id, now)

    def app_token(self, app_auth_token: str) -> AppToken | None:
        """Return a merchant's tokens, ``None`` if there are none."""
        with self._lock:
            return self._app_tokens.get(app_auth_token)

    def app_tokens(self) -> tuple[AppToken, ...]:
        """Return the merchants' tokens, the oldest first."""
        with self._lock:
            return tuple(self._app_tokens.values())

    def first_token(self, app_auth_token: str) -> str:
        """Return the first token of the same merchant: trades belong to merchants, not to tokens.

        A token that was not issued here stands for a merchant of its own.
        """
        token = self.app_token(app_auth_token)
        if token is None:
            return app_auth_token
        same = (t for t in self.app_tokens() if t.auth_app_id == token.auth_app_id)
        return next(same, token).app_auth_token

    def withdraw(self, auth_app_id: str, now: datetime) -> bool:
        """Withdraw a merchant's authorisation; return False if there is none."""
        with self._lock:
            return self._end(auth_app_id, now)

    def _end(self, auth_app_id: str, at: datetime) -> bool:
        ended = [
            token
            for token in self._app_tokens.values()
            if token.auth_app_id == auth_app_id and (token.ends_at is None or token.ends_at > at)
        ]
        for token in ended:
            self._app_tokens[token.app_auth_token] = replace(token, ends_at=at)
        return bool(ended)

    def _new_user_token(
        self, scope: str, now: datetime, refreshable_until: datetime | None = None
    ) -> UserToken:
        token = UserToken(
            f"authusrB{secrets.token_hex(16)}",
            f"authusrB{secrets.token_hex(16)}",
            scope,
            now,
            refreshable_until or now + REFRESH_FOR,
        )
        self._user_tokens[token.access_token] = token
        self._user_tokens.evict()
        return token

    def _new_app_token(self, auth_app_id: str, now: datetime) -> AppToken:
        month = format_china_time(now)[:7].replace("-", "")
        token = AppToken(
            f"{month}BB{secrets.token_hex(16)}",
            f"{month}BB{secrets.token_hex(16)}",
            auth_app_id,
            dict(self._merchant.authorizers)[auth_app_id],
            now,
        )
        self._app_tokens[token.app_auth_token] = token
        self._app_tokens.evict()
        return token


def _taken(codes: PersistentDict[Code], code: str, now: datetime) -> Code | None:
    """Return a code and remove it: it is good once."""
    found = codes.get(code)
    if found is not None:
        del codes[code]
    return None if found is None or now >= found.until else found
