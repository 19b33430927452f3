"""What all methods share: the application, the signature, and the asking."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...exceptions import AlipayError, ConfigurationError, InvalidParameter, OutcomeUnknown
from ...protocol.charsets import check_encodable, request_charset
from ...protocol.china_time import format_china_time
from ...protocol.signed_request import SignedRequest, sign_request
from ...protocol.validation import Validator, pattern, text, url, validate_params
from ...signer import Signer
from ..transport import HttpTransport, OpenApiTransport
from .biz_content import ContentField, biz_content, validate_fields
from .responses import (
    check_echo,
    open_envelope,
    read_envelope,
    required_text,
    text_field,
    unverified_node,
)

if TYPE_CHECKING:
    from ...protocol.certificates import CertificateStore
    from .v3 import V3Client

logger = logging.getLogger("flask_alipay")

#: Where the open platform lives.
PRODUCTION = "https://openapi.alipay.com/gateway.do"
#: How such an address ends; the newer version's paths are beside it.
PATH = "/gateway.do"

#: The common parameters that belong to one request; all others are fields of ``biz_content``.
COMMON: Mapping[str, Validator] = {
    "notify_url": url(256),
    "return_url": url(256),
    "app_auth_token": pattern(
        r"[A-Za-z0-9._\-]{1,40}", "a token of Alipay's, at most 40 characters"
    ),
}
# What the gateway says of itself and of the request.
_RESERVED = frozenset(
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
_FURTHER = text(1024)
_DONE = "10000"
# Methods by which a third party gets its tokens: called in its own name.
_WITHOUT_TOKEN = ("alipay.open.auth.token.app", "alipay.open.auth.token.app.query")
_CERTIFICATE = "alipay.open.app.alipaycert.download"
_CERT_SN = pattern(r"[0-9a-f]{32}", "the number of a certificate, 32 hexadecimal digits")


class MethodSpec(NamedTuple):
    """A method that is performed here."""

    name: str
    #: The fields that have a limit.
    fields: Mapping[str, ContentField]
    #: Those that have to be there.
    required: tuple[str, ...] = ()
    #: Those of which one has to be there.
    one_of: tuple[str, ...] = ()
    #: Whether it changes nothing, and may be asked again where no answer comes.
    read_only: bool = False
    #: The codes that are a yes.
    success_codes: tuple[str, ...] = (_DONE,)


class OpenApiClient:
    """One application at the open platform; the methods are in the classes that build on it.

    Takes what :class:`~flask_alipay.gateways.openapi.OpenApiGateway` takes.
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
            raise ConfigurationError("v3 is signed with RSA2 alone", "SIGN_TYPE")
        self.app_id = app_id
        self.charset = request_charset(charset)
        self.gateway_url = gateway_url
        self._signer = signer
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
        self._cipher = None
        if aes_key is not None:
            from .encryption import ContentCipher  # few encrypt

            self._cipher = ContentCipher(aes_key)
        self._v3 = None
        if api_version == "v3":
            from .v3 import V3Client

            self._v3 = V3Client(app_id, signer, app_cert_sn, root_cert_sn, self._cipher)
        self._transport: OpenApiTransport = HttpTransport() if transport is None else transport

    def call(
        self,
        method: str,
        biz_content: Mapping[str, Any] | None = None,
        *,
        notify_url: str | None = None,
        return_url: str | None = None,
        app_auth_token: str | None = None,
        http_method: str | None = None,
        **common: str | None,
    ) -> dict[str, Any]:
        """Performs any method of the open platform, once: signs, sends, verifies, reads.

        :param method: ``alipay.some.method``.
        :param biz_content: its fields; those that are ``None`` are not sent.
        :param notify_url: where Alipay tells what comes of it.
        :param return_url: where the buyer comes back to.
        :param app_auth_token: acts for the merchant who gave this token; the gateway's own by
            default.
        :param http_method: with ``v3``, ``GET`` for a method that is asked like that.
        :param common: further common parameters, for methods without ``biz_content``.
        :returns: the node of the answer, as it came.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's ``code`` and ``sub_code``.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed: it may have
            happened. ``retryable`` says whether to ask the same again.
        """
        _METHOD("method", method, self.charset)
        for name in common:
            if name in _RESERVED:
                raise InvalidParameter(name, "is the gateway's own, it cannot be given")
        table = {**dict.fromkeys(common, _FURTHER), **COMMON}
        urls = {"notify_url": notify_url, "return_url": return_url}
        given = {**urls, "app_auth_token": app_auth_token, **common}
        params = validate_params(table, given, self.charset, method)
        content = None
        if biz_content is not None:
            content = {name: value for name, value in biz_content.items() if value is not None}
        if http_method not in (None, "GET", "POST"):
            raise InvalidParameter("http_method", "must be GET or POST")
        return self._response(method, content, params, http_method=http_method)

    def _do(self, method: MethodSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        """Performs one of our own methods.

        :param values: common parameters and fields of ``biz_content``, as the caller gave them.
        :raises OutcomeUnknown: also if it is neither refused nor done.
        """
        common, fields = self._parted(values, method.name)
        content = validate_fields(
            method.fields, fields, self.charset, required=method.required, one_of=method.one_of
        )
        node = self._response(method.name, content, common, repeatable=method.read_only)
        # A yes of the newer version has no code.
        if (text_field(node, "code") or (_DONE if self._v3 else "")) not in method.success_codes:
            raise OutcomeUnknown(f"Alipay does not say whether {method.name} is done")
        return node

    def _about(
        self, method: MethodSpec, asked: Mapping[str, str | None], fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Perform a method on the requested trade, and on no other.

        :param asked: ``out_trade_no`` and ``trade_no``, of which one may be ``None``.
        :raises OutcomeUnknown: also if the response is about another trade.
        """
        node = self._do(method, {**fields, **asked})
        name = "trade_no" if asked["trade_no"] is not None else "out_trade_no"
        check_echo(node, name, asked[name])
        return node

    def _parted(
        self, values: Mapping[str, Any], method: str
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Returns what a caller gave as common parameters, checked, and as fields."""
        common = {name: values[name] for name in COMMON if name in values}
        fields = {name: value for name, value in values.items() if name not in COMMON}
        return validate_params(COMMON, common, self.charset, method), fields

    def _request(
        self, method: str, content: Mapping[str, Any] | None, common: Mapping[str, str]
    ) -> SignedRequest:
        written = {} if content is None else self._written(content)
        return self._signed(method, {**self._authorized(method, common), **written})

    def _authorized(self, method: str, common: Mapping[str, str]) -> Mapping[str, str]:
        """Add the token of the merchant whom all calls act for, unless the call names another."""
        if self._app_auth_token is None or method in _WITHOUT_TOKEN:
            return common
        return {"app_auth_token": self._app_auth_token, **common}

    def _signed(self, method: str, params: Mapping[str, str]) -> SignedRequest:
        own = {"method": method, "timestamp": format_china_time(datetime.now(timezone.utc))}
        # A request signs its sign_type; a notification does not.
        return sign_request(
            self.gateway_url,
            {**self._common, **own, **params},
            self._signer,
            charset=self.charset,
            exclude=("sign",),
        )

    def _written(self, content: Mapping[str, Any]) -> dict[str, str]:
        text = biz_content(content, self.charset)
        if self._cipher is None:
            return {"biz_content": text}
        encoded = check_encodable("biz_content", text, self.charset)
        return {
            "encrypt_type": self._cipher.encrypt_type,
            "biz_content": self._cipher.encrypt(encoded),
        }

    def _response(
        self,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        *,
        http_method: str | None = None,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        """Signs, sends, verifies, reads."""
        self._signer.verify(b"", "")  # without Alipay's key nothing is asked
        ask = (
            self._request_v2
            if self._v3 is None
            else partial(self._request_v3, self._v3, http_method)
        )
        return ask(method, content, common, repeatable)

    def _request_v2(
        self,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        repeatable: bool,
    ) -> dict[str, Any]:
        request = self._request(method, content, common)
        with _nothing_twice():
            body = self._transport.post(
                request.gateway_url, request.params, request.charset, repeatable=repeatable
            )
        envelope = open_envelope(body, method, request.charset)
        cert_sns = self._known(envelope.cert_sn)
        return read_envelope(envelope, method, self._signer, self._cipher, cert_sns)

    def _request_v3(
        self,
        caller: V3Client,
        http_method: str | None,
        method: str,
        content: Mapping[str, Any] | None,
        common: Mapping[str, str],
        repeatable: bool,
    ) -> dict[str, Any]:
        # What was common to all methods is a field like others now, but for the token.
        common = self._authorized(method, common)
        fields = {name: value for name, value in common.items() if name != "app_auth_token"}
        call = caller.call(
            method,
            {**fields, **(content or {})},
            http_method=http_method,
            app_auth_token=common.get("app_auth_token"),
        )
        url = f"{self.gateway_url.removesuffix(PATH)}{call.uri}"
        with _nothing_twice():
            answer = self._transport.request(
                call.http_method, url, call.body, call.headers, repeatable=repeatable
            )
        return caller.read(answer, method, self._known)

    def _known(self, cert_sn: str) -> Collection[str]:
        """The numbers of Alipay's certificates that are believed, this one's if it proves to be."""
        if self._certificates is None:
            return self._alipay_cert_sns
        if cert_sn and cert_sn not in self._certificates.sns:
            try:
                _CERT_SN("alipay_cert_sn", cert_sn, self.charset)
                self._certificates.add_verified(self._certificate(cert_sn), cert_sn)
                logger.info("Alipay signs with another certificate: %s is accepted", cert_sn)
            except AlipayError as error:
                logger.warning("a certificate that Alipay signs with is not accepted: %s", error)
        return self._certificates.sns

    def _certificate(self, cert_sn: str) -> str:
        """Fetches one of Alipay's certificates. Alipay does not sign this answer, and who could is
        not known yet: what it holds has to prove itself. So it is not encrypted either.
        """
        text = biz_content({"alipay_cert_sn": cert_sn}, self.charset)
        request = self._signed(_CERTIFICATE, {"biz_content": text})
        body = self._transport.post(
            request.gateway_url, request.params, request.charset, repeatable=True
        )
        envelope = open_envelope(body, _CERTIFICATE, request.charset)
        return required_text(unverified_node(envelope), "alipay_cert_content")


@contextmanager
def _nothing_twice() -> Iterator[None]:
    """Where no answer came the same may be asked again: the same identifiers never do it twice."""
    try:
        yield
    except OutcomeUnknown as error:
        error.retryable = True
        raise
