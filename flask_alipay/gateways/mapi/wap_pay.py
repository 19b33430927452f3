"""Parameters of payments in a phone's browser (手机网站支付,
``alipay.wap.create.direct.pay.by.user``), in UTF-8 only.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from ...exceptions import InvalidParameter
from ...protocol.charsets import canonical_charset
from ...protocol.validation import amount, choice, out_trade_no, text, timeout, url
from ..parameters import REQUIRED, validate_declared
from . import validators

SERVICE = "alipay.wap.create.direct.pay.by.user"


class WapPay(TypedDict, total=False):
    """Parameters of ``alipay.wap.create.direct.pay.by.user``."""

    out_trade_no: Annotated[str, out_trade_no, REQUIRED]
    subject: Annotated[str, validators.text_bytes(256), REQUIRED]
    total_fee: Annotated[str | int | Decimal, amount, REQUIRED]
    seller_id: Annotated[
        str | None, validators.account, REQUIRED, "the merchant's account by default"
    ]
    show_url: Annotated[
        str | None, url(400), REQUIRED, "page of the goods; ``ALIPAY_SHOW_URL`` by default"
    ]
    notify_url: Annotated[str | None, url(190, query=False), "receives the notification"]
    return_url: Annotated[str | None, url(200, query=False), "page for the buyer after the payment"]
    body: Annotated[str | None, text(1000)]
    it_b_pay: Annotated[str | None, timeout, "time until the trade is closed"]
    extern_token: Annotated[str | None, text(64)]
    otherfee: Annotated[str | int | Decimal | None, validators.non_negative_amount]
    airticket: Annotated[str | None, text(4000)]
    rn_check: Annotated[str | None, choice("T", "F")]
    buyer_cert_no: Annotated[str | None, text(100)]
    buyer_real_name: Annotated[str | None, text(100)]
    scene: Annotated[str | None, text(64)]
    app_pay: Annotated[str | None, choice("Y")]
    goods_type: Annotated[str | int | None, choice("1", "0")]
    promo_params: Annotated[str | None, text(512)]
    extend_params: Annotated[str | None, text(512)]
    ext_user_info: Annotated[str | None, text(512)]


def wap_pay_params(values: Mapping[str, Any], charset: str) -> dict[str, str]:
    """Validate the parameters of a payment and convert them to Alipay's text.

    :param values: the parameters by name; ``None`` means not given.
    :param charset: the merchant's charset.
    :raises InvalidParameter: names the invalid parameter.
    :raises TypeError: for a ``float`` amount.
    """
    if canonical_charset(charset) != "utf-8":
        raise InvalidParameter("_input_charset", f"must be utf-8 for {SERVICE}: see in_charset()")
    return validate_declared(WapPay, values, charset, SERVICE)
