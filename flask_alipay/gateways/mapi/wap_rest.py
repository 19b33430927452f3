"""The older WAP gateway (``wappaygw.alipay.com``): a token first, then the buyer goes with it.

It takes XML in a form and is signed like the other services, but for ``sec_id`` in the place of
``sign_type``, which is signed. It is written in UTF-8 whatever the merchant's charset.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict
from urllib.parse import parse_qsl

from ...exceptions import ConfigurationError, GatewayError, OutcomeUnknown
from ...protocol.signed_request import SignedRequest, sign_request
from ...protocol.validation import amount, integer, out_trade_no, pattern, text, url
from ...protocol.wap_notification import wap_signer
from ...protocol.xml import InvalidXml, child_values, parse
from ...signer import sign_content
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient

if TYPE_CHECKING:
    from typing_extensions import Unpack

CREATE = "alipay.wap.trade.create.direct"
EXECUTE = "alipay.wap.auth.authAndExecute"

_SEC_IDS = {"MD5": "MD5", "RSA": "0001"}

_REQ_ID = pattern(r"[A-Za-z0-9]{1,32}", "1 to 32 letters or digits")
_TOKEN = text(64)


class WapTrade(TypedDict, total=False):
    """Parameters of ``alipay.wap.trade.create.direct``."""

    subject: Annotated[str, validators.text_bytes(256), REQUIRED]
    out_trade_no: Annotated[str, out_trade_no, REQUIRED]
    total_fee: Annotated[str | int | Decimal, amount, REQUIRED]
    seller_account_name: Annotated[
        str | None, text(100), REQUIRED, "login name; the merchant's by default"
    ]
    call_back_url: Annotated[
        str, url(200, query=False), REQUIRED, "page for the buyer after the payment"
    ]
    notify_url: Annotated[str | None, url(190, query=False), "receives the notification"]
    out_user: Annotated[str | None, text(32)]
    merchant_url: Annotated[str | None, url(200), "page for a buyer who gives up"]
    pay_expire: Annotated[str | int | None, integer(1, 21600), "minutes"]


class WapRest(MapiClient):
    """Payments in a phone's browser, in the older way."""

    def alipay_wap_trade_create_direct(
        self, *, req_id: str | None = None, **params: Unpack[WapTrade]
    ) -> str:
        """Has Alipay note down a payment, and returns the token for it.

        :param req_id: of this request, never used before; made here unless given.
        :param params: see :ref:`alipay_wap_trade_create_direct
            <parameters-alipay_wap_trade_create_direct>`.
        :raises InvalidParameter: names the parameter at fault.
        :raises ConfigurationError: if the merchant signs with RSA2, which this gateway lacks.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes, or none that can be read or believed.
        """
        given = {name: value for name, value in params.items() if value is not None}
        if self._seller_email:
            given.setdefault("seller_account_name", self._seller_email)
        checked = validate_declared(WapTrade, given, "utf-8", CREATE)
        number = uuid.uuid4().hex if req_id is None else _REQ_ID("req_id", req_id, "utf-8")
        data = _document("direct_trade_create_req", checked)
        request = self._sign_wap(CREATE, {"req_data": data, "req_id": number})
        body = self._transport.post(request.gateway_url, request.params, request.charset)
        return self._token(body, number)

    def alipay_wap_auth_authAndExecute(self, request_token: str) -> SignedRequest:  # noqa: N802
        """Makes the request with which the buyer's browser goes to pay.

        :param request_token: what :meth:`alipay_wap_trade_create_direct` returned.
        :raises InvalidParameter: if it is none.
        :raises ConfigurationError: if the merchant signs with RSA2, which this gateway lacks.
        """
        token = _TOKEN("request_token", request_token, "utf-8")
        data = _document("auth_and_execute_req", {"request_token": token})
        return self._sign_wap(EXECUTE, {"req_data": data})

    def _sign_wap(self, service: str, params: Mapping[str, str]) -> SignedRequest:
        if self._signer.sign_type not in _SEC_IDS:
            raise ConfigurationError("must be MD5 or RSA for the WAP gateway", "SIGN_TYPE")
        common = {
            "service": service,
            "format": "xml",
            "v": "2.0",
            "partner": self.partner,
            "sec_id": _SEC_IDS[self._signer.sign_type],
        }
        return sign_request(
            self.wap_gateway_url,
            {**common, **params},
            self._signer,
            charset="utf-8",
            exclude=("sign",),
        )

    def _token(self, body: bytes, req_id: str) -> str:
        """Reads the answer: a form with XML in it."""
        try:
            answer = dict(parse_qsl(body.decode("utf-8").strip(), strict_parsing=True))
            if "res_error" in answer:
                raise _refusal(answer["res_error"])
            values = child_values(parse(answer["res_data"]), answer["res_data"])
        except (InvalidXml, ValueError, KeyError):
            raise OutcomeUnknown("the WAP gateway's answer cannot be read") from None
        content = sign_content(answer, exclude=("sign",))
        if not wap_signer(self._signer).verify(content, answer.get("sign", "")):
            raise OutcomeUnknown("the WAP gateway's answer is not signed by Alipay")
        ours = answer.get("partner") == self.partner and answer.get("req_id") == req_id
        if not ours or not values.get("request_token"):
            raise OutcomeUnknown("the WAP gateway answered something else")
        return values["request_token"]


def _document(root: str, values: Mapping[str, str]) -> str:
    # Not written by hand: a subject may hold < and &.
    from xml.etree.ElementTree import Element, SubElement, tostring

    element = Element(root)
    for name, value in values.items():
        SubElement(element, name).text = value
    return tostring(element, encoding="unicode")


def _refusal(text: str) -> GatewayError:
    values = child_values(parse(text), text)
    code = values.get("code", "").strip()[:64] or "UNKNOWN"
    sub_code = values.get("sub_code", "").strip()[:64] or None
    return GatewayError(
        f"Alipay's WAP gateway refused: {code}",
        code=code,
        sub_code=sub_code,
        sub_msg=values.get("detail") or values.get("msg") or None,
    )
