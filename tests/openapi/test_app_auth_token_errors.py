"""Rejections because of a merchant's token have their own exception."""

from __future__ import annotations

import pytest

from flask_alipay.exceptions import AppAuthTokenError, GatewayError, OutcomeUnknown
from flask_alipay.gateways.openapi.errors import error_from_response

CODES = (
    "isv.self-invoke-forbidden",
    "aop.invalid-app-auth-token",
    "aop.invalid-app-auth-token-no-api",
    "aop.app-auth-token-time-out",
)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("v3", [False, True])
def test_a_bad_token_has_its_exception(code: str, v3: bool) -> None:
    node = {"code": code.partition(".")[2]} if v3 else {"code": "20001", "sub_code": code}
    error = error_from_response("alipay.trade.query", node, signed=not v3)
    assert type(error) is AppAuthTokenError
    assert not error.retryable


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("aop.invalid-auth-token", GatewayError),  # a user's
        ("aop.auth-token-time-out", GatewayError),
        ("isv.invalid-app-auth-token-and-more", GatewayError),
        ("isv.invalid-signature", GatewayError),
        ("aop.unknow-error", OutcomeUnknown),
    ],
)
def test_other_rejections_have_not(code: str, kind: type[GatewayError]) -> None:
    node = {"code": "20001", "sub_code": code}
    assert type(error_from_response("alipay.trade.query", node, signed=True)) is kind
