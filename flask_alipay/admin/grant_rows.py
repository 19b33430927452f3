"""Authorizations and agreements as texts: statuses, periods, masked payers, histories."""

from __future__ import annotations

from typing import Any

from ..ledger.grant_attention import GrantProblem
from ..ledger.grant_history import ReleaseEntry
from ..ledger.history import Event
from ..protocol.agreements import AgreementStatus
from ..protocol.notification import mask_params
from ..protocol.preauthorizations import AuthorizationStatus
from . import rows
from .texts import AGREEMENTS, AUTHORIZATIONS, PROBLEMS, _, n_


def authorization_status(row: Any) -> str:
    """Return an authorization's status in words: one that was frozen is not merely closed."""
    if row.status == AuthorizationStatus.CLOSED:
        if row.authorized_at is None:
            return _("Closed without freezing")
        return _("Released in full")
    return _(AUTHORIZATIONS.get(row.status, row.status))


def authorization_mark(row: Any) -> str:
    """Return the class of an authorization's mark: ``good``, ``wait`` or ``ended``."""
    marks = {AuthorizationStatus.AUTHORIZED: "good", AuthorizationStatus.INIT: "wait"}
    return marks.get(row.status, "ended")


def agreement_status(row: Any) -> str:
    """Return an agreement's status in words."""
    if row.status == AgreementStatus.UNSIGN and row.signed_at is None:
        return _("Ended, never signed")
    return _(AGREEMENTS.get(row.status, row.status))


def agreement_mark(row: Any) -> str:
    """Return the class of an agreement's mark: ``good``, ``wait``, ``bad`` or ``ended``."""
    marks = {
        AgreementStatus.NORMAL: "good",
        AgreementStatus.TEMP: "wait",
        AgreementStatus.STOP: "bad",
    }
    return marks.get(row.status, "ended")


def amount(fen: int | None) -> str:
    """Return fen for a table; empty if there are none."""
    return rows.amount(fen) if fen else ""


def payer(row: Any, reveal: bool) -> str:
    """Return the payer's number or OpenID, masked unless ``reveal`` is set."""
    value: str = row.payer_user_id or row.payer_open_id or ""
    return value if reveal else mask_params({"buyer_id": value})["buyer_id"]


def period(agreement: Any) -> str:
    """Return the length of an agreement's period in words; empty if it has none."""
    length = agreement.period
    if agreement.period_type is None or length is None:
        return ""
    if agreement.period_type == "MONTH":
        if length == 1:
            return _("every month")
        return n_("every {count} month", "every {count} months", length).format(count=length)
    return n_("every {count} day", "every {count} days", length).format(count=length)


def limits(agreement: Any) -> str:
    """Return the limits of an agreement in words; empty if it has none."""
    found = []
    if agreement.single_fen is not None:
        text = _("at most {amount} each time")
        found.append(text.format(amount=rows.money(agreement.single_fen)))
    if agreement.total_fen is not None:
        found.append(_("at most {amount} in all").format(amount=rows.money(agreement.total_fen)))
    if agreement.total_payments is not None:
        number = agreement.total_payments
        text = n_("at most {count} deduction", "at most {count} deductions", number)
        found.append(text.format(count=number))
    return " · ".join(found)


def problem(agreement: Any) -> str:
    """Return the deduction without a result, or Alipay's code of the last one if it failed."""
    if agreement.charge_no:
        return _("{number} has no result").format(number=agreement.charge_no)
    return agreement.error_code or ""


def problem_text(found: GrantProblem) -> str:
    """Return a kind of problem in words."""
    return _(PROBLEMS[found.kind])


def event_text(event: Event) -> tuple[str, str]:
    """Return an event of a history in words, and its details."""
    row = event.row
    plain = {
        "created": _("Created"),
        "sent": _("Sent to Alipay"),
        "expired": _("Time to authorise ended"),
        "authorized": _("Amount frozen"),
        "signed": _("Agreement signed"),
        "finished": _("Finished"),
        "closed": _("Closed"),
        "ended": _("Agreement ended"),
    }
    if event.kind in plain:
        return plain[event.kind], ""
    if isinstance(row, ReleaseEntry):
        released = event.kind == "released"
        text = _("Amount released") if released else _("Release without a result")
        return text, f"{rows.money(row.fen)} · {row.out_request_no}"
    if event.kind in ("paid", "failed"):
        text = _("Payment received") if event.kind == "paid" else _("Payment failed")
        return text, f"{rows.money(row.total_fen)} · {row.subject}"
    return rows.event_text(event, "CNY")
