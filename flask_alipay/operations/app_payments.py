"""Payments in the shop's mobile app: the order string for Alipay's SDK, and the SDK's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..exceptions import BadNotification, BadSignature, OutcomeUnknown, UnknownPayment, WrongAccount
from ..protocol.charsets import encode
from .sending import mark_new_as_sent, note_sent
from .settlement import is_for_merchant
from .trade_params import require_openapi, trade_params

if TYPE_CHECKING:
    from ..merchant import Merchant

_METHOD = "alipay.trade.app.pay"


def order_string(merchant: Merchant, payment: Any) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.order_string`."""
    gateway = require_openapi(merchant, payment, "app")
    signed = gateway.trade_app_pay(**trade_params(merchant, payment))
    if inspect(payment).persistent:
        note_sent(merchant, payment)
    else:
        mark_new_as_sent(payment)
    return signed


def payment_from_app_result(merchant: Merchant, result: str) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.app_result`."""
    from ..gateways.openapi.responses import (  # only needed on the open platform
        as_object,
        open_envelope,
        text_field,
    )

    config = merchant.config
    try:
        envelope = open_envelope(encode(result, config.charset), _METHOD, config.charset)
        node = as_object(envelope.node)
    except (OutcomeUnknown, ValueError, AttributeError, RecursionError):
        raise BadNotification("it is not a result of Alipay's SDK") from None
    if not envelope.signed_by(config.signer):
        raise BadSignature("its signature does not verify")
    params = {name: text_field(node, name) for name in ("app_id", "seller_id", "out_trade_no")}
    if not is_for_merchant(config, params, confirmed=False):
        raise WrongAccount("it is about another merchant's account")
    payment = merchant.ledger().find(params["out_trade_no"])
    if payment is None:
        raise UnknownPayment("no such payment in the ledger")
    return payment
