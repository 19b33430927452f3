"""Barcode payments (当面付): the shop scans the buyer's code, and the result is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidParameter
from ..gateways.interface import ClosedTrade
from ..gateways.openapi.responses import journal_params
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .payment_state import payment_state
from .queries import apply_update, snapshot_and_commit
from .sending import mark_sent
from .trade_params import require_openapi, trade_params
from .trade_updates import PaymentSnapshot, closed_update

if TYPE_CHECKING:
    from ..gateways.openapi import BarcodePaymentResult, PollingPolicy
    from ..merchant import Merchant


def pay_barcode(
    merchant: Merchant, payment: Any, auth_code: str, polling: PollingPolicy | None
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.pay_barcode`."""
    gateway = require_openapi(merchant, payment, "barcode")
    state = payment_state(payment)
    if state != "waiting":
        raise InvalidParameter("payment", f"can no longer be paid: its state is {state}")
    params = trade_params(merchant, payment)
    mark_sent(payment)
    # The buyer may need a minute: no transaction stays open.
    snapshot = snapshot_and_commit(merchant, payment)
    result = gateway.pay_barcode_and_wait(**params, auth_code=auth_code, polling=polling)
    return apply_update(merchant, snapshot, _report(snapshot, result))


def _report(snapshot: PaymentSnapshot, result: BarcodePaymentResult) -> Notification:
    """Return the gateway's signed response as a report for the ledger."""
    params = journal_params("alipay.trade.pay", result.params)
    if result.paid:
        return Notification(
            out_trade_no=result.out_trade_no,
            trade_status=params.get("trade_status", TradeStatus.TRADE_SUCCESS),
            total_fen=snapshot.total_fen if result.total_fen is None else result.total_fen,
            currency=result.currency,
            trade_no=result.trade_no,
            buyer_id=result.buyer_id,
            buyer_open_id=result.buyer_open_id,
            paid_at=result.paid_at,
            params=params,
        )
    # Cancelling a trade that was paid in the meantime refunds it.
    refunded = result.action == "refund" or bool(params.get("send_pay_date"))
    return closed_update(snapshot, ClosedTrade(params, result.trade_no, refunded))
