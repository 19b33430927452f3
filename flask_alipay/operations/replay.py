"""Replay of notifications from the journal or from a capture.

A replayed notification is processed like a delivered one (verified, checked for the merchant's
account, settled; an old report of a sale after a query), except that the legacy gateway can no
longer confirm it: ``notify_verify`` confirms a notification for one minute only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..exceptions import BadNotification, BadSignature, NotConfirmed, UnknownPayment, WrongAccount
from ..ledger.transitions import parse_events
from ..ledger.updates import check_match, needs_query, next_state
from ..protocol.notification import Notification, verify_params
from .settlement import (
    is_for_merchant,
    send_settlement_signals,
    settle_report,
    verify_notification,
    with_query_rule,
)

if TYPE_CHECKING:
    from ..config import Config
    from ..merchant import Merchant
    from ..protocol.message import Message


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replayed notification or, in a dry run, the expected result."""

    #: The settled report: for an old sale, Alipay's response to a query. Or the message.
    notification: Notification | Message
    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: The events, of ``paid``, ``finished``, ``failed``, ``refunded``.
    events: tuple[str, ...]
    #: The application's mapped object; ``None`` for a message.
    payment: Any
    #: In a dry run: ``True`` if Alipay would be queried first, and its response settled.
    queries: bool = False


def replay(
    merchant: Merchant, payload: bytes | Mapping[str, str], *, journalled: bool, dry_run: bool
) -> ReplayResult:
    """See :meth:`~flask_alipay.AlipayBlueprint.replay`."""
    config = merchant.config
    params = (
        verify_notification(config, payload)
        if isinstance(payload, bytes)
        else _verified(config, payload)
    )
    if params.get("notify_type", "").startswith("batch_"):
        raise BadNotification("it is the result of a batch, which cannot be replayed")
    _check_account(config, params, journalled)
    if "trade_status" not in params:
        return _replay_message(merchant, params, dry_run)
    notification = Notification.from_params(params, config.protocol)
    if dry_run:
        return _dry_run(merchant, notification)
    replayed: list[ReplayResult] = []
    for report, settlement in settle_report(merchant, notification):
        replayed.append(
            ReplayResult(report, settlement.outcome, settlement.events, settlement.payment)
        )
    return replayed[0]


def _verified(config: Config, params: Mapping[str, str]) -> dict[str, str]:
    if not params.get("sign"):
        raise BadSignature("it contains no signature to verify")
    if not verify_params(params, config.signer, config.charset):
        raise BadSignature("its signature does not verify with the configured keys")
    return dict(params)


def _check_account(config: Config, params: Mapping[str, str], journalled: bool) -> None:
    """Check the account; the journal contains only confirmed notifications of this merchant."""
    if config.notify_verify and config.signer.sign_type != "MD5" and not journalled:
        raise NotConfirmed(
            "Alipay confirms a notification for one minute only, and its key signs for every "
            "merchant: query the payment instead"
        )
    if not is_for_merchant(config, params, confirmed=journalled):
        raise WrongAccount("it is about another merchant's account")


def _replay_message(merchant: Merchant, params: Mapping[str, str], dry_run: bool) -> ReplayResult:
    from .messages import check_age, concerns, read_message, receive_message

    message = read_message(merchant.config, params, confirmed=True)
    check_age(message.sent_at, message.notify_id)
    if dry_run:
        own = concerns(merchant.config, message)
        outcome = merchant.messages().expected_outcome(message, own=own)
        return ReplayResult(message, outcome, (), None)
    settlement = receive_message(merchant, message)
    send_settlement_signals(merchant, settlement)
    return ReplayResult(message, settlement.outcome, settlement.events, settlement.payment)


def _dry_run(merchant: Merchant, notification: Notification) -> ReplayResult:
    payment = merchant.ledger().find(notification.out_trade_no)
    if payment is None:
        raise UnknownPayment(
            "no such payment in the ledger", out_trade_no=notification.out_trade_no
        )
    check_match(payment, notification, has_token=merchant.config.has_app_auth_token)
    cell, values = next_state(payment, notification)
    queries = needs_query(payment, with_query_rule(merchant.config, notification), cell)
    events = tuple(event for event in parse_events(cell) if event != "refunded")
    if values.get("refunded_fen", payment.refunded_fen) > payment.refunded_fen:
        events = (*events, "refunded")
    outcome = cell if not values else "settled" if events else "recorded"
    return ReplayResult(notification, outcome, events if values else (), payment, queries)
