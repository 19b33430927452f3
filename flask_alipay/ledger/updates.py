"""What a piece of news does to a payment, without a database in sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..exceptions import PaymentMismatch
from ..models import utc_now
from ..protocol.money import format_amount
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .transitions import CLOSED_UNPAID, TRANSITIONS, changes_state, ledger_state, parse_events


class LedgerUpdate(NamedTuple):
    """What comes of a piece of news."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: What happens, of ``paid``, ``finished``, ``failed``, ``refunded``.
    events: tuple[str, ...]
    #: What goes back to the buyer by this news alone, in minor units.
    refund_fen: int = 0

    def with_refunds(self, times: int) -> LedgerUpdate:
        """Returns the move with as many refunds: a close may tell of several at once."""
        others = tuple(event for event in self.events if event != "refunded")
        return self._replace(events=(*others, *["refunded"] * times))


def make_update(events: tuple[str, ...], refund_fen: int = 0) -> LedgerUpdate:
    """Returns a move. The money decides whether it is a refund: a close may follow one that was
    told before.

    :param events: what the table of transitions says.
    :param refund_fen: what goes back by this news alone.
    """
    events = tuple(event for event in events if event != "refunded")
    if refund_fen:
        events = (*events, "refunded")
    return LedgerUpdate("settled" if events else "recorded", events, refund_fen)


def column_values(
    notification: Notification, events: Sequence[str], total_fen: int, currency: str
) -> dict[str, Any]:
    """Returns what a move writes into the payment.

    :param events: what the table of transitions says.
    :param total_fen: what the payment costs, in its own currency.
    :param currency: that currency; the news may be told in another.
    """
    now = utc_now()
    values: dict[str, Any] = {"trade_status": notification.trade_status}
    if notification.trade_no:
        values["trade_no"] = notification.trade_no
    if notification.buyer_id:
        values["buyer_id"] = notification.buyer_id
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
            # After a sale a closed trade is one whose money has gone back, all of it.
            values["refunded_fen"] = total_fen
    return values


def sale_update(notification: Notification) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Says what a plain sale does to any payment that is none yet, whatever it stands at.

    :returns: the events, and what to write; ``None`` for other news, which asks for a look first.
    """
    plain = not notification.is_refund and notification.rmb_fen is None and is_sale(notification)
    if not plain or notification.query_first == "always":
        return None
    events = parse_events(TRANSITIONS[TradeStatus.WAIT_BUYER_PAY, notification.trade_status])
    return events, column_values(
        notification, events, notification.total_fen, notification.currency
    )


def is_sale(notification: Notification) -> bool:
    """Tell whether a report states that the buyer has paid, whatever else it states."""
    cell = TRANSITIONS[TradeStatus.WAIT_BUYER_PAY, notification.trade_status]
    return "paid" in parse_events(cell)


def needs_query(payment: Any, notification: Notification, cell: str) -> bool:
    """Tell whether Alipay has to be queried before a report is settled.

    A report states what was true when Alipay sent it. Where that may have changed since, by age or
    because the payment was closed or money went back, a sale is only made of what Alipay has now.

    :param payment: as it was seen.
    :param cell: what :func:`follow` returned; a duplicate or a stale report moves nothing.
    """
    if notification.query_first == "never" or not (changes_state(cell) and is_sale(notification)):
        return False
    changed = payment.trade_status == TradeStatus.TRADE_CLOSED or payment.refunded_fen > 0
    return notification.query_first == "always" or changed


def next_state(payment: Any, notification: Notification) -> tuple[str, dict[str, Any]]:
    """Says where a payment goes from where it stands.

    :returns: the cell of the table of transitions, and what to write, nothing if it stays.
    :raises PaymentMismatch: if a second trade at Alipay pays what a first one has paid.
    """
    row = ledger_state(payment.trade_status, payment.paid, payment.refunded_fen)
    cell = TRANSITIONS[row, notification.trade_status]
    if notification.unpaid and (payment.paid or payment.refunded_fen):
        return "stale", {}  # the money came in between: it is not gone again
    if _other_trade(payment, notification):
        if is_sale(notification):
            raise mismatch("trade_no", payment.trade_no, notification.trade_no, notification)
        return "stale", {}
    about = (payment.total_fen, payment.currency)
    values = column_values(notification, parse_events(cell), *about) if changes_state(cell) else {}
    refunded_fen = _refunded_fen(notification, *about)
    if payment.paid and refunded_fen > payment.refunded_fen:
        values.setdefault("refunded_fen", refunded_fen)
    if row == CLOSED_UNPAID and cell == "duplicate" and notification.is_refund:
        # It was paid and refunded in between: older news of the sale must not make one of it.
        values["refunded_fen"] = payment.total_fen
    return cell, values


def check_match(payment: Any, notification: Notification) -> None:
    """Checks that the news is about exactly the payment's money.

    :raises PaymentMismatch: otherwise.
    """
    amounts = dict(notification.amounts)
    if payment.currency not in amounts:
        raise mismatch("currency", payment.currency, notification.currency, notification)
    received = amounts[payment.currency]
    if payment.total_fen != received:
        currency = payment.currency
        expected = format_amount(payment.total_fen, currency)
        raise mismatch("total_amount", expected, format_amount(received, currency), notification)


def mismatch(
    field: str, expected: object, received: object, notification: Notification
) -> PaymentMismatch:
    """Returns the refusal of news that contradicts the ledger."""
    return PaymentMismatch(
        field,
        expected,
        received,
        out_trade_no=notification.out_trade_no,
        notify_id=notification.notify_id,
    )


def _refunded_fen(notification: Notification, total_fen: int, currency: str) -> int:
    """What went back, of a payment: all of it or, where the news tells it in the payment's own
    currency, a part. What a part in another one is worth, only the merchant's account knows.
    """
    told = notification.refunded_fen or 0
    if told >= notification.total_fen:
        return total_fen
    return told if notification.currency == currency else 0


def _other_trade(payment: Any, notification: Notification) -> bool:
    """A second trade at Alipay for a payment that a first one has paid."""
    numbers = (payment.trade_no, notification.trade_no)
    return payment.paid and all(numbers) and numbers[0] != numbers[1]
