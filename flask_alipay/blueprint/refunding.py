"""Refunds that begin in the shop: written down first, asked for second."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..exceptions import ConfigurationError, InvalidParameter
from ..money import to_fen, to_yuan
from ..order_number import new_out_trade_no
from ..signed_request import SignedRequest

if TYPE_CHECKING:
    from .extension import AlipayBlueprint


def refund_request(
    alipay: AlipayBlueprint,
    payment: Any,
    amount: str | int | Decimal,
    reason: str,
    out_request_no: str | None,
) -> SignedRequest:
    """Writes a refund down, commits it, and returns the request that the merchant confirms.

    Takes and raises what :meth:`AlipayBlueprint.refund_url` does.
    """
    from ..mapi import MapiGateway, RefundEntry  # not for those on the open platform

    gateway, ledger, config = alipay.gateway, alipay.ledger(), alipay.config
    if not isinstance(gateway, MapiGateway):
        raise ConfigurationError(
            "refunds that are confirmed in a browser are the legacy gateway's",
            f"{config.prefix}_PROTOCOL",
        )
    if payment.currency != "CNY" or payment.product in ("forex", "forex_wap"):
        raise InvalidParameter(
            "payment", "is a cross-border one: gateway.forex_refund() refunds it"
        )
    if ledger.refunds is None:
        raise ConfigurationError("the blueprint has no class for refunds", "Refund")
    refund_fen = to_fen(amount, parameter="amount")
    number = out_request_no or new_out_trade_no()
    # Made before anything is written down: whatever Alipay would not take is refused here.
    signed = gateway.refund_fastpay_by_platform_pwd(
        [RefundEntry(payment.trade_no, to_yuan(refund_fen), reason)],
        batch_no=number,
        notify_url=config.notify_url or alipay.outside_url("notify"),
    )
    ledger.refunds.open(payment.out_trade_no, refund_fen, number, reason)
    alipay.session.commit()
    return alipay.at_simulator(signed)
