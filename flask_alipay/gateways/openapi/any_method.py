"""Any method of the open platform: called from here, or signed for a browser or an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.signed_request import SignedRequest
from ...protocol.validation import pattern, text, validate_params
from .client import COMMON, OpenApiClient
from .sending import Files, Sending

# Parameters that the gateway sets.
_RESERVED: Final = frozenset(
    {
        "app_id",
        "method",
        "charset",
        "sign_type",
        "sign",
        "timestamp",
        "app_cert_sn",
        "alipay_root_cert_sn",
        "biz_content",
        "encrypt_type",
    }
)
_METHOD = pattern(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", "the name of a method, like alipay.x.y")
_OTHER_PARAMETER = text(1024)


class AnyMethod(OpenApiClient):
    """The methods that are not declared here."""

    def call(
        self,
        method: str,
        biz_content: Mapping[str, Any] | None = None,
        *,
        notify_url: str | None = None,
        return_url: str | None = None,
        app_auth_token: str | None = None,
        http_method: str | None = None,
        path: str | None = None,
        files: Files | None = None,
        **common: str | None,
    ) -> dict[str, Any]:
        """Call any method of the open platform once: sign, send, verify, parse.

        :param method: ``alipay.some.method``.
        :param biz_content: its fields; ``None`` values are not sent.
        :param notify_url: the URL that receives the notification of the result.
        :param return_url: the URL to which the buyer returns.
        :param app_auth_token: acts for the merchant who granted this token; the gateway's token by
            default.
        :param http_method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``, for a method that
            uses another one than ``POST`` in version 3; version 2 posts every request.
        :param path: the method's path in version 3 if it does not follow from the name, with
            ``{name}`` for the value of a field: ``/v3/alipay/some/{some_id}``. Version 2 sends such
            a field like the others.
        :param files: files to upload, by the name of their field: the file's name, whose ending
            tells its kind, and its bytes. They are posted, and not encrypted.
        :param common: further common parameters, for methods without ``biz_content``.
        :returns: the node of the response.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's ``code`` and ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: the request may
            have taken effect. ``retryable`` is True if the same request may be sent again.
        """
        urls = {"notify_url": notify_url, "return_url": return_url}
        given = {**urls, "app_auth_token": app_auth_token, **common}
        content, params = self._checked(method, biz_content, given)
        sending = Sending(http_method, path, files)
        sending.check({**params, **(content or {})})
        return self._response(method, content, params, sending=sending)

    def sign(
        self,
        method: str,
        biz_content: Mapping[str, Any] | None = None,
        *,
        notify_url: str | None = None,
        return_url: str | None = None,
        **parameters: str | None,
    ) -> SignedRequest:
        """Sign a request of any method that a browser or an app sends to Alipay.

        The result has the request as a ``url`` for a redirect, as a ``form()`` for a page, and as
        an ``order_string`` for Alipay's SDK in an app. With an AES key, ``biz_content`` is
        encrypted. Browsers and apps send the same request in both versions of the protocol.

        :param method: ``alipay.some.method``.
        :param biz_content: its fields; ``None`` values are not sent.
        :param notify_url: the URL that receives the notification of the result.
        :param return_url: the URL to which the buyer returns.
        :param parameters: further common parameters; ``app_auth_token`` acts for the merchant who
            granted it.
        :raises InvalidParameter: names the invalid parameter.
        """
        urls = {"notify_url": notify_url, "return_url": return_url}
        content, params = self._checked(method, biz_content, {**urls, **parameters})
        return self._request(method, content, params)

    def _checked(
        self, method: str, biz_content: Mapping[str, Any] | None, given: Mapping[str, str | None]
    ) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return the fields of ``biz_content`` and the common parameters of a request.

        :raises InvalidParameter: names the invalid parameter.
        """
        _METHOD("method", method, self.charset)
        for name in given:
            if name in _RESERVED:
                raise InvalidParameter(name, "is set by the gateway and cannot be given")
        table = {**dict.fromkeys(given, _OTHER_PARAMETER), **COMMON}
        params = validate_params(table, given, self.charset, method)
        if biz_content is None:
            return None, params
        return {name: value for name, value in biz_content.items() if value is not None}, params
