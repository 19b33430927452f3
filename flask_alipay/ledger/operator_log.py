"""The record of operators' actions: rows of the journal beside Alipay's notifications."""

from __future__ import annotations

from typing import Any

from .history import OPERATOR
from .journal import Journal, JournalEntry
from .session import LedgerSession
from .settlement import Models

_MAX_NAME = 64


def record_action(
    session: Any,
    models: Models,
    merchant: str,
    *,
    operator: str,
    action: str,
    out_trade_no: str = "",
    trade_status: str = "",
    detail: str = "",
    result: str = "",
) -> None:
    """Record an operator's action, or its result, in a separate transaction.

    Without a journal nothing is recorded.

    :param session: the application's session; pending changes are rolled back.
    :param operator: the operator's name; cut to 64 characters.
    :param action: for example ``refund``.
    :param out_trade_no: the payment; empty for an action on many.
    :param trade_status: the payment's status at that time.
    :param detail: for example the amount; no buyer data.
    :param result: ``done``, or the name of an exception; empty before the action.
    """
    ledger_session = LedgerSession(session)
    journal = Journal(ledger_session, models.Payment, models.Notification, merchant)
    if not journal.enabled:
        return
    name = operator[:_MAX_NAME]
    entry = JournalEntry(
        out_trade_no=out_trade_no,
        trade_no=None,
        trade_status=trade_status,
        notify_id=None,
        payload={OPERATOR: name, "action": action, "detail": detail, "result": result},
    )
    ledger_session.roll_back()
    details = " · ".join(filter(None, (detail, result)))
    summary = f"{action} by {name}"
    journal.write(entry, "recorded", f"{summary}: {details}" if details else summary)
    ledger_session.session.commit()
