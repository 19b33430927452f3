"""The record of operators' actions: rows of the journal beside Alipay's notifications."""

from __future__ import annotations

from typing import Any

from .history import ABOUT, OPERATOR, PAYMENT
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
    about: str = PAYMENT,
    trade_status: str = "",
    detail: str = "",
    result: str = "",
) -> None:
    """Record an operator's action, or its result, in a separate transaction.

    Without a journal nothing is recorded.

    :param session: the application's session; pending changes are rolled back.
    :param operator: the operator's name; cut to 64 characters.
    :param action: for example ``refund``.
    :param out_trade_no: the number of the payment, authorization or agreement; empty for an action
        on many.
    :param about: the kind of thing that has the number, see :func:`.history.subject_of`.
    :param trade_status: its status at that time.
    :param detail: for example the amount; no buyer data.
    :param result: ``done``, or the name of an exception; empty before the action.
    """
    ledger_session = LedgerSession(session)
    journal = Journal(ledger_session, models.Payment, models.Notification, merchant)
    if not journal.enabled:
        return
    name = operator[:_MAX_NAME]
    payload = {OPERATOR: name, "action": action, "detail": detail, "result": result}
    if about != PAYMENT:
        payload[ABOUT] = about
    entry = JournalEntry(
        out_trade_no=out_trade_no,
        trade_no=None,
        trade_status=trade_status,
        notify_id=None,
        payload=payload,
    )
    ledger_session.roll_back()
    details = " · ".join(filter(None, (detail, result)))
    summary = f"{action} by {name}"
    journal.write(entry, "recorded", f"{summary}: {details}" if details else summary)
    ledger_session.session.commit()
