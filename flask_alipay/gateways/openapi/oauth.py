"""Authorisations: tokens of users (OAuth) and of the merchants of a third-party application.

Sources: Alipay's SDKs for PHP and Java (versions 2 and 3), and a captured response of 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.conversion import parse_china_time
from ...protocol.validation import choice, text
from .client import COMMON, MethodSpec, OpenApiClient
from .responses import missing, required_text, text_field, text_fields

_GRANTS: Mapping[str, Any] = {
    "grant_type": choice("authorization_code", "refresh_token"),
    "code": text(128),
    "refresh_token": text(128),
}
_TOKEN = "app_auth_token"  # noqa: S105 - a name

OAUTH_TOKEN = MethodSpec(
    "alipay.system.oauth.token",
    _GRANTS,
    one_of=("code", "refresh_token"),
    # Alipay's success has no code (captured in production).
    success_codes=("", "10000"),
    in_common=True,
)
USER_INFO = MethodSpec(
    "alipay.user.info.share",
    {"auth_token": text(128)},
    required=("auth_token",),
    read_only=True,
    in_common=True,
)
APP_TOKEN = MethodSpec("alipay.open.auth.token.app", _GRANTS, one_of=("code", "refresh_token"))
APP_TOKEN_QUERY = MethodSpec(
    "alipay.open.auth.token.app.query",
    {_TOKEN: COMMON[_TOKEN]},
    required=(_TOKEN,),
    read_only=True,
)


@dataclass(frozen=True)
class OAuthTokenResponse:
    """Tokens of a user, and the user's identity. Times are aware UTC."""

    #: The token for :meth:`Authorizations.user_info_share`.
    access_token: str = field(repr=False)
    #: Its lifetime in seconds.
    expires_in: int | None
    #: The token for new ones, and its lifetime in seconds.
    refresh_token: str | None = field(repr=False)
    re_expires_in: int | None
    #: Time of the authorisation.
    auth_start: datetime | None
    #: The user: the number or, in newer applications, the OpenID.
    user_id: str | None = field(repr=False)
    open_id: str | None = field(repr=False)
    #: The user's identity in all applications of a group, if the application is in one.
    union_id: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class UserInfoResponse:
    """Profile of a user, as far as the user lets the application know it; fields may be missing."""

    #: The user: the number or, in newer applications, the OpenID.
    user_id: str | None = field(repr=False)
    open_id: str | None = field(repr=False)
    nick_name: str | None = field(repr=False)
    #: The URL of a picture.
    avatar: str | None = field(repr=False)
    province: str | None = field(repr=False)
    city: str | None = field(repr=False)
    #: ``m`` or ``f``.
    gender: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class AppAuthToken:
    """The token with which a third-party application acts for a merchant's application."""

    #: The token; it has no end unless it is withdrawn.
    app_auth_token: str = field(repr=False)
    #: The token for a new one.
    app_refresh_token: str | None = field(repr=False)
    #: The merchant's application; notifications about the merchant's trades name it.
    auth_app_id: str
    #: The merchant's account.
    user_id: str | None
    #: Lifetimes in seconds; Alipay no longer applies the first one.
    expires_in: int | None
    re_expires_in: int | None


@dataclass(frozen=True)
class AppAuthTokenResponse:
    """The tokens of one authorisation."""

    #: One token for each application that the merchant chose.
    tokens: tuple[AppAuthToken, ...]
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class AppAuthTokenQueryResponse:
    """The state of a merchant's token. Times are aware UTC."""

    #: True if the token can be used.
    valid: bool
    #: The merchant's application.
    auth_app_id: str
    #: The merchant's account.
    user_id: str | None
    #: The methods that the merchant has granted.
    auth_methods: tuple[str, ...]
    #: Begin and end of the authorisation.
    auth_start: datetime | None
    auth_end: datetime | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Authorizations(OpenApiClient):
    """Tokens of users and merchants."""

    def system_oauth_token(
        self, *, code: str | None = None, refresh_token: str | None = None
    ) -> OAuthTokenResponse:
        """Exchange a user's authorisation code for tokens (``alipay.system.oauth.token``).

        :param code: the code (``auth_code``) from the redirect, or from ``my.getAuthCode`` in a
            mini-program; valid once, or
        :param refresh_token: the token for new ones; the old ones end with it.
        :raises InvalidParameter: unless exactly one of them is given.
        :raises GatewayError: with Alipay's ``sub_code``: ``isv.code-invalid`` for a code that was
            used before, is too old, or was issued to another application.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: call again;
            if the code is used up, let the user authorise again.
        """
        node = self._do(OAUTH_TOKEN, _grant(code, refresh_token))
        user_id, open_id, union_id = text_fields(node, "user_id", "open_id", "union_id")
        if user_id is None and open_id is None:
            raise missing("user_id or open_id")
        return OAuthTokenResponse(
            access_token=required_text(node, "access_token"),
            expires_in=_seconds(node, "expires_in"),
            refresh_token=text_field(node, "refresh_token") or None,
            re_expires_in=_seconds(node, "re_expires_in"),
            auth_start=parse_china_time(text_field(node, "auth_start")),
            user_id=user_id,
            open_id=open_id,
            union_id=union_id,
            params=node,
        )

    def user_info_share(self, *, auth_token: str) -> UserInfoResponse:
        """Query the profile of a user (``alipay.user.info.share``); retried if no
        response arrives.

        :param auth_token: the ``access_token`` of a user who granted ``auth_user``.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's ``sub_code``: ``aop.invalid-auth-token`` for a token of
            ``auth_base``, ``aop.auth-token-time-out`` for one that is too old.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        node = self._do(USER_INFO, {"auth_token": auth_token})
        names = ("user_id", "open_id", "nick_name", "avatar", "province", "city", "gender")
        user_id, open_id, nick_name, avatar, province, city, gender = text_fields(node, *names)
        return UserInfoResponse(
            user_id=user_id,
            open_id=open_id,
            nick_name=nick_name,
            avatar=avatar,
            province=province,
            city=city,
            gender=gender and gender.lower(),
            params=node,
        )

    def open_auth_token_app(
        self, *, code: str | None = None, refresh_token: str | None = None
    ) -> AppAuthTokenResponse:
        """Exchange a merchant's authorisation code for tokens (``alipay.open.auth.token.app``), in
        a third-party application.

        :param code: the code (``app_auth_code``) from the redirect; valid once, or
        :param refresh_token: a merchant's ``app_refresh_token``; the old token ends after ten
            minutes.
        :raises InvalidParameter: unless exactly one of them is given.
        :raises GatewayError: with Alipay's ``sub_code``: ``AUTH_CODE_NOT_EXIST`` or
            ``AUTH_CODE_NOT_VALID`` for a code that was used before or is too old.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: call again;
            if the code is used up, let the merchant authorise again.
        """
        node = self._do(APP_TOKEN, _grant(code, refresh_token))
        several = node.get("tokens")
        rows = several if isinstance(several, list) and several else [node]
        return AppAuthTokenResponse(tuple(map(_app_auth_token, rows)), node)

    def open_auth_token_app_query(self, *, app_auth_token: str) -> AppAuthTokenQueryResponse:
        """Query the state of a merchant's token (``alipay.open.auth.token.app.query``); retried if
        no response arrives.

        :param app_auth_token: the token; this call itself is made without one.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``AUTH_TOKEN_NOT_EXISTED``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        node = self._call(APP_TOKEN_QUERY, {}, {_TOKEN: app_auth_token})
        methods = node.get("auth_methods")
        return AppAuthTokenQueryResponse(
            valid=text_field(node, "status") == "valid",
            auth_app_id=required_text(node, "auth_app_id"),
            user_id=text_field(node, "user_id") or None,
            auth_methods=tuple(map(str, methods)) if isinstance(methods, list) else (),
            auth_start=parse_china_time(text_field(node, "auth_start")),
            auth_end=parse_china_time(text_field(node, "auth_end")),
            params=node,
        )


def _grant(code: str | None, refresh_token: str | None) -> dict[str, str | None]:
    if code is not None and refresh_token is not None:
        raise InvalidParameter("refresh_token", "must not be given together with code")
    grant_type = "refresh_token" if code is None else "authorization_code"
    return {"grant_type": grant_type, "code": code, "refresh_token": refresh_token}


def _app_auth_token(row: Any) -> AppAuthToken:
    if not isinstance(row, dict):
        raise missing(_TOKEN)
    return AppAuthToken(
        app_auth_token=required_text(row, _TOKEN),
        app_refresh_token=text_field(row, "app_refresh_token") or None,
        auth_app_id=required_text(row, "auth_app_id"),
        user_id=text_field(row, "user_id") or None,
        expires_in=_seconds(row, "expires_in"),
        re_expires_in=_seconds(row, "re_expires_in"),
    )


def _seconds(node: Mapping[str, Any], name: str) -> int | None:
    value = text_field(node, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None
