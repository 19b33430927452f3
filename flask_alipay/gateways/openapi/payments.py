"""The parameters of the payments on the open platform, and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...exceptions import InvalidParameter
from ...protocol.validation import (
    Validator,
    amount,
    choice,
    integer,
    out_trade_no,
    pattern,
    text,
    timeout,
    url,
)
from .biz_content import china_datetime, validate_fields


class Product(NamedTuple):
    """A way to pay: the method behind it and the ``product_code`` that goes with it."""

    method: str
    product_code: str


#: What an app brings to Alipay's own.
APP = Product("alipay.trade.app.pay", "QUICK_MSECURITY_PAY")
#: What :meth:`OpenApiGateway.pay` can make: what a buyer's browser brings to Alipay.
BROWSER_PRODUCTS: Mapping[str, Product] = {
    "page": Product("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    "wap": Product("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
}
#: All of them. A buyer scans a ``qr`` code of the shop's, the shop the ``barcode`` of a buyer's.
PRODUCTS: Mapping[str, Product] = {
    **BROWSER_PRODUCTS,
    "app": APP,
    "qr": Product("alipay.trade.precreate", "FACE_TO_FACE_PAYMENT"),
    "barcode": Product("alipay.trade.pay", "FACE_TO_FACE_PAYMENT"),
}

_CHANNELS = pattern(r"[A-Za-z0-9_]+(?:,[A-Za-z0-9_]+)*", "names of channels, joined by commas")

#: The documented fields that have a limit; others are passed through as they are.
FIELDS: Mapping[str, Validator] = {
    "out_trade_no": out_trade_no,
    "subject": text(256),
    "total_amount": amount,
    "body": text(128),
    "timeout_express": timeout,
    "time_expire": china_datetime,
    "passback_params": text(512),
    "goods_type": choice("0", "1"),
    "qr_pay_mode": choice("0", "1", "2", "3", "4"),
    "qrcode_width": integer(1, 9999),
    "integration_type": choice("ALIAPP", "PCWEB"),
    "enable_pay_channels": _CHANNELS,
    "disable_pay_channels": _CHANNELS,
    "store_id": text(32),
    "quit_url": url(400),
    "qr_code_timeout_express": timeout,
}

#: What every payment has.
REQUIRED = ("out_trade_no", "total_amount", "subject")


def payment_content(values: Mapping[str, Any], product: Product, charset: str) -> dict[str, Any]:
    """Checks the fields of one payment and returns its ``biz_content``.

    :param values: the fields by name; ``None`` is one that was not given. A field that is not in
        :data:`FIELDS` is passed through.
    :raises InvalidParameter: names the field at fault.
    :raises TypeError: for a ``float`` amount.
    """
    content = validate_fields(FIELDS, values, charset, required=REQUIRED)
    check_channels(content)
    return {"product_code": product.product_code, **content}


def check_channels(content: Mapping[str, Any]) -> None:
    """Checks that channels are allowed or forbidden, but not both.

    :raises InvalidParameter: otherwise.
    """
    if "enable_pay_channels" in content and "disable_pay_channels" in content:
        raise InvalidParameter("disable_pay_channels", "must not be there beside the enabled ones")


def check_currency(currency: str | None, trans_currency: str | None = None) -> None:
    """Checks that a payment of the ledger's is priced in yuan.

    :param currency: the payment's.
    :param trans_currency: the field of ``biz_content`` that would name another one.
    :raises InvalidParameter: otherwise.
    """
    for name, value in (("currency", currency), ("trans_currency", trans_currency)):
        if value not in (None, "", "CNY"):
            raise InvalidParameter(name, "must be CNY: payments of the open platform are in yuan")
