"""Alipay's no: which error it is, and whether the same may be asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..exceptions import GatewayError, OutcomeUnknown

# The service is out of order for a while; Alipay itself may not know how far it came.
_OUT_OF_ORDER = "20000"
# "unknow" and "AQC" are Alipay's spelling. Transfers know no prefix.
_UNDECIDED = re.compile(
    r"(?:\w+\.)?SYSTEM_ERROR|(?:aop|isp)\..*unknow-error"
    r"|UNKNOWN_ERROR|REQUEST_PROCESSING|TRANS_ORDER_DEALING"
)


def refusal(method: str, node: Mapping[str, Any], *, proven: bool) -> GatewayError:
    """Returns Alipay's no as an exception: where nobody knows how far it came, an
    :class:`~flask_alipay.exceptions.OutcomeUnknown` that may be repeated.

    :param method: what was asked.
    :param node: the node of the answer.
    :param proven: whether it is signed by Alipay.
    """
    code, sub_code = _code(node, "code"), _code(node, "sub_code")
    undecided = code == _OUT_OF_ORDER or _UNDECIDED.fullmatch(sub_code or "") is not None
    kind = OutcomeUnknown if undecided else GatewayError
    sub_msg = node.get("sub_msg")
    return kind(
        f"Alipay refused {method}: {code or 'UNKNOWN'} {sub_code or ''}".rstrip(),
        code=code,
        sub_code=sub_code,
        sub_msg=sub_msg if isinstance(sub_msg, str) else None,
        retryable=undecided,
        proven=proven,
    )


def _code(node: Mapping[str, Any], name: str) -> str | None:
    """One of Alipay's codes, made safe for a log line."""
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return re.sub(r"[^\w.\-]", "?", str(value).strip(), flags=re.ASCII)[:64] or None
