"""HTTP client for the merchant's server: one request on a separate connection."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote

#: Maximum part of a response that is read, in bytes: the longest has a public key and a signature.
MAX_RESPONSE_BYTES: Final = 2_000

_CONNECT_TIMEOUT, _READ_TIMEOUT = 5, 10  # seconds, the latter for each part of a response


class HttpClient:
    """HTTP client for POST requests; safe for threads.

    It follows no redirect, as Alipay does not, and uses neither a proxy nor a password of the
    environment. Each request has a new connection, because a persistent one may be closed by the
    merchant's server just when a notification is sent, and keeps a server with one thread busy.
    """

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        import certifi  # trusts what the gateways' clients trust

        return ssl.create_default_context(cafile=certifi.where())

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Send a POST request.

        :return: the status and the beginning of the response.
        :raises OSError: if there is no response.
        :raises http.client.HTTPException: if the response is not HTTP.
        """
        from urllib3 import Timeout, connection_from_url
        from urllib3.exceptions import HTTPError
        from urllib3.util import parse_url

        address = parse_url(url)
        options: dict[str, Any] = {"timeout": Timeout(_CONNECT_TIMEOUT, _READ_TIMEOUT)}
        if address.scheme == "https":
            options["ssl_context"] = self._tls_context
        headers = {
            "Accept": "*/*",
            "Connection": "close",
            **_authorization(address.auth),
            **headers,
        }
        try:
            with connection_from_url(url, retries=False, **options) as connections:
                response = connections.urlopen(
                    "POST",
                    address.request_uri,
                    body,
                    headers,
                    redirect=False,
                    preload_content=False,
                )
                text = response.read(MAX_RESPONSE_BYTES, decode_content=False)
                response.close()
        except HTTPError as error:
            raise _root_cause(error) from None
        return response.status, text.decode("utf-8", "replace")


def _authorization(auth: str | None) -> dict[str, str]:
    """Convert name and password of a URL to a header."""
    from urllib3.util import make_headers

    return make_headers(basic_auth=unquote(auth)) if auth else {}


def _root_cause(error: BaseException) -> BaseException:
    """Return the error of the operating system or of the standard library below urllib3's."""
    while error.__context__ is not None:
        error = error.__context__
    return error
