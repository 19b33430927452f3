"""The open platform's newer dress: a path for each method, the signature in a header, flat JSON.

What is asked and what is answered is the same as ever, so the methods are written once; only how it
travels differs. Source: Alipay's v3 documentation and its SDK for PHP, reproduced on what that
signs.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.notification import loggable
from ...signer import Signer
from ..transport import HttpResponse
from .biz_content import biz_content
from .errors import error_from_response
from .responses import as_object, decode, text_field

if TYPE_CHECKING:
    from .encryption import ContentCipher

SCHEME = "ALIPAY-SHA256withRSA"

#: Methods that are asked by GET; all others are posted.
GET = frozenset({"alipay.data.dataservice.bill.downloadurl.query"})

_PAY = "alipay.trade.pay"
_CONFIRMING = "10003"
_REFUSED = re.compile(r"[2-9]0[0-9]{3}")
_OUT_OF_ORDER = ("unknow-error", "unknown-error")
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")


@dataclass(frozen=True)
class SignedCall:
    """A request, signed and ready to be sent."""

    http_method: str
    #: The path with the query, as it is sent; it is signed like this.
    uri: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class V3Client:
    """Who calls, and by what it is signed and encrypted.

    :param cipher: encrypts what is posted, and decrypts the answers.
    """

    app_id: str
    signer: Signer
    app_cert_sn: str | None = None
    root_cert_sn: str | None = None
    cipher: ContentCipher | None = None

    def call(
        self,
        method: str,
        fields: Mapping[str, Any],
        *,
        http_method: str | None = None,
        app_auth_token: str | None = None,
    ) -> SignedCall:
        """Signs a request.

        :param method: ``alipay.some.method``.
        :param fields: what it takes: posted as JSON, or the query of a GET.
        :param http_method: ``GET`` or ``POST``; by default what our own methods want.
        :param app_auth_token: acts for the merchant who gave this token.
        :raises InvalidParameter: for what cannot be written.
        """
        http_method = http_method or ("GET" if method in GET else "POST")
        uri, text = f"/v3/{method.replace('.', '/')}", ""
        if http_method == "GET":
            uri += f"?{_query(fields)}" if fields else ""
        else:
            text = self._written(fields)
        authorization = self.authorization(http_method, uri, text, app_auth_token)
        headers = {
            "Authorization": authorization,
            "Content-Type": "application/json" if self.cipher is None else "text/plain",
            "Accept": "application/json",
            "alipay-request-id": uuid.uuid4().hex,
            "alipay-root-cert-sn": self.root_cert_sn,
            "alipay-app-auth-token": app_auth_token,
            "alipay-encrypt-type": None if self.cipher is None else self.cipher.encrypt_type,
        }
        sent = {name: value for name, value in headers.items() if value}
        return SignedCall(http_method, uri, text.encode("utf-8"), sent)

    def authorization(
        self,
        http_method: str,
        uri: str,
        body: str,
        app_auth_token: str | None = None,
        *,
        nonce: str | None = None,
        timestamp: int | None = None,
    ) -> str:
        """Returns the header that signs a request.

        :param nonce: makes it unlike any other; chosen by chance if not given.
        :param timestamp: milliseconds since 1970; now if not given.
        """
        pairs = {
            "app_id": self.app_id,
            "app_cert_sn": self.app_cert_sn,
            "nonce": nonce or str(uuid.uuid4()),
            "timestamp": str(int(time.time() * 1000) if timestamp is None else timestamp),
        }
        said = ",".join(f"{name}={value}" for name, value in pairs.items() if value)
        lines = [said, http_method, uri, body, *([app_auth_token] if app_auth_token else [])]
        sign = self.signer.sign("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return f"{SCHEME} {said},sign={sign}"

    def read(
        self, response: HttpResponse, method: str, known: Callable[[str], Collection[str]]
    ) -> dict[str, Any]:
        """Verifies an answer and returns what it says. Numbers with a point are ``Decimal``.

        :param method: what was asked.
        :param known: returns the numbers of Alipay's certificates that are believed, given the one
            that the answer names; none outside certificate mode.
        :raises GatewayError: for a no of Alipay's, signed or not.
        :raises OutcomeUnknown: for a yes that is not signed, or an answer that cannot be read.
        """
        flaw = self._verification_error(response, known)
        done = 200 <= response.status < 300
        if flaw and (done or not response.body.lstrip().startswith(b"{")):
            raise OutcomeUnknown(
                f"the answer to {loggable(method)} {flaw} (HTTP status {response.status})"
            )
        try:
            node = self._node(response.body)
        except (ValueError, RecursionError):
            raise OutcomeUnknown(f"the answer to {loggable(method)} cannot be read") from None
        if not done:
            raise error_from_response(
                method, to_v2_error(node, response.status), signed=flaw is None
            )
        if _REFUSED.fullmatch(text_field(node, "code")):
            raise error_from_response(method, node, signed=True)
        if response.status == 202:
            if method != _PAY:
                raise OutcomeUnknown(f"Alipay is still about {loggable(method)}", retryable=True)
            node.setdefault("code", _CONFIRMING)
        return node

    def _verification_error(
        self, response: HttpResponse, known: Callable[[str], Collection[str]]
    ) -> str | None:
        """Why an answer cannot be believed; ``None`` if it can."""
        sn = response.headers.get("alipay-sn", "")
        if not response.headers.get("alipay-signature"):
            return "is not signed by Alipay"
        cert_sns = known(sn)
        if cert_sns and sn and sn not in cert_sns:
            return (
                f"is signed with a certificate of Alipay's that is not configured "
                f"({loggable(sn)}): download the new one"
            )
        return None if verify_response(self.signer, response) else "is not signed by Alipay"

    def _written(self, fields: Mapping[str, Any]) -> str:
        text = biz_content(fields, "utf-8")
        try:
            encoded = text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidParameter("biz_content", "has a character that there is not") from None
        return text if self.cipher is None else self.cipher.encrypt(encoded)

    def _node(self, body: bytes) -> dict[str, Any]:
        text, _ = decode(body, "utf-8")
        if self.cipher is None or text.lstrip().startswith("{"):
            return as_object(text)
        return as_object(decode(self.cipher.decrypt(text.strip().strip('"')), "utf-8")[0])


def verify_response(signer: Signer, response: HttpResponse) -> bool:
    """Tells whether an answer's signature is good: over its time, its nonce and its very bytes."""
    headers = response.headers
    head = f"{headers.get('alipay-timestamp', '')}\n{headers.get('alipay-nonce', '')}\n"
    return signer.verify(head.encode() + response.body + b"\n", headers.get("alipay-signature", ""))


def to_v2_error(node: Mapping[str, Any], status: int) -> dict[str, Any]:
    """Returns a no in the words of the older gateway, so that both raise the same.

    A code with hyphens is the gateway's own (``invalid-signature`` was ``isv.invalid-signature``),
    any other a method's (``ACQ.TRADE_NOT_EXIST``).

    :param status: the HTTP status, which tells where no code does.
    """
    sub_code = text_field(node, "code")
    if _KEBAB.fullmatch(sub_code):
        code, prefix = _is_gateway_error(sub_code, status)
        sub_code = f"{prefix}.{sub_code}"
    else:
        code = "20000" if status >= 500 or status == 429 else "40004"
    return {"code": code, "sub_code": sub_code, "sub_msg": node.get("message")}


def _is_gateway_error(word: str, status: int) -> tuple[str, str]:
    """The older code of one of the gateway's own, and what stood before it."""
    if word in _OUT_OF_ORDER or status >= 500 or status == 429:
        return "20000", "isp"
    if "token" in word:
        return "20001", "aop"
    if word.startswith("missing-"):
        return "40001", "isv"
    if "decryption" in word or "encrypt" in word:
        return "40003", "isv"
    return ("40006" if "permission" in word or status == 403 else "40002"), "isv"


def _query(fields: Mapping[str, Any]) -> str:
    try:
        return urlencode(
            {
                name: value if isinstance(value, str) else json.dumps(value, allow_nan=False)
                for name, value in fields.items()
            },
            quote_via=quote,
        )
    except (TypeError, ValueError):
        raise InvalidParameter("biz_content", "holds something that a query cannot") from None
