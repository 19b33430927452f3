"""Methods for the tokens of users and merchants.

The forms of responses are those of captured ones: that of ``alipay.system.oauth.token`` has no code
and numbers that are not texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time
from ..oauth_tokens import REFRESH_FOR, TOKEN_FOR, AppToken, UserToken
from ..replies import ApiError
from .call import ApiCall, Context, Handler, Success

OAUTH_TOKEN: Final = "alipay.system.oauth.token"  # noqa: S105 - a method
USER_INFO: Final = "alipay.user.info.share"
APP_TOKEN: Final = "alipay.open.auth.token.app"  # noqa: S105 - a method
APP_TOKEN_QUERY: Final = "alipay.open.auth.token.app.query"  # noqa: S105 - a method
#: The methods whose fields are common parameters.
IN_COMMON: Final = (OAUTH_TOKEN, USER_INFO)

# Six digits of the month, BB, 32 characters: the form of the tokens in Alipay's documents.
_APP_AUTH_TOKEN: Final = re.compile(r"[0-9]{6}BB[0-9A-Za-z]{32}", re.ASCII)
# Methods that a third-party application calls for itself.
_FOR_ITSELF: Final = ("alipay.open.", "alipay.system.", "alipay.user.")
_GRANTS: Final = ("authorization_code", "refresh_token")
# A merchant's token, which has no end, and its refresh token, in seconds: as in Alipay's sample.
_APP_TOKEN_FOR, _APP_REFRESH_FOR = 31_536_000, 32_140_800
_WITH_INFO: Final = "auth_user"
_GRANTED: Final = ("alipay.trade.create", "alipay.trade.query", "alipay.trade.refund")


class AuthorizationService:
    """``alipay.system.oauth.token``, ``alipay.user.info.share``, ``alipay.open.auth.token.app``
    and its query.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known = context.authorizations
        self.methods: Mapping[str, Handler] = {
            OAUTH_TOKEN: self._oauth_token,
            USER_INFO: self._user_info,
            APP_TOKEN: self._app_token,
            APP_TOKEN_QUERY: self._app_token_query,
        }

    def _oauth_token(self, call: ApiCall) -> Success:
        grant = _field(call, "grant_type")
        if grant not in _GRANTS:
            raise ApiError("isv.grant-type-invalid")
        if grant == "authorization_code":
            token = self._known.exchange_user(_field(call, "code"), call.now)
            if token is None:
                raise ApiError("isv.code-invalid")
        else:
            token = self._known.refresh_user(_field(call, "refresh_token"), call.now)
            if token is None:
                raise ApiError("isv.refresh-token-invalid")
        return Success(self._user_token(call, token), "")

    def _user_token(self, call: ApiCall, token: UserToken) -> dict[str, object]:
        left = token.refreshable_until - call.now
        return {
            "access_token": token.access_token,
            "auth_start": format_china_time(token.at),
            "expires_in": int(TOKEN_FOR.total_seconds()),
            "re_expires_in": int(min(left, REFRESH_FOR).total_seconds()),
            "refresh_token": token.refresh_token,
            **self._user(),
        }

    def _user_info(self, call: ApiCall) -> Success:
        token = self._known.user_token(_field(call, "auth_token"))
        if token is None or _WITH_INFO not in token.scope.split(","):
            raise ApiError("aop.invalid-auth-token")
        if call.now - token.at >= TOKEN_FOR:
            raise ApiError("aop.auth-token-time-out")
        fields = {"nick_name": "测试买家", "province": "浙江省", "city": "杭州市", "gender": "F"}
        return Success({**self._user(), **fields})

    def _app_token(self, call: ApiCall) -> Success:
        grant = call.text("grant_type")
        if grant not in _GRANTS:
            raise ApiError("GRANT_TYPE_INVALID")
        if grant == "authorization_code":
            token = self._known.exchange_app(call.required("code", 128), call.now)
            if token is None:
                raise ApiError("AUTH_CODE_NOT_EXIST")
        else:
            token = self._known.refresh_app(call.required("refresh_token", 128), call.now)
            if token is None:
                raise ApiError("REFRESH_TOKEN_NOT_EXIST")
        return Success(_merchant_token(token))

    def _app_token_query(self, call: ApiCall) -> Success:
        token = self._known.app_token(call.required("app_auth_token"))
        if token is None:
            raise ApiError("AUTH_TOKEN_NOT_EXISTED")
        return Success(
            {
                "auth_app_id": token.auth_app_id,
                "auth_methods": list(_GRANTED),
                "auth_start": format_china_time(token.at),
                "auth_end": format_china_time(token.at + timedelta(seconds=_APP_TOKEN_FOR)),
                "expires_in": _APP_TOKEN_FOR,
                "status": "valid" if token.valid(call.now) else "invalid",
                "user_id": token.user_id,
            }
        )

    def _user(self) -> dict[str, object]:
        merchant = self._context.merchant
        if merchant.open_id:
            return {"open_id": merchant.buyer_open_id}
        return {"user_id": merchant.buyer_id}


def check_app_auth_token(context: Context, call: ApiCall) -> None:
    """Check the token with which a third-party application acts for a merchant.

    A token that was not issued here is accepted in the form of Alipay's.

    :raises ApiError: if it is in another form or has ended, or if the application needs one.
    """
    token = call.params.get("app_auth_token", "")
    if not token:
        if context.merchant.third_party and not call.method.startswith(_FOR_ITSELF):
            raise ApiError("isv.self-invoke-forbidden")
        return
    known = context.authorizations.app_token(token)
    ended = known is not None and not known.valid(call.now)
    if ended or not _APP_AUTH_TOKEN.fullmatch(token):
        raise ApiError("aop.invalid-app-auth-token")


def _field(call: ApiCall, name: str) -> str:
    """Return a field of version 3, or a common parameter of version 2."""
    value = call.text(name, 128) or call.params.get(name, "")
    if not value:
        raise InvalidParameter(name, "is required")
    return value


def _merchant_token(token: AppToken) -> dict[str, object]:
    return {
        "app_auth_token": token.app_auth_token,
        "app_refresh_token": token.app_refresh_token,
        "auth_app_id": token.auth_app_id,
        "expires_in": _APP_TOKEN_FOR,
        "re_expires_in": _APP_REFRESH_FOR,
        "user_id": token.user_id,
    }
