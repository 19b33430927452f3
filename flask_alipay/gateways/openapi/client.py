"""Base of the open platform's client: signs requests, sends them, verifies responses."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...exceptions import AlipayError, ConfigurationError, OutcomeUnknown
from ...protocol.charsets import check_encodable, encode_json, request_charset
from ...protocol.conversion import format_china_time
from ...protocol.signed_request import SignedRequest
from ...protocol.validation import (
    FieldValidator,
    Validator,
    pattern,
    url,
    validate_fields,
    validate_params,
)
from ...signer import Signer, sign_params
from ..transport import HttpTransport, OpenApiTransport
from .responses import (
    check_echo,
    open_envelope,
    read_envelope,
    required_text,
    text_field,
    unverified_node,
)
from .sending import AS_USUAL, Sending, upload

if TYPE_CHECKING:
    from ...protocol.certificates import CertificateStore
    from .v3 import V3Client

logger = logging.getLogger("flask_alipay")

#: URL of the open platform.
PRODUCTION = "https://openapi.alipay.com/gateway.do"
#: End of such a URL; version 3 replaces it with a path for each method.
PATH = "/gateway.do"

#: The common parameters that a caller may give; all others are fields of ``biz_content``.
COMMON: Mapping[str, Validator] = {
    "notify_url": url(256),
    "return_url": url(256),
    "app_auth_token": pattern(
        r"[A-Za-z0-9._\-]{1,40}", "a token of Alipay's, at most 40 characters"
    ),
}
_SUCCESS = "10000"
# Methods with which a third-party application gets its tokens: called without one.
_WITHOUT_TOKEN = ("alipay.open.auth.token.app", "alipay.open.auth.token.app.query")
_CERTIFICATE = "alipay.open.app.alipaycert.download"
_CERT_SN = pattern(r"[0-9a-f]{32}", "the number of a certificate, 32 hexadecimal digits")


class MethodSpec(NamedTuple):
    """Declaration of a method that is sent by this client."""

    name: str
    #: The fields with validators.
    fields: Mapping[str, FieldValidator]
    #: The required fields.
    required: tuple[str, ...] = ()
    #: Fields of which at least one is required.
    one_of: tuple[str, ...] = ()
    #: True if the method changes nothing and may be retried if no response arrives.
    read_only: bool = False
    #: The codes of a success.
    success_codes: tuple[str, ...] = (_SUCCESS,)
    #: True if the fields are common parameters; the method has no ``biz_content``.
    in_common: bool = False


class OpenApiClient:
    """One application at the open platform; subclasses add the methods.

    The parameters are those of :class:`~flask_alipay.gateways.openapi.OpenApiGateway`.
    """

    def __init__(
        self,
        app_id: str,
        signer: Signer,
        *,
        gateway_url: str = PRODUCTION,
        charset: str = "utf-8",
        app_cert_sn: str | None = None,
        root_cert_sn: str | None = None,
        alipay_cert_sns: Collection[str] = (),
        certificates: CertificateStore | None = None,
        aes_key: str | None = None,
        api_version: str = "v2",
        app_auth_token: str | None = None,
        transport: OpenApiTransport | None = None,
    ) -> None:
        if api_version == "v3" and signer.sign_type != "RSA2":
            raise ConfigurationError("must be RSA2 for v3", "SIGN_TYPE")
        self.app_id = app_id
        self.charset = request_charset(charset)
        self.gateway_url = gateway_url
        self._signer = signer
        self._can_verify = False
        self._app_auth_token = app_auth_token
        self._common = {
            "app_id": app_id,
            "format": "JSON",
            "charset": self.charset,
            "sign_type": signer.sign_type,
            "version": "1.0",
            "app_cert_sn": app_cert_sn or "",
            "alipay_root_cert_sn": root_cert_sn or "",
        }
        self._alipay_cert_sns = frozenset(alipay_cert_sns)
        self._certificates = certificates
        #: Encrypts and decrypts content; ``None`` without an AES key.
        self.cipher = None
        if aes_key is not None:
            from .encryption import ContentCipher  # rarely used

            self.cipher = ContentCipher(aes_key)
        self._v3 = None
        if api_version == "v3":
            from .v3 import V3Client

            self._v3 = V3Client(app_id, signer, app_cert_sn, root_cert_sn, self.cipher)
        self._transport: OpenApiTransport = HttpTransport() if transport is None else transport

    def _do(self, method: MethodSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        """Call one of the declared methods.

        :param values: common parameters and fields of ``biz_content``, as given by the caller.
        :raises OutcomeUnknown: also if the response states neither success nor rejection.
        """
        return self._call(method, *self._split(values, method.name))

    def _call(
        self, method: MethodSpec, common: Mapping[str, str], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Call one of the declared methods; see :meth:`_do`.

        :param common: validated common parameters.
        :param fields: the fields, as given by the caller.
        """
        content: dict[str, Any] | None = validate_fields(
            method.fields, fields, self.charset, required=method.required, one_of=method.one_of
        )
        if method.in_common:
            common, content = {**common, **(content or {})}, None
        node = self._response(method.name, content, common, repeatable=method.read_only)
        # A success in version 3 has no code.
        if (text_field(node, "code") or (_SUCCESS if self._v3 else "")) not in method.success_codes:
            raise OutcomeUnknown(
                f"Alipay's response does not state whether {method.name} succeeded"
            )
        return node

    def _about(
        self, method: MethodSpec, identifiers: Mapping[str, str | None], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Call a method on one trade, and check that the response is about it.

        :param identifiers: ``out_trade_no`` and ``trade_no``, one of which may be ``None``.
        :raises OutcomeUnknown: also if the response is about another trade.
        """
        node = self._do(method, {**fields, **identifiers})
        name = "trade_no" if identifiers["trade_no"] is not None else "out_trade_no"
        check_echo(node, name, identifiers[name])
        return node

    def _split(
        self, values: Mapping[str, Any], method: str
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Split a caller's values into validated common parameters and fields."""
        common = {name: values[name] for name in COMMON if name in values}
        fields = {name: value for name, value in values.items() if name not in COMMON}
        return validate_params(COMMON, common, self.charset, method), fields

    def _request(
        self, method: str, content: Mapping[str, Any] | None, common: Mapping[str, str]
    ) -> SignedRequest:
        params, signed = self._signed(method, common, self._encoded(content))
        return SignedRequest(self.gateway_url, params, self.charset, signed)

    def _authorized(self, method: str, common: Mapping[str, str]) -> Mapping[str, str]:
        """Add the configured merchant's token, unless the call gives another one."""
        if self._app_auth_token is None or method in _WITHOUT_TOKEN:
            return common
        return {"app_auth_token": self._app_auth_token, **common}

    def _signed(
        self, method: str, common: Mapping[str, str], encoded: Mapping[str, str]
    ) -> tuple[dict[str, str], bytes]:
        """Return the parameters of a signed request, and the signed bytes.

        :param common: the common parameters.
        :param encoded: the encoded content.
        """
        current = {"method": method, "timestamp": format_china_time(datetime.now(timezone.utc))}
        params = {**self._common, **current, **self._authorized(method, common), **encoded}
        # A request signs its sign_type; a notification does not.
        return sign_params(params, self._signer, exclude=("sign",), charset=self.charset)

    def _encoded(self, content: Mapping[str, Any] | None) -> dict[str, str]:
        if content is None:
            return {}
        text = encode_json(content, self.charset)
        if self.cipher is None:
            return {"biz_content": text}
        encoded = check_encodable("biz_content", text, self.charset)
        return {
            "encrypt_type": self.cipher.encrypt_type,
            "biz_content": self.cipher.encrypt(encoded),
        }

    def _response(
        self,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        *,
        repeatable: bool = False,
        sending: Sending = AS_USUAL,
    ) -> dict[str, Any]:
        """Sign a request, send it, verify and parse the response."""
        if not self._can_verify:
            self._signer.verify(b"", "")  # fails without Alipay's key, before anything is sent
            self._can_verify = True
        send = self._request_v2 if self._v3 is None else partial(self._request_v3, self._v3)
        return send(method, content, common, repeatable, sending)

    def _request_v2(
        self,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        repeatable: bool,
        sending: Sending,
    ) -> dict[str, Any]:
        params, _ = self._signed(method, common, self._encoded(content))
        url, charset = self.gateway_url, self.charset
        with _retryable():
            if sending.files:
                body = upload(self._transport, url, params, charset, sending.files)
            else:
                body = self._transport.post(url, params, charset, repeatable=repeatable)
        envelope = open_envelope(body, method, charset)
        cert_sns = self._trusted_sns(envelope.cert_sn)
        return read_envelope(envelope, method, self._signer, self.cipher, cert_sns)

    def _request_v3(
        self,
        client: V3Client,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        repeatable: bool,
        sending: Sending,
    ) -> dict[str, Any]:
        # In version 3 the common parameters are fields like others, except the token.
        common = self._authorized(method, common)
        fields = {name: value for name, value in common.items() if name != "app_auth_token"}
        call = client.call(
            method,
            {**fields, **(content or {})},
            sending,
            app_auth_token=common.get("app_auth_token"),
        )
        url = f"{self.gateway_url.removesuffix(PATH)}{call.uri}"
        with _retryable():
            response = self._transport.request(
                call.http_method, url, call.body, call.headers, repeatable=repeatable
            )
        return client.read(response, method, self._trusted_sns)

    def _trusted_sns(self, cert_sn: str) -> Collection[str]:
        """Return the serial numbers of Alipay's trusted certificates; download and verify an
        unknown one.
        """
        if self._certificates is None:
            return self._alipay_cert_sns
        if cert_sn and cert_sn not in self._certificates.sns:
            try:
                _CERT_SN("alipay_cert_sn", cert_sn, self.charset)
                self._certificates.add_verified(self._certificate(cert_sn), cert_sn)
                logger.info("Alipay signs with a new certificate: accepted %s", cert_sn)
            except AlipayError as error:
                logger.warning("rejected the certificate of Alipay's signature: %s", error)
        return self._certificates.sns

    def _certificate(self, cert_sn: str) -> str:
        """Download one of Alipay's certificates.

        The response is neither signed nor encrypted, since the signing key is not known yet: the
        certificate is verified by its chain.
        """
        encoded = {"biz_content": encode_json({"alipay_cert_sn": cert_sn}, self.charset)}
        params, _ = self._signed(_CERTIFICATE, {}, encoded)
        body = self._transport.post(self.gateway_url, params, self.charset, repeatable=True)
        envelope = open_envelope(body, _CERTIFICATE, self.charset)
        return required_text(unverified_node(envelope), "alipay_cert_content")


@contextmanager
def _retryable() -> Iterator[None]:
    """Mark unknown outcomes as retryable: a request with the same identifiers takes effect once."""
    try:
        yield
    except OutcomeUnknown as error:
        error.retryable = True
        raise
