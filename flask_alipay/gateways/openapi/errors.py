"""Conversion of Alipay's rejections to exceptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...exceptions import AppAuthTokenError, GatewayError, OutcomeUnknown

# The service is temporarily unavailable; the request may have taken effect.
_UNAVAILABLE = "20000"
# "unknow" and "AQC" are Alipay's spelling. Codes of transfers have no prefix.
_UNDECIDED = re.compile(
    r"(?:\w+\.)?SYSTEM_ERROR|(?:aop|isp)\..*unknow-error"
    r"|UNKNOWN_ERROR|REQUEST_PROCESSING|TRANS_ORDER_DEALING"
)
# No merchant's token, or one that is wrong, withdrawn, expired or without a right to the method.
_BAD_TOKEN = re.compile(
    r"(?:\w+\.)?(?:self-invoke-forbidden|invalid-app-auth-token(?:-no-api)?"
    r"|app-auth-token-time-out)"
)
# The string to sign, which Alipay quotes at the end of a text. It contains the whole request:
# goods, buyer, and the token of a merchant.
_QUOTED = re.compile(
    r"(?<![\w.])(?:app_id|app_auth_token|app_cert_sn|alipay_root_cert_sn|biz_content)=.*", re.DOTALL
)
_TOKEN = re.compile(r"(app_auth_token=)[\w.\-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MAX_EXPLANATION = 256


def explanation(text: object) -> str:
    """Return Alipay's explanation of a code for a log line: one line without the quoted string to
    sign, ``""`` if there is none.

    :param text: the received ``sub_msg``.
    """
    if not isinstance(text, str):
        return ""
    line = _UNPRINTABLE.sub(" ", _QUOTED.sub("…", text)).strip()
    return line if len(line) <= _MAX_EXPLANATION else f"{line[:_MAX_EXPLANATION]}…"


def error_from_response(method: str, node: Mapping[str, Any], *, signed: bool) -> GatewayError:
    """Return Alipay's rejection as an exception: a retryable
    :class:`~flask_alipay.exceptions.OutcomeUnknown` if the request may have taken effect, an
    :class:`~flask_alipay.exceptions.AppAuthTokenError` if a merchant's token is at fault.

    :param method: the called method.
    :param node: the node of the response.
    :param signed: True if Alipay signed the response.
    """
    code, sub_code = _code(node, "code"), _code(node, "sub_code")
    undecided = code == _UNAVAILABLE or _UNDECIDED.fullmatch(sub_code or "") is not None
    bad_token = _BAD_TOKEN.fullmatch(sub_code or code or "") is not None
    kind = OutcomeUnknown if undecided else AppAuthTokenError if bad_token else GatewayError
    sub_msg = node.get("sub_msg")
    reason = explanation(sub_msg) or explanation(node.get("msg"))
    parts = [code or "UNKNOWN", sub_code or "", f"({reason})" if reason else ""]
    return kind(
        f"Alipay rejected {method}: {' '.join(filter(None, parts))}",
        code=code,
        sub_code=sub_code,
        sub_msg=_TOKEN.sub(r"\1***", sub_msg) if isinstance(sub_msg, str) else None,
        retryable=undecided,
        signed=signed,
    )


def _code(node: Mapping[str, Any], name: str) -> str | None:
    """Return one of Alipay's codes, made safe for log lines."""
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return re.sub(r"[^\w.\-]", "?", str(value).strip(), flags=re.ASCII)[:64] or None
