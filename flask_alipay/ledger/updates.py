"""Changes that a report makes to a payment, computed without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from ..exceptions import PaymentMismatch
from ..models import utc_now
from ..protocol.conversion import format_amount
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .transitions import CLOSED_UNPAID, TRANSITIONS, changes_state, ledger_state, parse_events

# Alipay's first retry follows after four minutes; this allows for clock skew and queues.
_FIRST_ATTEMPT = timedelta(minutes=3)


class LedgerUpdate(NamedTuple):
    """The effect of a report on a payment."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: The events, of ``paid``, ``finished``, ``failed``, ``refunded``.
    events: tuple[str, ...]
    #: The amount refunded by this report alone, in minor units.
    refund_fen: int = 0

    def with_refunds(self, number: int) -> LedgerUpdate:
        """Return the update with as many ``refunded`` events: one report may cover several."""
        others = tuple(event for event in self.events if event != "refunded")
        return self._replace(events=(*others, *["refunded"] * number))


def make_update(events: tuple[str, ...], refund_fen: int = 0) -> LedgerUpdate:
    """Return an update. The amount decides whether it is a refund: a close may follow a refund that
    was reported before.

    :param events: the events of the cell in the table of transitions.
    :param refund_fen: the amount refunded by this report alone, in minor units.
    """
    events = tuple(event for event in events if event != "refunded")
    if refund_fen:
        events = (*events, "refunded")
    return LedgerUpdate("settled" if events else "recorded", events, refund_fen)


def column_values(
    notification: Notification, events: Sequence[str], total_fen: int, currency: str
) -> dict[str, Any]:
    """Return the values that an update writes into the payment.

    :param events: the events of the cell in the table of transitions.
    :param total_fen: the payment's amount in minor units of its currency.
    :param currency: the payment's currency; the report may use another.
    """
    now = utc_now()
    values: dict[str, Any] = {"trade_status": notification.trade_status}
    if notification.trade_no:
        values["trade_no"] = notification.trade_no
    if notification.buyer_id:
        values["buyer_id"] = notification.buyer_id
    if notification.buyer_open_id:
        values["buyer_open_id"] = notification.buyer_open_id
    if "paid" in events:
        values.update(paid=True, paid_at=notification.paid_at or now, closed_at=None)
        refunded_fen = _refunded_fen(notification, total_fen, currency)
        if refunded_fen:
            values["refunded_fen"] = refunded_fen
    if "finished" in events:
        values["finished_at"] = now
    if notification.trade_status == TradeStatus.TRADE_CLOSED:
        values["closed_at"] = notification.closed_at or now
        if "refunded" in events or notification.is_refund:
            # A trade that is closed after a sale was refunded in full.
            values["refunded_fen"] = total_fen
    return values


def sale_update(notification: Notification) -> tuple[LedgerUpdate, dict[str, Any]] | None:
    """Return the update that a plain sale makes to any payment that is not a sale yet.

    :returns: the update and the values to write; ``None`` for other reports, and for one that is
        most likely a duplicate: the payment's state has to be read first.
    """
    events = parse_events(TRANSITIONS[TradeStatus.WAIT_BUYER_PAY, notification.trade_status])
    plain = "paid" in events and not notification.is_refund and notification.rmb_fen is None
    if not plain or notification.query_first == "always" or _is_retry(notification):
        return None
    if notification.params.get("auth_app_id") not in (None, "", notification.app_id):
        return None  # the payment has to be of the merchant that it names
    price = (notification.total_fen, notification.currency)
    return make_update(events), column_values(notification, events, *price)


def is_sale(notification: Notification) -> bool:
    """Return whether a report states that the buyer has paid, whatever else it states."""
    cell = TRANSITIONS[TradeStatus.WAIT_BUYER_PAY, notification.trade_status]
    return "paid" in parse_events(cell)


def needs_query(payment: Any, notification: Notification, cell: str) -> bool:
    """Return whether Alipay has to be queried before a report is settled.

    A report states what was true when Alipay sent it. If it is old, or the payment was closed or
    refunded since, only Alipay's current state proves a sale.

    :param payment: the payment's state as read.
    :param cell: the cell that :func:`next_state` returned; a duplicate or stale report changes
        nothing.
    """
    if notification.query_first == "never" or not (changes_state(cell) and is_sale(notification)):
        return False
    changed = payment.trade_status == TradeStatus.TRADE_CLOSED or payment.refunded_fen > 0
    return notification.query_first == "always" or changed


def next_state(payment: Any, notification: Notification) -> tuple[str, dict[str, Any]]:
    """Determine a payment's next state from its current one.

    :returns: the cell of the table of transitions, and the values to write, none if the payment
        does not change.
    :raises PaymentMismatch: if a second trade pays a payment that another trade has paid.
    """
    row = ledger_state(payment.trade_status, payment.paid, payment.refunded_fen)
    cell = TRANSITIONS[row, notification.trade_status]
    if notification.unpaid and (payment.paid or payment.refunded_fen):
        return "stale", {}  # the payment arrived since
    if _other_trade(payment, notification):
        if is_sale(notification):
            raise mismatch("trade_no", payment.trade_no, notification.trade_no, notification)
        return "stale", {}
    price = (payment.total_fen, payment.currency)
    values = column_values(notification, parse_events(cell), *price) if changes_state(cell) else {}
    refunded_fen = _refunded_fen(notification, *price)
    if payment.paid and refunded_fen > payment.refunded_fen:
        values.setdefault("refunded_fen", refunded_fen)
    if row == CLOSED_UNPAID and cell == "duplicate" and notification.is_refund:
        # It was paid and refunded since: an older report of the sale must not mark it as paid.
        values["refunded_fen"] = payment.total_fen
    return cell, values


def check_match(payment: Any, notification: Notification, *, has_token: bool = False) -> None:
    """Check that a report has exactly the payment's currency and amount and, in a third-party
    application, is about the payment's merchant.

    A payment without ``auth_app_id`` and without a token is the application's own sale.

    :param has_token: whether a configured token acts for a merchant whom the ledger may not know.
    :raises PaymentMismatch: otherwise.
    """
    if payment.auth_app_id is not None:
        _check_auth_app_id(payment.auth_app_id, notification)
    elif notification.params.get("auth_app_id") and not (
        has_token or (payment.details or {}).get("app_auth_token")
    ):
        _check_auth_app_id(payment.merchant, notification)
    amounts = dict(notification.amounts)
    if payment.currency not in amounts:
        raise mismatch("currency", payment.currency, notification.currency, notification)
    received = amounts[payment.currency]
    if payment.total_fen != received:
        currency = payment.currency
        expected = format_amount(payment.total_fen, currency)
        raise mismatch("total_amount", expected, format_amount(received, currency), notification)


def _check_auth_app_id(expected: str, notification: Notification) -> None:
    # Responses do not name the merchant: the request's token did.
    received = notification.params.get("auth_app_id", expected)
    if received != expected:
        raise mismatch("auth_app_id", expected, received, notification)


def mismatch(
    field: str, expected: object, received: object, notification: Notification
) -> PaymentMismatch:
    """Return the exception for a report that contradicts the ledger."""
    return PaymentMismatch(
        field,
        expected,
        received,
        out_trade_no=notification.out_trade_no,
        notify_id=notification.notify_id,
    )


def _is_retry(notification: Notification) -> bool:
    """Return whether a notification is most likely a retry: Alipay sends the first attempt at once,
    and retries after four minutes at the earliest.
    """
    sent, paid = notification.notify_time, notification.paid_at
    return sent is not None and paid is not None and sent - paid > _FIRST_ATTEMPT


def _refunded_fen(notification: Notification, total_fen: int, currency: str) -> int:
    """Return the refunded amount in the payment's currency: all of it or, if the report uses that
    currency, a part. The value of a part in another currency is known to Alipay only.
    """
    reported = notification.refunded_fen or 0
    if reported >= notification.total_fen:
        return total_fen
    return reported if notification.currency == currency else 0


def _other_trade(payment: Any, notification: Notification) -> bool:
    """Return whether a report is about a second trade for a payment that another trade has paid."""
    numbers = (payment.trade_no, notification.trade_no)
    return payment.paid and all(numbers) and numbers[0] != numbers[1]
