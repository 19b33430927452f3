"""Payments in apps (``mobile.securitypay.pay``): a signed order string for Alipay's mobile SDK.

The quoted string is signed with RSA in the order of its parameters, quotes included, and in UTF-8
whatever the merchant's charset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict
from urllib.parse import quote

from ...exceptions import (
    BadNotification,
    BadSignature,
    ConfigurationError,
    InvalidParameter,
    WrongAccount,
)
from ...protocol.charsets import check_encodable, encode
from ...protocol.validation import amount, choice, out_trade_no, text, timeout, url
from ...signer import Signer
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient

if TYPE_CHECKING:
    from typing_extensions import Unpack

SERVICE = "mobile.securitypay.pay"


_RESULT = re.compile(r"resultStatus=\{(.*?)\};memo=\{(.*?)\};result=\{(.*)\}", re.DOTALL)
_SIGNED = re.compile(r'(.*)&sign_type="RSA"&sign="([^"]*)"', re.DOTALL)
_PAIR = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_PAIRS = re.compile(rf"{_PAIR.pattern}(?:&{_PAIR.pattern})*")


class AppPay(TypedDict, total=False):
    """Parameters of ``mobile.securitypay.pay``."""

    out_trade_no: Annotated[str, out_trade_no, REQUIRED]
    subject: Annotated[str, validators.text_bytes(256), REQUIRED]
    total_fee: Annotated[str | int | Decimal, amount, REQUIRED]
    body: Annotated[str, text(1000), REQUIRED]
    seller_id: Annotated[
        str | None, text(100), "number or login name; the merchant's account by default"
    ]
    notify_url: Annotated[str, url(190, query=False), REQUIRED, "receives the notification"]
    return_url: Annotated[str | None, url(200)]
    show_url: Annotated[str | None, url(400)]
    it_b_pay: Annotated[str | None, timeout, "time until the trade is closed"]
    extern_token: Annotated[str | None, text(64)]
    app_id: Annotated[str | None, text(32)]
    appenv: Annotated[str | None, text(128)]
    goods_type: Annotated[str | int | None, choice("1", "0")]
    rn_check: Annotated[str | None, choice("T", "F")]
    hb_fq_param: Annotated[str | None, text(128)]
    promo_params: Annotated[str | None, text(512)]
    extend_params: Annotated[str | None, text(512)]


@dataclass(frozen=True)
class MobileResult:
    """The SDK's result in the app; a hint only, the notification decides."""

    #: ``9000`` paid, ``8000`` processing, ``4000`` failed, ``6001`` cancelled, ``6002`` no network.
    status: str
    #: Alipay's explanation for people.
    memo: str
    #: True if Alipay signed the success.
    success: bool
    #: The order as repeated by Alipay; empty unless signed.
    params: Mapping[str, str] = field(repr=False, hash=False)


class Mobile(MapiClient):
    """Payments in apps."""

    def mobile_securitypay_pay(self, **params: Unpack[AppPay]) -> str:
        """Return the signed order string that the app passes to Alipay's SDK (移动支付).

        The parameters keep the caller's order.

        :param params: see :ref:`mobile_securitypay_pay <parameters-mobile_securitypay_pay>`.
        :raises InvalidParameter: names the invalid parameter, also one with a quotation mark.
        :raises ConfigurationError: if the merchant does not sign with RSA.
        """
        checked = validate_declared(AppPay, params, "utf-8", SERVICE)
        seller_id = checked.pop("seller_id", None) or self._seller_id or self._seller_email
        common = {
            "service": SERVICE,
            "_input_charset": "utf-8",
            "partner": self.partner,
            "seller_id": seller_id or self.partner,
            "payment_type": "1",
        }
        return order_string({**common, **checked}, self._signer)

    def check_mobile_result(self, result: str | Mapping[str, str]) -> MobileResult:
        """Parse the SDK's result and verify Alipay's signature.

        :param result: ``resultStatus={…};memo={…};result={…}`` as text, or these parts as a
            mapping; verbatim, not decoded.
        :returns: a hint: ship after the notification, not after this result.
        :raises BadNotification: if the result cannot be parsed.
        :raises BadSignature: if the status is 9000 and Alipay did not sign it.
        :raises WrongAccount: if Alipay signed it for another merchant.
        """
        status, memo, order = _result_parts(result)
        if status != "9000":
            return MobileResult(status, memo, success=False, params={})
        params = _verified_params(order, self._signer)
        if params.get("partner") != self.partner:
            raise WrongAccount("it is about another merchant's account")
        return MobileResult(status, memo, params.get("success") == "true", params)


def order_string(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> str:
    """Format and sign an order as quoted text.

    :param params: in the order in which they are signed.
    :param signer: the merchant's RSA signer.
    :param charset: the charset of the signed bytes.
    :raises InvalidParameter: if a parameter has a quotation mark, or a character that the charset
        lacks.
    :raises ConfigurationError: for a signer of another type.
    """
    if signer.sign_type != "RSA":
        raise ConfigurationError(f"must be RSA for {SERVICE}", "SIGN_TYPE")
    for name, value in params.items():
        if '"' in value:
            raise InvalidParameter(name, 'must not contain the character "')
        check_encodable(name, value, charset)
    order = "&".join(f'{name}="{value}"' for name, value in params.items())
    sign = signer.sign(encode(order, charset))
    return f'{order}&sign="{quote(sign, safe="")}"&sign_type="RSA"'


def _result_parts(result: str | Mapping[str, str]) -> tuple[str, str, str]:
    if isinstance(result, str):
        match = _RESULT.fullmatch(result.strip().rstrip(";"))
        if match is None:
            raise BadNotification("it is not a result of Alipay's SDK")
        return match[1], match[2], match[3]
    parts = [result.get(name, "") for name in ("resultStatus", "memo", "result")]
    if not all(isinstance(text, str) for text in parts):
        raise BadNotification("it is not a result of Alipay's SDK")
    return parts[0], parts[1], parts[2]


def _verified_params(order: str, signer: Signer) -> dict[str, str]:
    if signer.sign_type != "RSA":
        raise BadSignature(f"it is signed with RSA, {signer.sign_type} is configured")
    match = _SIGNED.fullmatch(order)
    if match is None:
        raise BadSignature("it is not signed")
    if not _PAIRS.fullmatch(match[1]):
        raise BadNotification("one of its fields could be read as several")
    pairs = _PAIR.findall(match[1])
    if len(dict(pairs)) != len(pairs):
        raise BadNotification("it repeats a parameter")
    for name in ("utf-8", "gbk"):
        try:
            content = encode(match[1], name)
        except UnicodeEncodeError:
            continue
        if signer.verify(content, match[2]):
            return dict(pairs)
    raise BadSignature("its signature does not verify")
