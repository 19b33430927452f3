"""Products of the open platform, their fields and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...exceptions import InvalidParameter
from ...protocol.validation import (
    FieldValidator,
    amount,
    choice,
    integer,
    out_trade_no,
    pattern,
    text,
    timeout,
    url,
    validate_fields,
)
from .agreements import sign_params
from .biz_content import china_datetime


class Product(NamedTuple):
    """A payment product: its method and the ``product_code``."""

    method: str
    product_code: str


#: Payments in the merchant's app.
APP = Product("alipay.trade.app.pay", "QUICK_MSECURITY_PAY")
#: The products of :meth:`OpenApiGateway.pay`, which a buyer's browser sends to Alipay.
BROWSER_PRODUCTS: Mapping[str, Product] = {
    "page": Product("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    "wap": Product("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
}
#: All products. The buyer scans the merchant's ``qr`` code, the merchant the buyer's ``barcode``;
#: ``jsapi`` is paid in a mini-program, or on a page within Alipay's app; ``preauth`` captures a
#: pre-authorised amount.
PRODUCTS: Mapping[str, Product] = {
    **BROWSER_PRODUCTS,
    "app": APP,
    "qr": Product("alipay.trade.precreate", "FACE_TO_FACE_PAYMENT"),
    "barcode": Product("alipay.trade.pay", "FACE_TO_FACE_PAYMENT"),
    "jsapi": Product("alipay.trade.create", "JSAPI_PAY"),
    "preauth": Product("alipay.trade.pay", "PREAUTH_PAY"),
}

_CHANNELS = pattern(r"[A-Za-z0-9_]+(?:,[A-Za-z0-9_]+)*", "names of channels, joined by commas")

#: Validators of the documented fields; other fields are passed through unchanged.
FIELDS: Mapping[str, FieldValidator] = {
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
    "agreement_sign_params": sign_params,
    "op_app_id": pattern(r"[0-9]{16}", "the APPID of a mini-program, 16 digits"),
}

#: Fields that every payment requires.
REQUIRED = ("out_trade_no", "total_amount", "subject")


def payment_content(values: Mapping[str, Any], product: Product, charset: str) -> dict[str, Any]:
    """Validate the fields of a payment and return its ``biz_content``.

    :param values: the fields by name; ``None`` means not given. A field that is not in
        :data:`FIELDS` is passed through.
    :param product: the payment's product.
    :param charset: the request's charset.
    :raises InvalidParameter: names the invalid field.
    :raises TypeError: for a ``float`` amount.
    """
    content = validate_fields(FIELDS, values, charset, required=REQUIRED)
    check_channels(content)
    return {"product_code": product.product_code, **content}


def check_channels(content: Mapping[str, Any]) -> None:
    """Check that channels are either allowed or forbidden.

    :raises InvalidParameter: if both are given.
    """
    if "enable_pay_channels" in content and "disable_pay_channels" in content:
        raise InvalidParameter(
            "disable_pay_channels", "must not be given together with enable_pay_channels"
        )


def check_currency(currency: str | None, trans_currency: str | None = None) -> None:
    """Check that a payment of the ledger is priced in yuan.

    :param currency: the payment's currency.
    :param trans_currency: the field of ``biz_content`` that names another currency.
    :raises InvalidParameter: otherwise.
    """
    for name, value in (("currency", currency), ("trans_currency", trans_currency)):
        if value not in (None, "", "CNY"):
            raise InvalidParameter(name, "must be CNY: payments of the open platform are in yuan")
