"""Conversion of trades, batches and deliveries to JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import url_for

from ...protocol.conversion import format_amount
from ..notifications.sender import Attempt, Delivery
from ..oauth_tokens import AppToken
from ..trades.batches import Batch
from ..trades.trades import Trade
from ..trades.transfers import Transfer


def trade_to_dict(trade: Trade) -> dict[str, Any]:
    """Convert a trade, with the events that it ``can`` have next."""
    order = trade.order
    times = {
        "created_at": trade.created_at,
        "expires_at": order.expires_at,
        "paid_at": trade.paid_at,
        "finished_at": trade.finished_at,
        "closed_at": trade.closed_at,
    }
    return {
        "out_trade_no": order.out_trade_no,
        "trade_no": trade.trade_no,
        "trade_status": trade.status,
        "can": [*trade.possible, *(["refund"] if trade.refundable else [])],
        "method": order.method,
        "subject": order.subject,
        "currency": order.currency,
        "total_amount": format_amount(order.total_fen, order.currency),
        "refunded_amount": format_amount(trade.refunded_fen, order.currency),
        "paid_with": trade.paid_with if trade.paid else None,
        "funds": list(order.funds),
        "notify_url": order.notify_url,
        "cashier_url": url_for(".cashier", cashier_id=trade.cashier_id, _external=True),
        **{name: _format_time(at) for name, at in times.items()},
    }


def batch_to_dict(batch: Batch) -> dict[str, Any]:
    """Convert a batch of refunds or transfers, without its entries."""
    return {
        "batch_id": batch.batch_id,
        "batch_no": batch.batch_no,
        "kind": batch.kind,
        "status": batch.status,
        "entries": len(batch.entries),
        "total_amount": format_amount(batch.total_fen),
        "failed": sum(1 for done in batch.outcomes if done.error),
        "notify_url": batch.notify_url,
        "page_url": url_for(".batch", batch_id=batch.batch_id, _external=True),
        "ended_at": _format_time(batch.ended_at),
    }


def transfer_to_dict(transfer: Transfer) -> dict[str, Any]:
    """Convert a transfer, with the events that it ``can`` have next."""
    kind, identity = transfer.payee
    return {
        "out_biz_no": transfer.out_biz_no,
        "order_id": transfer.order_id,
        "status": transfer.status,
        "can": list(transfer.possible),
        "amount": format_amount(transfer.fen),
        "identity_type": kind,
        "payee": identity,
        "title": transfer.title,
        "at": _format_time(transfer.at),
    }


def delivery_to_dict(delivery: Delivery) -> dict[str, Any]:
    """Convert a notification, with its attempts and their responses."""
    return {
        "out_trade_no": delivery.notice.out_trade_no,
        "notify_id": delivery.notice.notify_id,
        "notify_url": delivery.notice.url,
        "heard": delivery.acknowledged,
        "next_at": _format_time(delivery.next_at),
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
    }


def app_token_to_dict(token: AppToken, now: datetime) -> dict[str, Any]:
    """Convert a merchant's authorisation, without its tokens."""
    return {
        "auth_app_id": token.auth_app_id,
        "user_id": token.user_id,
        "authorized_at": _format_time(token.at),
        "ends_at": _format_time(token.ends_at),
        "valid": token.valid(now),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "sent_at": _format_time(attempt.sent_at),
        "body": attempt.body.decode("ascii", "replace"),
        "status": attempt.status,
        "answer": attempt.response,
    }


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
