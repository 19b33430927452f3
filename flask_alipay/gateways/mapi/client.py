"""Base of the legacy gateway's client: signs requests, sends them, verifies responses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.charsets import request_charset
from ...protocol.signed_request import SignedRequest, sign_request
from ...signer import Signer
from ..transport import HttpTransport, Transport
from .responses import MapiResponse, read_response

#: URL of the legacy gateway.
PRODUCTION = "https://mapi.alipay.com/gateway.do"
#: URL of the legacy WAP gateway.
WAP_PRODUCTION = "https://wappaygw.alipay.com/service/rest.htm"

_NOT_SIGNED = ("sign", "sign_type")
# Not a rejection: a failure at Alipay, before or after the request took effect.
_OUTCOME_UNKNOWN = frozenset({"SYSTEM_ERROR", "SYSTEM_EXCEPTION"})


class MapiClient:
    """One merchant at the legacy gateway; subclasses add the services.

    The parameters are those of :class:`~flask_alipay.gateways.mapi.MapiGateway`.
    """

    def __init__(
        self,
        partner: str,
        signer: Signer,
        *,
        seller_id: str | None = None,
        seller_email: str | None = None,
        charset: str = "utf-8",
        gateway_url: str = PRODUCTION,
        wap_gateway_url: str = WAP_PRODUCTION,
        show_url: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.partner = partner
        self.charset = request_charset(charset)
        self.gateway_url = gateway_url
        self.wap_gateway_url = wap_gateway_url
        self._signer = signer
        self._seller_id = seller_id or (None if seller_email else partner)
        self._seller_email = seller_email
        self._show_url = show_url
        self._transport: Transport = HttpTransport() if transport is None else transport

    def _sign(self, service: str, params: Mapping[str, str]) -> SignedRequest:
        common = {
            "service": service,
            "partner": self.partner,
            "_input_charset": self.charset,
            "sign_type": self._signer.sign_type,
        }
        return sign_request(
            self.gateway_url,
            {**common, **params},
            self._signer,
            charset=self.charset,
            exclude=_NOT_SIGNED,
        )

    def _query(
        self,
        service: str,
        params: Mapping[str, str],
        *,
        require_signature: bool = False,
        raw: Collection[str] = (),
    ) -> MapiResponse:
        """Send a query. A signature in the response is verified.

        :param require_signature: True if an unsigned response is rejected as well.
        :param raw: the values of the response that are XML themselves.
        :raises GatewayError: if Alipay rejects the request, or the response cannot be parsed or
            trusted.
        :raises OutcomeUnknown: if no response arrives.
        """
        response = read_response(self._query_text(service, params), self.charset, raw)
        if (response.sign or require_signature) and not self._is_verified(response):
            raise GatewayError(f"the response to {service} is not signed by Alipay")
        return response

    def _query_text(self, service: str, params: Mapping[str, str]) -> bytes:
        request = self._sign(service, params)
        return self._transport.get(request.gateway_url, request.params, request.charset)

    def _execute(self, service: str, params: Mapping[str, str]) -> MapiResponse:
        """Send a request that has an effect, once. A signature in the response is verified.

        :raises GatewayError: if Alipay rejects the request: it had no effect.
        :raises OutcomeUnknown: if no response arrives, or it cannot be parsed or trusted.
        """
        request = self._sign(service, params)
        body = self._transport.post(request.gateway_url, request.params, request.charset)
        try:
            response = read_response(body, self.charset)
        except GatewayError as error:
            if error.code is None or error.code in _OUTCOME_UNKNOWN:
                raise OutcomeUnknown(str(error), code=error.code) from None
            raise
        if response.sign and not self._is_verified(response):
            raise OutcomeUnknown(f"the response to {service} is not signed by Alipay")
        return response

    def _is_verified(self, response: MapiResponse) -> bool:
        return response.signed_by(self._signer, self.charset)

    def _seller(self, params: Mapping[str, Any], *names: str) -> dict[str, str]:
        """Return the merchant's account, unless the caller names one.

        :param params: the caller's parameters.
        :param names: the service's parameter names for an account number, a login name, and others,
            in Alipay's order of precedence.
        """
        if any(params.get(name) is not None for name in names):
            return {}
        if self._seller_id is not None:
            return {names[0]: self._seller_id}
        return {names[1]: self._seller_email or ""}
