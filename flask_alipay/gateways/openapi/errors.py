"""Convert rejections to exceptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...exceptions import GatewayError, OutcomeUnknown

# The service is out of order for a while; Alipay itself may not know how far it came.
_OUT_OF_ORDER = "20000"
# "unknow" and "AQC" are Alipay's spelling. Transfers know no prefix.
_UNDECIDED = re.compile(
    r"(?:\w+\.)?SYSTEM_ERROR|(?:aop|isp)\..*unknow-error"
    r"|UNKNOWN_ERROR|REQUEST_PROCESSING|TRANS_ORDER_DEALING"
)
# The string to sign, which Alipay quotes at the end of a text. It holds the whole request: what is
# sold, to whom, and the token of a merchant.
_QUOTED = re.compile(
    r"(?<![\w.])(?:app_id|app_auth_token|app_cert_sn|alipay_root_cert_sn|biz_content)=.*", re.DOTALL
)
_TOKEN = re.compile(r"(app_auth_token=)[\w.\-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_MAX_EXPLANATION = 256


def explanation(text: object) -> str:
    """Return Alipay's explanation of a code for a log line: without the string to sign that it
    quotes, on one line; ``""`` if there is none.

    :param text: ``sub_msg`` as it was received.
    """
    if not isinstance(text, str):
        return ""
    told = _UNPRINTABLE.sub(" ", _QUOTED.sub("…", text)).strip()
    return told if len(told) <= _MAX_EXPLANATION else f"{told[:_MAX_EXPLANATION]}…"


def error_from_response(method: str, node: Mapping[str, Any], *, signed: bool) -> GatewayError:
    """Returns Alipay's no as an exception: where nobody knows how far it came, an
    :class:`~flask_alipay.exceptions.OutcomeUnknown` that may be repeated.

    :param method: what was asked.
    :param node: the node of the answer.
    :param signed: whether it is signed by Alipay.
    """
    code, sub_code = _code(node, "code"), _code(node, "sub_code")
    undecided = code == _OUT_OF_ORDER or _UNDECIDED.fullmatch(sub_code or "") is not None
    kind = OutcomeUnknown if undecided else GatewayError
    sub_msg = node.get("sub_msg")
    reason = explanation(sub_msg) or explanation(node.get("msg"))
    told = [code or "UNKNOWN", sub_code or "", f"({reason})" if reason else ""]
    return kind(
        f"Alipay rejected {method}: {' '.join(filter(None, told))}",
        code=code,
        sub_code=sub_code,
        sub_msg=_TOKEN.sub(r"\1***", sub_msg) if isinstance(sub_msg, str) else None,
        retryable=undecided,
        signed=signed,
    )


def _code(node: Mapping[str, Any], name: str) -> str | None:
    """One of Alipay's codes, made safe for a log line."""
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return re.sub(r"[^\w.\-]", "?", str(value).strip(), flags=re.ASCII)[:64] or None
