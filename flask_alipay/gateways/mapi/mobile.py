"""Payments in apps (``mobile.securitypay.pay``): an order as quoted text, which the app hands on.

Signed with RSA alone, in the order in which it is written, quotes and all; in UTF-8, which apps
speak, whatever the merchant's charset.
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
    """What the app was told at once; a hint, the notification decides."""

    #: ``9000`` paid, ``8000`` in process, ``4000`` failed, ``6001`` given up, ``6002`` no network.
    status: str
    #: Alipay's explanation, for people.
    memo: str
    #: Whether Alipay signed that it was paid.
    success: bool
    #: The order as Alipay repeats it; empty unless it was signed.
    params: Mapping[str, str] = field(repr=False, hash=False)


class Mobile(MapiClient):
    """Payments in apps."""

    def mobile_securitypay_pay(self, **params: Unpack[AppPay]) -> str:
        """Returns the order for the app to hand to Alipay's SDK (移动支付).

        The parameters stand in it in the order in which they are given.

        :param params: see :ref:`mobile_securitypay_pay <parameters-mobile_securitypay_pay>`.
        :raises InvalidParameter: names the parameter at fault, also one with a quotation mark.
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
        """Reads what the SDK told the app, and proves that Alipay signed it.

        :param result: ``resultStatus={…};memo={…};result={…}`` as text, or these three as a
            mapping; verbatim, not decoded.
        :returns: a hint: ship upon the notification, not upon this.
        :raises BadNotification: if it cannot be read.
        :raises BadSignature: if it says 9000 and Alipay did not sign it.
        :raises WrongAccount: if Alipay signed it for another merchant.
        """
        status, memo, order = _three(result)
        if status != "9000":
            return MobileResult(status, memo, success=False, params={})
        params = _verified(order, self._signer)
        if params.get("partner") != self.partner:
            raise WrongAccount("it is about somebody else's account")
        return MobileResult(status, memo, params.get("success") == "true", params)


def order_string(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> str:
    """Writes and signs an order as quoted text.

    :param params: in the order in which they are to stand there.
    :param signer: the merchant's, RSA.
    :param charset: the charset of the bytes that are signed.
    :raises InvalidParameter: names a parameter with a quotation mark, or with a character that the
        charset does not have.
    :raises ConfigurationError: for another signer.
    """
    if signer.sign_type != "RSA":
        raise ConfigurationError(f"must be RSA for {SERVICE}", "SIGN_TYPE")
    for name, value in params.items():
        if '"' in value:
            raise InvalidParameter(name, 'must not hold the character "')
        check_encodable(name, value, charset)
    order = "&".join(f'{name}="{value}"' for name, value in params.items())
    sign = signer.sign(encode(order, charset))
    return f'{order}&sign="{quote(sign, safe="")}"&sign_type="RSA"'


def _three(result: str | Mapping[str, str]) -> tuple[str, str, str]:
    if isinstance(result, str):
        found = _RESULT.fullmatch(result.strip().rstrip(";"))
        if found is None:
            raise BadNotification("it is not what the SDK tells an app")
        return found[1], found[2], found[3]
    three = [result.get(name, "") for name in ("resultStatus", "memo", "result")]
    if not all(isinstance(text, str) for text in three):
        raise BadNotification("it is not what the SDK tells an app")
    return three[0], three[1], three[2]


def _verified(order: str, signer: Signer) -> dict[str, str]:
    if signer.sign_type != "RSA":
        raise BadSignature(f"it is signed with RSA, {signer.sign_type} is configured")
    found = _SIGNED.fullmatch(order)
    if found is None:
        raise BadSignature("it is not signed")
    if not _PAIRS.fullmatch(found[1]):
        raise BadNotification("a field of it could be read as several")
    pairs = _PAIR.findall(found[1])
    if len(dict(pairs)) != len(pairs):
        raise BadNotification("it repeats a key")
    for name in ("utf-8", "gbk"):
        try:
            content = encode(found[1], name)
        except UnicodeEncodeError:
            continue
        if signer.verify(content, found[2]):
            return dict(pairs)
    raise BadSignature("its signature does not verify")
