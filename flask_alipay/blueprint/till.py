"""At the till: the shop scans the buyer's code, and the ledger learns how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidParameter
from ..notification import Notification
from ..trade_status import TradeStatus
from .asking import begin, settled
from .heard import Asked, closed_unpaid, flat, taken_back
from .order import open_platform, order_of
from .standing import payment_state

if TYPE_CHECKING:
    from ..openapi import Patience, TillAnswer
    from .extension import AlipayBlueprint


def pay_barcode(
    alipay: AlipayBlueprint, payment: Any, auth_code: str, patience: Patience | None
) -> Any:
    """See :meth:`AlipayBlueprint.pay_barcode`."""
    gateway = open_platform(alipay, payment, "barcode")
    state = payment_state(payment)
    if state != "waiting":
        raise InvalidParameter("payment", f"can no longer be paid, it is {state}")
    order = order_of(alipay, payment)
    asked = begin(alipay, payment)  # the buyer may take a minute, the database should not wait
    ended = gateway.pay_at_till(**order, auth_code=auth_code, patience=patience)
    return settled(alipay, asked, _heard(asked, ended))


def _heard(asked: Asked, ended: TillAnswer) -> Notification:
    """What the gateway answered, and signed, as news for the ledger."""
    why = flat("method", "alipay.trade.pay", ended.params)
    if ended.paid:
        return Notification(
            out_trade_no=ended.out_trade_no,
            trade_status=why.get("trade_status", TradeStatus.TRADE_SUCCESS),
            total_fen=asked.total_fen if ended.total_fen is None else ended.total_fen,
            currency=ended.currency,
            trade_no=ended.trade_no,
            buyer_id=ended.buyer_id,
            paid_at=ended.paid_at,
            params=why,
        )
    if ended.action == "refund" or why.get("send_pay_date"):  # paid in between, and taken back
        return taken_back(asked, why, ended.trade_no)
    return closed_unpaid(asked, why, ended.trade_no)
