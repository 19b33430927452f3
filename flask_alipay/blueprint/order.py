"""A payment of the ledger's as the open platform's methods want it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..exceptions import ConfigurationError, InvalidParameter
from ..money import to_yuan
from .new_payment import parameters_of

if TYPE_CHECKING:
    from ..openapi import OpenApiGateway
    from .extension import AlipayBlueprint


def open_platform(alipay: AlipayBlueprint, payment: Any, product: str) -> OpenApiGateway:
    """Returns the client of the open platform, for a payment of one of its products.

    :raises ConfigurationError: on the legacy gateway.
    :raises InvalidParameter: if the payment is of another product.
    """
    from ..openapi import OpenApiGateway  # not for those on the legacy gateway

    gateway, prefix = alipay.gateway_for(payment), alipay.config.prefix
    if not isinstance(gateway, OpenApiGateway):
        raise ConfigurationError(
            f"the product {product} is the open platform's", f"{prefix}_PROTOCOL"
        )
    if payment.product != product:
        raise InvalidParameter("payment", f"is not one of the product {product}")
    return gateway


def order_of(alipay: AlipayBlueprint, payment: Any) -> Mapping[str, Any]:
    """Returns the fields that every method has which makes a payment.

    :raises InvalidParameter: if the payment is not in yuan, or no host is configured and the
        request's is invalid.
    """
    from ..openapi.payments import check_currency

    parameters = parameters_of(payment)
    check_currency(payment.currency, parameters.get("trans_currency"))
    return {
        **parameters,
        "out_trade_no": payment.out_trade_no,
        "subject": payment.subject,
        "total_amount": to_yuan(payment.total_fen),
        "time_expire": payment.expires_at,
        "notify_url": alipay.notify_url,
    }
