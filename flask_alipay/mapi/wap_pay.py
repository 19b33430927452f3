"""The parameters of a payment in a phone's browser (手机网站支付,
``alipay.wap.create.direct.pay.by.user``), which is written in UTF-8 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from ..charsets import canonical_charset
from ..exceptions import InvalidParameter
from ..fields import Field, amount, choice, convert, out_trade_no, text, timeout, url
from . import rules

SERVICE = "alipay.wap.create.direct.pay.by.user"

#: Every parameter.
FIELDS: Mapping[str, Field] = {
    "out_trade_no": out_trade_no,
    "subject": rules.words(256),
    "total_fee": amount,
    "seller_id": rules.account,
    "show_url": url(400),
    "notify_url": url(190, query=False),
    "return_url": url(200, query=False),
    "body": text(1000),
    "it_b_pay": timeout,
    "extern_token": text(64),
    "otherfee": rules.fee,
    "airticket": text(4000),
    "rn_check": choice("T", "F"),
    "buyer_cert_no": text(100),
    "buyer_real_name": text(100),
    "scene": text(64),
    "app_pay": choice("Y"),
    "goods_type": choice("1", "0"),
    "promo_params": text(512),
    "extend_params": text(512),
    "ext_user_info": text(512),
}


class WapPay(TypedDict, total=False):
    """The parameters as a caller gives them; ``None`` is one that is not given."""

    out_trade_no: str
    subject: str
    total_fee: str | int | Decimal
    seller_id: str | None
    show_url: str | None
    notify_url: str | None
    return_url: str | None
    body: str | None
    it_b_pay: str | None
    extern_token: str | None
    otherfee: str | int | Decimal | None
    airticket: str | None
    rn_check: str | None
    buyer_cert_no: str | None
    buyer_real_name: str | None
    scene: str | None
    app_pay: str | None
    goods_type: str | int | None
    promo_params: str | None
    extend_params: str | None
    ext_user_info: str | None


def wap_pay_params(values: Mapping[str, Any], charset: str) -> dict[str, str]:
    """Checks the parameters of one payment and writes them as Alipay's text.

    :param values: the parameters by name; ``None`` is one that was not given.
    :param charset: the merchant's charset.
    :raises InvalidParameter: names the parameter at fault.
    :raises TypeError: for a ``float`` amount.
    """
    if canonical_charset(charset) != "utf-8":
        raise InvalidParameter("_input_charset", f"must be utf-8 for {SERVICE}: see in_charset()")
    params = convert(FIELDS, values, charset, SERVICE)
    rules.require(params, "out_trade_no", "subject", "total_fee", "seller_id", "show_url")
    return params
