"""Version 3 of the open platform's protocol: a path for each method, signatures in a header, flat
JSON.

Requests and responses carry the same values as in version 2, so that the methods are declared once;
only their encoding differs. Source: Alipay's v3 documentation and its PHP SDK, whose signatures are
reproduced.
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
from ...protocol.charsets import encode_json
from ...protocol.notification import loggable
from ...signer import Signer
from ..transport import HttpResponse
from .errors import error_from_response
from .responses import as_object, decode, text_field
from .sending import AS_USUAL, WITHOUT_BODY, Sending, TextPart, fill_path, multipart

if TYPE_CHECKING:
    from .encryption import ContentCipher

SCHEME = "ALIPAY-SHA256withRSA"

#: Methods that use GET; all others use POST.
GET = frozenset(
    {
        "alipay.data.dataservice.bill.downloadurl.query",
        "alipay.data.bill.accountlog.query",
        "alipay.data.bill.balance.query",
        "alipay.data.bill.ereceipt.query",
        "alipay.fund.account.query",
        "alipay.fund.trans.common.query",
        "alipay.trade.order.settle.query",
        "alipay.open.auth.token.app.query",
        "alipay.user.agreement.query",
    }
)
# Methods that post their fields in the query, without a body (Alipay's SDKs for PHP and Java).
_POST_IN_QUERY = frozenset({"alipay.user.info.share"})

_PAY = "alipay.trade.pay"
_CONFIRMING = "10003"
_REJECTION_CODE = re.compile(r"[2-9]0[0-9]{3}")
_UNAVAILABLE = ("unknow-error", "unknown-error")
_KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")


@dataclass(frozen=True)
class SignedCall:
    """A signed request of version 3."""

    http_method: str
    #: The path with the query, exactly as sent and signed.
    uri: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class V3Client:
    """Client side of version 3: signs and encrypts requests, verifies and decrypts responses.

    :param app_id: the application ID.
    :param signer: signs the requests and verifies the responses.
    :param app_cert_sn: in certificate mode, the serial number of the application's certificate.
    :param root_cert_sn: in certificate mode, the serial numbers of Alipay's root certificates.
    :param cipher: encrypts posted content and decrypts responses.
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
        sending: Sending = AS_USUAL,
        *,
        app_auth_token: str | None = None,
    ) -> SignedCall:
        """Return a signed request.

        :param method: ``alipay.some.method``.
        :param fields: its fields: values of the path's variables, and the others posted as JSON, or
            the query of a GET or DELETE.
        :param sending: the HTTP method, the path and the files, if they are not the usual ones.
        :param app_auth_token: acts for the merchant who granted this token.
        :raises InvalidParameter: for values that cannot be encoded.
        """
        http_method = sending.http_method or ("GET" if method in GET else "POST")
        sending.check_body(http_method)
        uri, fields = fill_path(sending.path or f"/v3/{method.replace('.', '/')}", fields)
        text, content_type = "", "application/json" if self.cipher is None else "text/plain"
        if http_method in WITHOUT_BODY or method in _POST_IN_QUERY:
            uri += f"?{_query(fields)}" if fields else ""
        else:
            text = self._encoded(fields)
        body = text.encode("utf-8")
        if sending.files:
            data = TextPart("data", text, content_type)
            body, content_type = multipart([data], sending.files, "utf-8")
        headers = {
            "Authorization": self.authorization(http_method, uri, text, app_auth_token),
            "Content-Type": content_type,
            "Accept": "application/json",
            "alipay-request-id": uuid.uuid4().hex,
            "alipay-root-cert-sn": self.root_cert_sn,
            "alipay-app-auth-token": app_auth_token,
            "alipay-encrypt-type": None if self.cipher is None else self.cipher.encrypt_type,
        }
        sent = {name: value for name, value in headers.items() if value}
        return SignedCall(http_method, uri, body, sent)

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
        """Return the ``Authorization`` header that signs a request.

        :param nonce: makes the request unique; random by default.
        :param timestamp: milliseconds since 1970; now by default.
        """
        pairs = {
            "app_id": self.app_id,
            "app_cert_sn": self.app_cert_sn,
            "nonce": nonce or str(uuid.uuid4()),
            "timestamp": str(int(time.time() * 1000) if timestamp is None else timestamp),
        }
        auth_string = ",".join(f"{name}={value}" for name, value in pairs.items() if value)
        lines = [auth_string, http_method, uri, body, *([app_auth_token] if app_auth_token else [])]
        sign = self.signer.sign("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return f"{SCHEME} {auth_string},sign={sign}"

    def read(
        self, response: HttpResponse, method: str, trusted_sns: Callable[[str], Collection[str]]
    ) -> dict[str, Any]:
        """Verify a response and return its values. Decimal numbers are ``Decimal``.

        :param response: the response.
        :param method: the called method.
        :param trusted_sns: function from the certificate's serial number in the response to the
            serial numbers of Alipay's trusted certificates; empty outside certificate mode.
        :raises GatewayError: if Alipay rejects the request, signed or not.
        :raises OutcomeUnknown: for an unsigned success, or a response that cannot be parsed.
        """
        problem = self._verification_error(response, trusted_sns)
        success = 200 <= response.status < 300
        if problem and (success or not response.body.lstrip().startswith(b"{")):
            raise OutcomeUnknown(
                f"the response to {loggable(method)} {problem} (HTTP status {response.status})"
            )
        try:
            node = self._node(response.body)
        except (ValueError, RecursionError):
            raise OutcomeUnknown(f"the response to {loggable(method)} cannot be parsed") from None
        if not success:
            raise error_from_response(
                method, to_v2_error(node, response.status), signed=problem is None
            )
        if _REJECTION_CODE.fullmatch(text_field(node, "code")):
            raise error_from_response(method, node, signed=True)
        if response.status == 202:
            if method != _PAY:
                raise OutcomeUnknown(
                    f"Alipay is still processing {loggable(method)}", retryable=True
                )
            node.setdefault("code", _CONFIRMING)
        return node

    def _verification_error(
        self, response: HttpResponse, trusted_sns: Callable[[str], Collection[str]]
    ) -> str | None:
        """Return the reason why a response cannot be trusted, or ``None``."""
        sn = response.headers.get("alipay-sn", "")
        if not response.headers.get("alipay-signature"):
            return "is not signed by Alipay"
        cert_sns = trusted_sns(sn)
        if cert_sns and sn and sn not in cert_sns:
            return (
                f"is signed with an Alipay certificate that is not configured "
                f"({loggable(sn)}): download the new one"
            )
        return None if verify_response(self.signer, response) else "is not signed by Alipay"

    def _encoded(self, fields: Mapping[str, Any]) -> str:
        text = encode_json(fields, "utf-8")
        try:
            encoded = text.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidParameter("biz_content", "has an invalid character") from None
        return text if self.cipher is None else self.cipher.encrypt(encoded)

    def _node(self, body: bytes) -> dict[str, Any]:
        text, _ = decode(body, "utf-8")
        if self.cipher is None or text.lstrip().startswith("{"):
            return as_object(text)
        return as_object(decode(self.cipher.decrypt(text.strip().strip('"')), "utf-8")[0])


def verify_response(signer: Signer, response: HttpResponse) -> bool:
    """Return True if a response's signature matches its time, nonce and exact bytes."""
    headers = response.headers
    head = f"{headers.get('alipay-timestamp', '')}\n{headers.get('alipay-nonce', '')}\n"
    return signer.verify(head.encode() + response.body + b"\n", headers.get("alipay-signature", ""))


def to_v2_error(node: Mapping[str, Any], status: int) -> dict[str, Any]:
    """Convert a rejection to the codes of version 2, so that both versions raise the same
    exceptions.

    A code with hyphens belongs to the gateway (``invalid-signature`` was
    ``isv.invalid-signature``), any other to a method (``ACQ.TRADE_NOT_EXIST``).

    :param node: the parsed rejection.
    :param status: the HTTP status, which decides if no code does.
    """
    sub_code = text_field(node, "code")
    if _KEBAB.fullmatch(sub_code):
        code, prefix = _gateway_error(sub_code, status)
        sub_code = f"{prefix}.{sub_code}"
    else:
        code = "20000" if status >= 500 or status == 429 else "40004"
    return {"code": code, "sub_code": sub_code, "sub_msg": node.get("message")}


def _gateway_error(error_code: str, status: int) -> tuple[str, str]:
    """Return the version 2 code of a gateway's error, and the prefix of its ``sub_code``."""
    if error_code in _UNAVAILABLE or status >= 500 or status == 429:
        return "20000", "isp"
    if "token" in error_code:
        return "20001", "aop"
    if error_code.startswith("missing-"):
        return "40001", "isv"
    if "decryption" in error_code or "encrypt" in error_code:
        return "40003", "isv"
    return ("40006" if "permission" in error_code or status == 403 else "40002"), "isv"


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
        raise InvalidParameter(
            "biz_content", "contains a value that a query cannot represent"
        ) from None
