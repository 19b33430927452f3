"""Parameters of a payment for the open platform's methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..exceptions import ConfigurationError, InvalidParameter
from ..protocol.conversion import format_amount
from .payments import gateway_params

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway
    from ..merchant import Merchant


def require_openapi(merchant: Merchant, payment: Any, product: str) -> OpenApiGateway:
    """Return the client of the open platform, for a payment of one of its products.

    :raises ConfigurationError: on the legacy gateway.
    :raises InvalidParameter: if the payment is of another product.
    """
    from ..gateways.openapi import OpenApiGateway  # not imported on the legacy gateway

    gateway, prefix = merchant.gateway_for(payment), merchant.config.prefix
    if not isinstance(gateway, OpenApiGateway):
        raise ConfigurationError(
            f"the product {product} needs the open platform", f"{prefix}_PROTOCOL"
        )
    if payment.product != product:
        raise InvalidParameter("payment", f"is not of the product {product}")
    return gateway


def trade_params(merchant: Merchant, payment: Any) -> Mapping[str, Any]:
    """Return the parameters that all methods for creating a trade have.

    :raises InvalidParameter: if the payment is not in yuan, or no host is configured and the
        request's is invalid.
    """
    return {**order_params(payment), "notify_url": merchant.notify_url}


def order_params(payment: Any) -> dict[str, Any]:
    """Return the parameters of :func:`trade_params` that are the payment's own.

    :raises InvalidParameter: if the payment is not in yuan.
    """
    from ..gateways.openapi.payments import check_currency

    parameters = gateway_params(payment)
    check_currency(payment.currency, parameters.get("trans_currency"))
    return {
        **parameters,
        "out_trade_no": payment.out_trade_no,
        "subject": payment.subject,
        "total_amount": format_amount(payment.total_fen),
        "time_expire": payment.expires_at,
    }


def notify_url_outside_requests(merchant: Merchant) -> str | None:
    """Return the URL for notifications; ``None`` in a command or task of an application under
    development, which has no host.
    """
    try:
        return merchant.notify_url
    except (InvalidParameter, RuntimeError):
        return None
