"""The parameters of cross-border payments (``create_forex_trade``, ``create_forex_trade_wap``):
priced in the currency that the shop is paid in, or in yuan.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from ..fields import Field, amount, choice, convert, text, url, whole
from . import rules

SERVICE = "create_forex_trade"
WAP_SERVICE = "create_forex_trade_wap"

#: How long a buyer may take, in minutes, by the name that the service has for it.
TIMEOUTS: Mapping[str, int] = {
    **{f"{minutes}m": minutes for minutes in (5, 10, 15, 30)},
    **{f"{hours}h": hours * 60 for hours in (1, 2, 3, 5, 10, 12)},
}

#: The parameters of the service for desktops; amounts are in ``currency``, ``rmb_fee`` is in yuan.
FIELDS: Mapping[str, Field] = {
    "out_trade_no": rules.foreign_number,
    "subject": rules.words(256),
    "currency": rules.foreign_currency,
    "total_fee": rules.foreign_amount,
    "rmb_fee": amount,
    "notify_url": url(190, query=False),
    "return_url": url(200, query=False),
    "body": text(400),
    "supplier": text(64),
    "timeout_rule": choice(*TIMEOUTS),
    "product_code": choice("NEW_OVERSEAS_SELLER", "NEW_WAP_OVERSEAS_SELLER"),
    "seller_id": rules.account,
    "seller_email": text(100),
    "refer_url": url(200),
    "auth_token": text(40),
    "order_gmt_create": rules.moment,
    "order_valid_time": whole(1, 21600),
    "secondary_merchant_id": text(64),
    "secondary_merchant_name": text(128),
    "secondary_merchant_industry": text(4),
    "trade_information": rules.document,
    "qr_pay_mode": choice("0", "1", "2", "3", "4"),
    "qrcode_width": whole(1, 9999),
}

#: Those of the service for phones.
WAP_FIELDS: Mapping[str, Field] = {**FIELDS, "merchant_url": url(200), "app_pay": choice("Y")}


class ForexTrade(TypedDict, total=False):
    """The parameters as a caller gives them; ``None`` is one that is not given."""

    out_trade_no: str
    subject: str
    currency: str
    total_fee: str | int | Decimal | None
    rmb_fee: str | int | Decimal | None
    notify_url: str | None
    return_url: str | None
    body: str | None
    supplier: str | None
    timeout_rule: str | None
    product_code: str | None
    seller_id: str | None
    seller_email: str | None
    refer_url: str | None
    auth_token: str | None
    order_gmt_create: str | datetime | None
    order_valid_time: str | int | None
    secondary_merchant_id: str | None
    secondary_merchant_name: str | None
    secondary_merchant_industry: str | None
    trade_information: str | Mapping[str, Any] | None
    qr_pay_mode: str | int | None
    qrcode_width: str | int | None


class ForexTradeWap(ForexTrade, total=False):
    """The same on phones."""

    merchant_url: str | None
    app_pay: str | None


def forex_params(values: Mapping[str, Any], charset: str, service: str = SERVICE) -> dict[str, str]:
    """Checks the parameters of one payment and writes them as Alipay's text.

    :param values: the parameters by name; ``None`` is one that was not given.
    :param charset: the merchant's charset.
    :param service: :data:`SERVICE` or :data:`WAP_SERVICE`.
    :raises InvalidParameter: names the parameter at fault.
    :raises TypeError: for a ``float`` amount.
    """
    table = WAP_FIELDS if service == WAP_SERVICE else FIELDS
    params = convert(table, rules.in_currency(values, "total_fee"), charset, service)
    rules.require(params, "out_trade_no", "subject", "currency")
    rules.require_exactly_one(params, "total_fee", "rmb_fee")
    return params


def timeout_rule(minutes: int) -> str:
    """Returns the service's word for a time: the shortest that is not shorter.

    :param minutes: that the buyer has.
    """
    return next((name for name, most in TIMEOUTS.items() if minutes <= most), "12h")
