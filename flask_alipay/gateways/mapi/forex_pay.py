"""Parameters of cross-border payments (``create_forex_trade``, ``create_forex_trade_wap``), priced
in the settlement currency or in yuan.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from ...protocol.validation import amount, choice, integer, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators

SERVICE = "create_forex_trade"
WAP_SERVICE = "create_forex_trade_wap"

#: Timeouts in minutes by the service's name for them.
TIMEOUTS: Mapping[str, int] = {
    **{f"{minutes}m": minutes for minutes in (5, 10, 15, 30)},
    **{f"{hours}h": hours * 60 for hours in (1, 2, 3, 5, 10, 12)},
}


class ForexTrade(TypedDict, total=False):
    """Parameters of ``create_forex_trade``; amounts are in ``currency``, ``rmb_fee`` is in yuan."""

    out_trade_no: Annotated[str, validators.foreign_number, REQUIRED]
    subject: Annotated[str, validators.text_bytes(256), REQUIRED]
    currency: Annotated[str, validators.foreign_currency, REQUIRED]
    total_fee: Annotated[
        str | int | Decimal | None, validators.foreign_amount, "in ``currency``, or ``rmb_fee``"
    ]
    rmb_fee: Annotated[str | int | Decimal | None, amount, "in yuan, or ``total_fee``"]
    notify_url: Annotated[str | None, url(190, query=False), "receives the notification"]
    return_url: Annotated[str | None, url(200, query=False), "page for the buyer after the payment"]
    body: Annotated[str | None, text(400)]
    supplier: Annotated[str | None, text(64)]
    timeout_rule: Annotated[str | None, choice(*TIMEOUTS), "time until the trade is closed"]
    product_code: Annotated[
        str | None,
        choice("NEW_OVERSEAS_SELLER", "NEW_WAP_OVERSEAS_SELLER"),
        "``NEW_OVERSEAS_SELLER`` in new contracts",
    ]
    seller_id: Annotated[str | None, validators.account]
    seller_email: Annotated[str | None, text(100)]
    refer_url: Annotated[str | None, url(200)]
    auth_token: Annotated[str | None, text(40)]
    order_gmt_create: Annotated[str | datetime | None, validators.china_datetime]
    order_valid_time: Annotated[str | int | None, integer(1, 21600), "seconds"]
    secondary_merchant_id: Annotated[str | None, text(64)]
    secondary_merchant_name: Annotated[str | None, text(128)]
    secondary_merchant_industry: Annotated[str | None, text(4)]
    trade_information: Annotated[str | Mapping[str, Any] | None, validators.json_object]
    qr_pay_mode: Annotated[str | int | None, choice("0", "1", "2", "3", "4")]
    qrcode_width: Annotated[str | int | None, integer(1, 9999)]


class ForexTradeWap(ForexTrade, total=False):
    """Parameters of ``create_forex_trade_wap``."""

    merchant_url: Annotated[str | None, url(200), "page for a buyer who cancels"]
    app_pay: Annotated[str | None, choice("Y")]


def forex_params(values: Mapping[str, Any], charset: str, service: str = SERVICE) -> dict[str, str]:
    """Validate the parameters of a payment and convert them to Alipay's text.

    :param values: the parameters by name; ``None`` means not given.
    :param charset: the merchant's charset.
    :param service: :data:`SERVICE` or :data:`WAP_SERVICE`.
    :raises InvalidParameter: names the invalid parameter.
    :raises TypeError: for a ``float`` amount.
    """
    declaration = ForexTradeWap if service == WAP_SERVICE else ForexTrade
    amounts = validators.in_currency(values, "total_fee")
    params = validate_declared(declaration, amounts, charset, service)
    validators.require_exactly_one(params, "total_fee", "rmb_fee")
    return params


def timeout_rule(minutes: int) -> str:
    """Return the service's shortest timeout that is not shorter than the given one.

    :param minutes: the buyer's time to pay.
    """
    return next((name for name, limit in TIMEOUTS.items() if minutes <= limit), "12h")
