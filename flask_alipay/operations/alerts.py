"""Alerts for operators: one log line at ``ERROR``, and a signal."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import CallbackFailed, NotificationRefused, PaymentMismatch
from ..ledger.journal import Journal
from ..ledger.leases import pending_refunds, pending_transfers
from ..ledger.session import LedgerSession
from ..models import utc_now
from ..protocol.log_text import loggable
from ..signals import Alert, attention_needed
from .settlement import send_signal

if TYPE_CHECKING:
    from ..merchant import Merchant

#: A handler of this logger receives alerts and nothing else.
logger = logging.getLogger("flask_alipay.alerts")

#: A refund whose result is unknown for longer needs an operator.
UNRESOLVED: Final = timedelta(hours=1)
_NO_RESULT: Final = "{} have had no result for an hour"
# The numbers that an alert names.
_MAX_NUMBERS: Final = 20
# The alert is sent at this report of a payment with the outcome: Alipay retries, and a callback may
# have failed once because of a restart.
_AT: Final = {"mismatched": 1, "callback_failed": 2}


def send_alert(merchant: Merchant, alert: Alert) -> None:
    """Log an alert and send the signal.

    :param merchant: the merchant of the current app.
    """
    extra = {"alert": alert.kind, "out_trade_nos": alert.numbers}
    logger.error("%s: %s", alert.kind, alert.message, extra=extra)
    send_signal(merchant, attention_needed, alert=alert)


def alert_about_rejection(merchant: Merchant, error: Exception) -> None:
    """Send the alert for a report that contradicts the ledger, or whose callback failed again.

    Alipay retries a notification and reconciliation repeats its query: the alert is sent once for
    each payment (or message about no payment) and kind, if there is a journal to count in.

    :param error: the report's rejection; other exceptions cause no alert.
    """
    if not isinstance(error, (PaymentMismatch, CallbackFailed)):
        return
    number = error.out_trade_no or ""
    times = _count(merchant, number, error)
    if times is None or times == _AT[error.reason]:
        message = f"{loggable(number or error.notify_id)}: {error}"
        numbers = (number,) if number else ()
        send_alert(merchant, Alert(error.reason, message, numbers, times or 1))


def alert_about_refunds(merchant: Merchant) -> None:
    """Send one alert for all refunds whose result has been unknown for an hour."""
    Refund: Any = merchant.models.Refund
    if Refund is None:
        return
    pending = pending_refunds(Refund, merchant.config.merchant, utc_now() - UNRESOLVED)
    number = pending.column["out_trade_no"]
    session = LedgerSession(merchant.session)
    found = session.read(select(number).where(*pending.condition).order_by(number), Refund)
    numbers = tuple(found.scalars())
    session.roll_back()
    alert_about_numbers(merchant, "refund_unresolved", _NO_RESULT.format("refunds"), numbers)


def alert_about_transfers(merchant: Merchant) -> None:
    """Send one alert for all transfers to which no response has arrived for an hour."""
    Transfer: Any = merchant.models.Transfer
    if Transfer is None:
        return
    pending = pending_transfers(Transfer, merchant.config.merchant, utc_now() - UNRESOLVED)
    # A transfer with a number of Alipay's is on its way to a bank.
    unanswered = (*pending.condition, pending.column["order_id"].is_(None))
    number = pending.column["out_biz_no"]
    session = LedgerSession(merchant.session)
    found = session.read(select(number).where(*unanswered).order_by(number), Transfer)
    numbers = tuple(found.scalars())
    session.roll_back()
    alert_about_numbers(merchant, "transfer_unresolved", _NO_RESULT.format("transfers"), numbers)


def alert_about_bill(merchant: Merchant, date: str, count: int) -> None:
    """Send the alert for a bill that differs from the ledger.

    :param date: the date of the bill, in China.
    :param count: the number of differences, above zero.
    """
    message = f"the bill of {date} and the ledger have {count} differences"
    send_alert(merchant, Alert("bill_differs", message, (), count))


def alert_about_numbers(merchant: Merchant, kind: str, text: str, numbers: tuple[str, ...]) -> None:
    """Send one alert for all numbers, if there are any.

    :param kind: see :class:`~flask_alipay.signals.Alert`.
    :param text: in English, about the numbers; it follows their count.
    """
    if numbers:
        named = ", ".join(loggable(each) or "" for each in numbers[:_MAX_NUMBERS])
        message = f"{len(numbers)} {text}: {named}"
        send_alert(merchant, Alert(kind, message, numbers[:_MAX_NUMBERS], len(numbers)))


def _count(merchant: Merchant, number: str, error: NotificationRefused) -> int | None:
    """Return the number of reports of a payment with this outcome; ``None`` without a journal."""
    models, session = merchant.models, LedgerSession(merchant.session)
    journal = Journal(session, models.Payment, models.Notification, merchant.config.merchant)
    if not journal.enabled:
        return None
    try:
        return journal.count(number, error.reason, None if number else error.notify_id)
    except SQLAlchemyError:
        return None
    finally:
        session.roll_back()
