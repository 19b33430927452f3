"""The parameters of the payments that a browser brings to the open platform, and their rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..china_time import to_china
from ..exceptions import InvalidParameter
from ..fields import Field, amount, choice, out_trade_no, pattern, text, timeout, url, whole
from ..limits import HIDDEN_FIELD


class Product(NamedTuple):
    """A way to pay: the method behind it and the ``product_code`` that goes with it."""

    method: str
    product_code: str


#: What :meth:`OpenApiGateway.pay` can make.
PRODUCTS: Mapping[str, Product] = {
    "page": Product("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    "wap": Product("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
}

_CHANNELS = pattern(r"[A-Za-z0-9_]+(?:,[A-Za-z0-9_]+)*", "names of channels, joined by commas")


def _time(name: str, value: Any, charset: str) -> str:
    """An aware ``datetime``, or Alipay's own text of China time."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime: say in which zone it is")
        return to_china(value)
    return pattern(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "like 2026-01-31 23:59:59"
    )(name, value, charset)


def _unknown(name: str, value: Any, charset: str) -> Any:
    """A field that is not in the table is passed on, but none may hide another."""
    if isinstance(value, str) and HIDDEN_FIELD.search(value):
        raise InvalidParameter(name, "must not hold what looks like another field (&name=)")
    return value


#: The documented fields that have a limit; others are passed through as they are.
FIELDS: Mapping[str, Field] = {
    "out_trade_no": out_trade_no,
    "subject": text(256),
    "total_amount": amount,
    "body": text(128),
    "timeout_express": timeout,
    "time_expire": _time,
    "passback_params": text(512),
    "goods_type": choice("0", "1"),
    "qr_pay_mode": choice("0", "1", "2", "3", "4"),
    "qrcode_width": whole(1, 9999),
    "integration_type": choice("ALIAPP", "PCWEB"),
    "enable_pay_channels": _CHANNELS,
    "disable_pay_channels": _CHANNELS,
    "store_id": text(32),
    "quit_url": url(400),
}

_REQUIRED = ("out_trade_no", "total_amount", "subject")


def _field(name: str) -> Callable[[str, Any, str], Any]:
    return FIELDS.get(name, _unknown)


def payment_content(values: Mapping[str, Any], product: Product, charset: str) -> dict[str, Any]:
    """Checks the fields of one payment and returns its ``biz_content``.

    :param values: the fields by name; ``None`` is one that was not given. A field that is not in
        :data:`FIELDS` is passed through.
    :raises InvalidParameter: names the field at fault.
    :raises TypeError: for a ``float`` amount.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in _REQUIRED:
        if name not in given:
            raise InvalidParameter(name, "is required")
    if "enable_pay_channels" in given and "disable_pay_channels" in given:
        raise InvalidParameter("disable_pay_channels", "must not be there beside the enabled ones")
    content: dict[str, Any] = {
        name: _field(name)(name, value, charset) for name, value in given.items()
    }
    return {"product_code": product.product_code, **content}


def biz_content(content: Mapping[str, Any], charset: str) -> str:
    r"""Writes ``biz_content`` once: the same text is signed and sent.

    Outside UTF-8 other characters are written as ``\u…``, which every charset can carry.

    :raises InvalidParameter: if it holds something that JSON does not have.
    """
    try:
        return json.dumps(
            content,
            ensure_ascii=charset.lower() not in ("utf-8", "utf8"),
            allow_nan=False,
            separators=(",", ":"),
        )
    except (TypeError, ValueError):
        raise InvalidParameter("biz_content", "holds something that JSON does not have") from None
