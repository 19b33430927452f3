"""What all services share: the merchant, the signature, and the asking."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.charsets import request_charset
from ...protocol.signed_request import SignedRequest, sign_request
from ...signer import Signer
from ..transport import HttpTransport, Transport
from .responses import MapiResponse, read_answer

#: Where the legacy gateway lives.
PRODUCTION = "https://mapi.alipay.com/gateway.do"
#: Where the older WAP gateway lives.
WAP_PRODUCTION = "https://wappaygw.alipay.com/service/rest.htm"

_NOT_SIGNED = ("sign", "sign_type")
# A no that is no no: something went wrong at Alipay, before or after what was asked for was done.
_UNSURE = frozenset({"SYSTEM_ERROR", "SYSTEM_EXCEPTION"})


class MapiClient:
    """One merchant at the legacy gateway; the services are in the classes that build on it.

    Takes what :class:`~flask_alipay.gateways.mapi.MapiGateway` takes.
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
        pieces: Collection[str] = (),
    ) -> MapiResponse:
        """Asks something that changes nothing. A signature is checked where there is one.

        :param proven: whether a yes without a signature is refused as well.
        :param pieces: the values of the answer that are XML themselves.
        :raises GatewayError: for a no, or an answer that cannot be read or believed.
        :raises OutcomeUnknown: without an answer.
        """
        answer = read_answer(self._query_text(service, params), self.charset, pieces)
        if (answer.sign or require_signature) and not self._is_verified(answer):
            raise GatewayError(f"the answer to {service} is not signed by Alipay")
        return answer

    def _query_text(self, service: str, params: Mapping[str, str]) -> bytes:
        request = self._sign(service, params)
        return self._transport.get(request.gateway_url, request.params, request.charset)

    def _execute(self, service: str, params: Mapping[str, str]) -> MapiResponse:
        """Has something done, once. A signature is checked where there is one.

        :raises GatewayError: for a no: it is not done.
        :raises OutcomeUnknown: without an answer, or with one that cannot be read or believed.
        """
        request = self._sign(service, params)
        body = self._transport.post(request.gateway_url, request.params, request.charset)
        try:
            answer = read_answer(body, self.charset)
        except GatewayError as error:
            if error.code is None or error.code in _UNSURE:
                raise OutcomeUnknown(str(error), code=error.code) from None
            raise
        if answer.sign and not self._is_verified(answer):
            raise OutcomeUnknown(f"the answer to {service} is not signed by Alipay")
        return answer

    def _is_verified(self, response: MapiResponse) -> bool:
        return response.signed_by(self._signer, self.charset)

    def _seller(self, params: Mapping[str, Any], *names: str) -> dict[str, str]:
        """Returns the merchant's own account, unless the caller names one.

        :param params: what the caller gave.
        :param names: what the service calls an account by its number, by its login name, and
            otherwise, in the order in which Alipay heeds them.
        """
        if any(params.get(name) is not None for name in names):
            return {}
        if self._seller_id is not None:
            return {names[0]: self._seller_id}
        return {names[1]: self._seller_email or ""}
