"""Transport with a chosen response for version 3 of the open platform: a path for each method,
signatures in headers, flat JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.gateways.transport import HttpResponse
from flask_alipay.signer import Rsa2Signer, Signer

from ..conftest import Keys
from .openapi import APP_ID

GATEWAY = "https://openapi.alipay.com/gateway.do"
TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a successful response as version 3 has it: without the code of version 2."""
    return {name: value for name, value in node.items() if name not in ("code", "msg")}


def answer3(
    node: Mapping[str, Any] | bytes,
    signer: Signer | None,
    *,
    status: int = 200,
    cert_sn: str | None = None,
    cipher: ContentCipher | None = None,
) -> HttpResponse:
    """Return a response.

    :param signer: signs it; ``None``: unsigned.
    """
    body = node if isinstance(node, bytes) else json.dumps(node, ensure_ascii=False).encode()
    if cipher is not None:
        body = cipher.encrypt(body).encode()
    headers = {"alipay-timestamp": "1711353600000", "alipay-nonce": "n1"}
    if cert_sn is not None:
        headers["alipay-sn"] = cert_sn
    if signer is not None:
        headers["alipay-signature"] = signer.sign(b"1711353600000\nn1\n" + body + b"\n")
    return HttpResponse(status, headers, body)


def verified(
    signer: Signer, http_method: str, uri: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the fields of an Authorization header, after verifying its signature step by step."""
    scheme, _, rest = headers["Authorization"].partition(" ")
    response, _, sign = rest.rpartition(",sign=")
    assert scheme == "ALIPAY-SHA256withRSA"
    base64.b64decode(sign, validate=True)
    content = f"{response}\n{http_method}\n{uri}\n".encode() + body + b"\n"
    token = headers.get("alipay-app-auth-token")
    content += f"{token}\n".encode() if token else b""
    assert signer.verify(content, sign)
    return dict(pair.split("=", 1) for pair in response.split(","))


class Alipay3:
    """Transport that records requests and signs the chosen response.

    :param keys: of both sides.
    :param node: the response.
    """

    def __init__(
        self, keys: Keys, node: Mapping[str, Any] | HttpResponse | Exception, **options: Any
    ) -> None:
        self.signer = Rsa2Signer(keys.alipay, keys.merchant.public_key())
        self.node = node
        self.options = options
        self.requested: list[tuple[str, str, bytes, dict[str, str], bool]] = []
        self._keys = keys

    def get(self, *_: Any) -> bytes:
        raise AssertionError("the older way")

    post = get

    def download(self, url: str, into: IO[bytes], maximum: int) -> int:
        raise AssertionError("nothing is downloaded")

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        base = "https://openapi.alipay.com"
        assert url.startswith(f"{base}/v3/")
        uri = url.removeprefix(base)
        self.requested.append((http_method, uri, body, dict(headers), repeatable))
        verified(self.signer, http_method, uri, body, headers)
        if isinstance(self.node, Exception):
            raise self.node
        if isinstance(self.node, HttpResponse):
            return self.node
        return answer3(self.node, **{"signer": self.signer, **self.options})

    def gateway(self, **options: Any) -> OpenApiGateway:
        """Return a client that sends its requests here."""
        signer = Rsa2Signer(self._keys.merchant, self._keys.alipay.public_key())
        return OpenApiGateway(APP_ID, signer, transport=self, api_version="v3", **options)

    @property
    def fields(self) -> dict[str, Any]:
        """Parameters of the only request."""
        [(http_method, uri, body, _, _)] = self.requested
        if http_method == "GET" or not body:
            query = urlsplit(uri).query
            # Python 3.10 takes an empty text for a broken query.
            return dict(parse_qsl(query, strict_parsing=True)) if query else {}
        fields: dict[str, Any] = json.loads(body)
        return fields
