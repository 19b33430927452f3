"""URLs of Alipay's pages on which users and merchants authorise the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from ..exceptions import ConfigurationError, InvalidParameter
from ..protocol.signed_request import SignedRequest
from ..protocol.validation import check_url

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway
    from ..merchant import Merchant

#: The hosts of the pages, by the gateway's URL.
_HOSTS: Final = {
    "https://openapi.alipay.com/gateway.do": "https://openauth.alipay.com",
    "https://openapi-sandbox.dl.alipaydev.com/gateway.do": (
        "https://openauth-sandbox.dl.alipaydev.com"
    ),
}
_GATEWAY_PATH: Final = "/gateway.do"
SCOPES: Final = ("auth_base", "auth_user")
APPLICATION_TYPES: Final = ("TINYAPP", "WEBAPP", "MOBILEAPP", "PUBLICAPP", "ARAPP")


def openapi_gateway(merchant: Merchant) -> OpenApiGateway:
    """Return the merchant's client of the open platform.

    :raises ConfigurationError: on the legacy gateway.
    """
    from ..gateways.openapi import OpenApiGateway  # not imported on the legacy gateway

    gateway = merchant.gateway
    if not isinstance(gateway, OpenApiGateway):
        key = f"{merchant.config.prefix}_PROTOCOL"
        raise ConfigurationError("authorisations need the open platform", key)
    return gateway


def user_authorization_url(
    merchant: Merchant,
    redirect_uri: str,
    scope: str,
    app_id: str | None,
    issue_state: Callable[[], str],
) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.user_authorization_url`."""
    gateway = openapi_gateway(merchant)
    names = scope.split(",")
    if not set(names) <= set(SCOPES):
        raise InvalidParameter("scope", f"must be one of {', '.join(SCOPES)}, or both")
    params = {"app_id": app_id or gateway.app_id, "scope": scope}
    return _url(merchant, "publicAppAuthorize.htm", params, redirect_uri, issue_state)


def app_authorization_url(
    merchant: Merchant,
    redirect_uri: str,
    application_types: Sequence[str],
    issue_state: Callable[[], str],
) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.app_authorization_url`."""
    gateway = openapi_gateway(merchant)
    if isinstance(application_types, str) or not set(application_types) <= set(APPLICATION_TYPES):
        raise InvalidParameter(
            "application_types", f"must be a list with some of {', '.join(APPLICATION_TYPES)}"
        )
    params = {"app_id": gateway.app_id}
    if not application_types:
        return _url(merchant, "appToAppAuth.htm", params, redirect_uri, issue_state)
    params["application_type"] = ",".join(application_types)
    return _url(merchant, "appToAppBatchAuth.htm", params, redirect_uri, issue_state)


def _url(
    merchant: Merchant,
    page: str,
    params: Mapping[str, str],
    redirect_uri: str,
    issue_state: Callable[[], str],
) -> str:
    check_url("redirect_uri", redirect_uri, max_length=512)
    url = f"{_host(merchant)}/oauth2/{page}"
    given = {**params, "redirect_uri": redirect_uri, "state": issue_state()}
    return f"{url}?{urlencode(given, quote_via=quote, safe=',')}"


def _host(merchant: Merchant) -> str:
    """Return the URL before ``/oauth2``: the configured one, Alipay's, or the simulator's."""
    if merchant.config.oauth_url:
        return merchant.config.oauth_url.rstrip("/")
    gateway_url = merchant.gateway.gateway_url
    if gateway_url in _HOSTS:
        return _HOSTS[gateway_url]
    routed = merchant.route_to_simulator(SignedRequest(gateway_url, {}, "utf-8", b""))
    return routed.gateway_url.removesuffix(_GATEWAY_PATH)
