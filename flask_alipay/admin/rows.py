"""Rows of the ledger as texts: amounts, times in China, statuses, masked buyers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..ledger.annotations import NO_RESPONSE, NO_TRADE, QueryGroup
from ..ledger.history import PAYMENT, Event, kind_of, message_of, method_of, subject_of
from ..ledger.references import reference_of as reference_of
from ..ledger.refunds import AGGREGATE_NO, PROCESSING, SUCCESS
from ..protocol.conversion import format_amount, format_china_time
from ..protocol.notification import mask_params
from ..protocol.trade_status import TradeStatus
from ..protocol.transfers import TransferStatus
from .texts import ACTIONS, EVENTS, OUTCOMES, REFUNDS, STATUSES, TRANSFERS, _


def amount(fen: int, currency: str = "CNY") -> str:
    """Return minor units for a page: ``1,234.50``; with the currency unless it is CNY."""
    text = format_amount(fen, currency)
    whole, _point, cents = text.partition(".")
    grouped = f"{int(whole):,}" if whole not in ("-0",) else whole
    return f"{grouped}.{cents}" if currency == "CNY" else f"{grouped}.{cents} {currency}"


def money(fen: int, currency: str = "CNY") -> str:
    """Return minor units within a sentence: ``¥1,234.50`` or ``12.00 USD``."""
    return f"¥{amount(fen)}" if currency == "CNY" else amount(fen, currency)


def china(at: datetime | None) -> str:
    """Return a time in China; empty if there is none."""
    return format_china_time(at) if at else ""


def payment_status(payment: Any) -> str:
    """Return a payment's status in words: a refunded one is not merely closed."""
    if payment.refunded_fen >= payment.total_fen:
        return _("Refunded in full")
    if payment.refunded_fen:
        return _("Refunded in part")
    if payment.trade_status == TradeStatus.TRADE_CLOSED and not payment.paid:
        return _("Closed, not paid")
    return _(STATUSES.get(payment.trade_status, payment.trade_status))


def payment_mark(payment: Any) -> str:
    """Return the class of a payment's mark: ``good``, ``back``, ``wait`` or ``ended``."""
    if payment.refunded_fen:
        return "back"
    if payment.paid:
        return "good"
    return "ended" if payment.trade_status == TradeStatus.TRADE_CLOSED else "wait"


def refund_kind(refund: Any) -> str:
    """Return ``processing``, ``success`` or ``rejected``."""
    return {PROCESSING: "processing", SUCCESS: "success"}.get(refund.status, "rejected")


def refund_status(refund: Any) -> str:
    """Return a refund's status in words; a rejected one with Alipay's code."""
    kind = refund_kind(refund)
    text = _(REFUNDS[kind])
    return f"{text} ({refund.status})" if kind == "rejected" else text


def can_be_retried(refund: Any) -> bool:
    """Return whether a refund can be requested again under its number."""
    return bool(refund.status != SUCCESS and refund.out_request_no != AGGREGATE_NO)


def transfer_status(transfer: Any) -> str:
    """Return a transfer's status in words."""
    return _(TRANSFERS.get(transfer.status, transfer.status))


def transfer_mark(transfer: Any) -> str:
    """Return the class of a transfer's mark: ``good``, ``wait``, ``back`` or ``bad``."""
    marks = {
        TransferStatus.SUCCESS: "good",
        TransferStatus.DEALING: "wait",
        TransferStatus.REFUND: "back",
    }
    return marks.get(transfer.status, "bad")


def payee(transfer: Any, reveal: bool) -> str:
    """Return the payee's account, masked unless ``reveal`` is set."""
    account: str = transfer.payee
    return account if reveal else mask_params({"buyer_id": account})["buyer_id"]


def failure(transfer: Any) -> str:
    """Return Alipay's code and text of a failure; empty if there is none."""
    return " · ".join(filter(None, (transfer.error_code, transfer.fail_reason)))


def outcome(row: Any) -> str:
    """Return a journal row's outcome in words."""
    return _(OUTCOMES.get(row.outcome, row.outcome))


def is_problem(row: Any) -> bool:
    """Return whether a journal row needs an operator."""
    return row.outcome in ("unknown", "mismatched", "callback_failed")


def is_replayable(row: Any) -> bool:
    """Return whether a journal row can be replayed: a signed notification about one trade."""
    batch = row.payload.get("notify_type", "").startswith("batch_")
    return kind_of(row) == "notification" and bool(row.payload.get("sign")) and not batch


def is_about_payment(row: Any) -> bool:
    """Return whether the number of a journal row is that of a payment: a message may have another
    one.
    """
    if subject_of(row) != PAYMENT:
        return False
    texts = (*row.payload, row.payload.get("biz_content", ""))
    return message_of(row) is None or any("out_trade_no" in text for text in texts)


def source(row: Any) -> str:
    """Return the source of a journal row in words."""
    kind = kind_of(row)
    if kind == "operator":
        return _("Operator {name}").format(name=row.payload["operator"])
    if kind == "response":
        return _("Response to {method}").format(method=method_of(row) or "-")
    message = message_of(row)
    return _("Notification") if message is None else _("Message {kind}").format(kind=message)


def trade_status(row: Any) -> str:
    """Return the status that a journal row reports; empty for a message."""
    return row.trade_status if message_of(row) is None else ""


def buyer(payment: Any, reveal: bool) -> str:
    """Return the buyer's number or OpenID, masked unless ``reveal`` is set."""
    value: str = payment.buyer_id or payment.buyer_open_id or ""
    return value if reveal else mask_params({"buyer_id": value})["buyer_id"]


def parameters(row: Any, reveal: bool) -> list[tuple[str, str]]:
    """Return a journal row's parameters by name; with buyer data masked unless ``reveal`` is set.

    The signature is masked in any case.
    """
    masked = mask_params(row.payload)
    shown = {**row.payload, "sign": masked.get("sign", "")} if reveal else masked
    return [(name, str(value)) for name, value in sorted(shown.items()) if value]


def event_text(event: Event, currency: str) -> tuple[str, str]:
    """Return an event of a payment's history in words, and its details."""
    row = event.row
    plain = {
        "created": _("Created"),
        "sent": _("Sent to Alipay"),
        "returned": _("Buyer returned from Alipay"),
        "expired": _("Time to pay ended"),
        "paid": _("Payment received"),
        "closed": _("Closed"),
        "finished": _("Finished"),
    }
    if event.kind in plain:
        return plain[event.kind], ""
    if event.kind == "queried":
        return _("Alipay queried"), queries(row)
    if event.kind in ("refund_requested", "refunded"):
        text = _("Refund requested") if event.kind == "refund_requested" else _("Refund succeeded")
        parts: tuple[Any, ...] = (money(row.refund_fen, currency), row.out_request_no, row.reason)
        if event.kind == "refund_requested":
            parts = (*parts, refund_status(row))
        return text, " · ".join(filter(None, parts))
    parts = (trade_status(row), outcome(row), detail(row))
    if event.kind == "operator":
        parts = (detail(row),)
    return source(row), " · ".join(filter(None, parts))


def queries(group: QueryGroup) -> str:
    """Return queries with the same response in words: the response, how often, until when."""
    special = {
        NO_TRADE: _("Alipay has no trade with this number"),
        NO_RESPONSE: _("no response from Alipay"),
    }
    result = special.get(group.result, group.result)
    if group.times == 1:
        return result
    text = _("{result} · {count} times, last at {at}")
    return text.format(result=result, count=group.times, at=china(group.last))


def detail(row: Any) -> str:
    """Return the details of a journal row; those of a rejected report are English."""
    if kind_of(row) == "operator":
        action, result = row.payload.get("action", ""), row.payload.get("result", "")
        texts = (_(ACTIONS.get(action, action)), row.payload.get("detail"), _result(result))
        return " · ".join(filter(None, texts))
    found = row.detail or ""
    if row.outcome == "settled":
        return events(found.split(", "))
    return str(found)


def events(names: Sequence[str]) -> str:
    """Return settled events in words."""
    return ", ".join(_(EVENTS[name]) if name in EVENTS else name for name in names)


def _result(result: str) -> str:
    if result == "done":
        return _("completed")
    if result == "at_alipay":
        return _("to be confirmed on Alipay's page")
    return _("failed: {reason}").format(reason=result) if result else ""
