"""At the till: the shop scans the buyer's code, and the ledger learns how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidParameter
from ..gateways.interface import ClosedTrade, journal_params
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .payment_state import payment_state
from .queries import apply_update, snapshot_and_commit
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
        raise InvalidParameter("payment", f"can no longer be paid, it is {state}")
    order = trade_params(merchant, payment)
    # The buyer may need a minute: no transaction stays open.
    snapshot = snapshot_and_commit(merchant, payment)
    ended = gateway.pay_barcode_and_wait(**order, auth_code=auth_code, polling=polling)
    return apply_update(merchant, snapshot, _report(snapshot, ended))


def _report(snapshot: PaymentSnapshot, ended: BarcodePaymentResult) -> Notification:
    """Return the gateway's signed response as a report for the ledger."""
    params = journal_params("method", "alipay.trade.pay", ended.params)
    if ended.paid:
        return Notification(
            out_trade_no=ended.out_trade_no,
            trade_status=params.get("trade_status", TradeStatus.TRADE_SUCCESS),
            total_fen=snapshot.total_fen if ended.total_fen is None else ended.total_fen,
            currency=ended.currency,
            trade_no=ended.trade_no,
            buyer_id=ended.buyer_id,
            paid_at=ended.paid_at,
            params=params,
        )
    # A trade that was paid in between and then cancelled is refunded.
    refunded = ended.action == "refund" or bool(params.get("send_pay_date"))
    return closed_update(snapshot, ClosedTrade(params, ended.trade_no, refunded))
