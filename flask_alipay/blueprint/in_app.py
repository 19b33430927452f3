"""Payments in the shop's own app: what it takes to Alipay's, and what it brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..charsets import encode
from ..exceptions import (
    BadNotification,
    BadSignature,
    OutcomeUnknown,
    UnknownPayment,
    WrongAccount,
)
from .notify import is_ours
from .order import open_platform, order_of

if TYPE_CHECKING:
    from .extension import AlipayBlueprint

_METHOD = "alipay.trade.app.pay"


def order_string(alipay: AlipayBlueprint, payment: Any) -> str:
    """See :meth:`AlipayBlueprint.order_string`."""
    gateway = open_platform(alipay, payment, "app")
    return gateway.trade_app_pay(**order_of(alipay, payment))


def app_result(alipay: AlipayBlueprint, result: str) -> Any:
    """See :meth:`AlipayBlueprint.app_result`."""
    from ..openapi.answers import as_object, open_envelope, word  # the open platform's alone

    config = alipay.config
    try:
        envelope = open_envelope(encode(result, config.charset), _METHOD, config.charset)
        node = as_object(envelope.node)
    except (OutcomeUnknown, ValueError, AttributeError, RecursionError):
        raise BadNotification("it is not what Alipay's SDK tells an app") from None
    if not envelope.signed_by(config.signer):
        raise BadSignature("its signature does not verify")
    params = {name: word(node, name) for name in ("app_id", "seller_id", "out_trade_no")}
    if not is_ours(config, params, confirmed=False):
        raise WrongAccount("it is about somebody else's account")
    payment = alipay.ledger().find(params["out_trade_no"])
    if payment is None:
        raise UnknownPayment("no such payment in the ledger")
    return payment
