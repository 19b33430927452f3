"""Fields of the methods for pre-authorisations (``alipay.fund.auth.*``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.charsets import encode_json
from ...protocol.conversion import to_minor_units
from ...protocol.validation import (
    FieldValidator,
    amount,
    choice,
    out_trade_no,
    pattern,
    text,
    timeout,
)
from . import biz_content
from .client import MethodSpec

#: The product of new contracts, for all ways to freeze. The older ones are ``PRE_AUTH_ONLINE`` and
#: ``PRE_AUTH``; a capture names the product of the freeze.
PREAUTH_PAY: Final = "PREAUTH_PAY"
#: The maximum amount of a freeze, in fen.
MAX_FEN: Final = 10_000_000_000

_AUTH_NO = pattern(r"[A-Za-z0-9]{1,64}", "Alipay's number of an authorization")
_OPERATION_ID = pattern(r"[A-Za-z0-9]{1,64}", "Alipay's number of an operation")


def _json_text(name: str, value: Any, charset: str) -> str:
    """Mapping or list, or its JSON as text."""
    if isinstance(value, (Mapping, list)):
        return encode_json(value, charset)
    return text(2048)(name, value, charset)


_FREEZE_FIELDS: Mapping[str, FieldValidator] = {
    "out_order_no": out_trade_no,
    "out_request_no": out_trade_no,
    "order_title": text(100),
    "amount": amount,
    "product_code": text(64),
    "payee_user_id": biz_content.account,
    "payee_logon_id": text(100),
    "pay_timeout": timeout,
    "timeout_express": timeout,
    "extra_param": _json_text,
    "enable_pay_channels": _json_text,
    "disable_pay_channels": _json_text,
    "identity_params": _json_text,
    "business_params": _json_text,
    "scene_code": text(64),
    "terminal_params": _json_text,
    "deposit_product_mode": choice("POSTPAY", "POSTPAY_UNCERTAIN", "DEPOSIT_ONLY"),
    "trans_currency": text(8),
    "settle_currency": text(8),
}
_FREEZE_REQUIRED = ("out_order_no", "out_request_no", "order_title", "amount")
_OPERATION: Mapping[str, FieldValidator] = {
    "auth_no": _AUTH_NO,
    "operation_id": _OPERATION_ID,
    "out_order_no": biz_content.number,
    "out_request_no": biz_content.number,
}

APP_FREEZE = MethodSpec(
    "alipay.fund.auth.order.app.freeze", _FREEZE_FIELDS, required=_FREEZE_REQUIRED
)
VOUCHER = MethodSpec(
    "alipay.fund.auth.order.voucher.create", _FREEZE_FIELDS, required=_FREEZE_REQUIRED
)
FREEZE = MethodSpec(
    "alipay.fund.auth.order.freeze",
    {
        **_FREEZE_FIELDS,
        "auth_code": text(700),
        "auth_code_type": choice("bar_code", "security_code"),
    },
    required=(*_FREEZE_REQUIRED, "auth_code"),
    success_codes=("10000", "10003"),
)
OPERATION_QUERY = MethodSpec(
    "alipay.fund.auth.operation.detail.query",
    {
        **_OPERATION,
        "operation_type": choice("FREEZE", "UNFREEZE", "PAY"),
    },
    one_of=("auth_no", "out_order_no"),
    read_only=True,
)
UNFREEZE = MethodSpec(
    "alipay.fund.auth.order.unfreeze",
    {
        "auth_no": _AUTH_NO,
        "out_request_no": out_trade_no,
        "amount": amount,
        "remark": text(100),
        "extra_param": _json_text,
    },
    required=("auth_no", "out_request_no", "amount", "remark"),
)
OPERATION_CANCEL = MethodSpec(
    "alipay.fund.auth.operation.cancel",
    {**_OPERATION, "remark": text(100)},
    required=("remark",),
    one_of=("auth_no", "out_order_no"),
)
ORDERINFO_SYNC = MethodSpec(
    "alipay.trade.orderinfo.sync",
    {
        "trade_no": biz_content.trade_no,
        "out_request_no": biz_content.number,
        "biz_type": choice("CREDIT_AUTH", "CREDIT_DEDUCT"),
        "orig_request_no": biz_content.number,
        "order_biz_info": _json_text,
    },
    required=("trade_no", "out_request_no", "biz_type"),
)


def freeze_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a freeze with the default product, after a check of its amount.

    :raises InvalidParameter: if the amount is too large, or channels are both allowed and
        forbidden.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if "amount" in given and to_minor_units(given["amount"], parameter="amount") > MAX_FEN:
        raise InvalidParameter("amount", "must be at most 100000000.00 CNY")
    if "enable_pay_channels" in given and "disable_pay_channels" in given:
        raise InvalidParameter(
            "disable_pay_channels", "must not be given together with enable_pay_channels"
        )
    return {"product_code": PREAUTH_PAY, **given}
