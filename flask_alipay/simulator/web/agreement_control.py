"""JSON control of agreements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from flask import url_for

from ...protocol.conversion import format_amount
from ..trades.agreements import Agreement
from .rejections import ActionRejected

if TYPE_CHECKING:
    from ..simulator import Simulator

#: What can happen to an agreement: the buyer signs or ends it, its time is over, the buyer has no
#: money for deductions, or has it again.
AGREEMENT_EVENTS: Final = ("sign", "end", "expire", "empty", "fill")


class AgreementControl:
    """Views of agreements.

    :param simulator: does the work.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        events = ", ".join(AGREEMENT_EVENTS)
        #: The routes: path, endpoint, view and method.
        self.rules: tuple[tuple[str, str, Callable[..., Any], str], ...] = (
            ("/agreements", "agreements", self.agreements, "GET"),
            (
                f"/agreements/<number>/<any({events}):action>",
                "change_agreement",
                self.change,
                "POST",
            ),
        )

    def agreements(self) -> tuple[dict[str, Any], ...]:
        """Return the agreements, also those that are not signed, the oldest first."""
        now, store = self._simulator.clock.now(), self._simulator.wallet.registry.store
        return tuple(agreement_to_dict(each, now) for each in store.all())

    def change(self, number: str, action: str) -> dict[str, Any]:
        """Apply an event to an agreement.

        :param number: Alipay's number, the merchant's, or the identifier of the page.
        """
        wallet = self._simulator.wallet
        agreement = wallet.registry.store.find(number)
        if agreement is None:
            raise ActionRejected(404, "there is no agreement with this number")
        before = agreement_to_dict(agreement, self._simulator.clock.now())
        if action not in before["can"]:
            raise ActionRejected(409, f"cannot {action} an agreement that is {before['status']}")
        page_id, agreement_no = agreement.page_id, agreement.agreement_no
        events: dict[str, Callable[[], object]] = {
            "sign": lambda: wallet.sign(page_id),
            "end": lambda: wallet.end(agreement_no),
            "expire": lambda: wallet.expire(agreement_no),
            "empty": lambda: wallet.fund(agreement_no, False),
            "fill": lambda: wallet.fund(agreement_no, True),
        }
        events[action]()
        changed = wallet.registry.store.by_page(page_id) or agreement
        return agreement_to_dict(changed, self._simulator.clock.now())


def agreement_to_dict(agreement: Agreement, now: datetime) -> dict[str, Any]:
    """Convert an agreement, with the events that it ``can`` have next."""
    requested, rule = agreement.request, agreement.request.rule
    in_force = agreement.in_force(now)
    can = [] if agreement.agreement_no else ["sign"]
    if in_force:
        can += ["end", "expire", "empty" if agreement.funded else "fill"]
    limits: dict[str, Any] = {}
    if rule is not None:
        limits = {
            "period_type": rule.period_type,
            "period": rule.period,
            "single_amount": format_amount(rule.single_fen),
            "total_amount": None if rule.total_fen is None else format_amount(rule.total_fen),
            "total_payments": rule.total_payments,
            "next_date": agreement.next_date or rule.execute_time,
        }
    return {
        "agreement_no": agreement.agreement_no or None,
        "external_agreement_no": requested.external_agreement_no or None,
        "page_id": agreement.page_id,
        "status": "EXPIRED" if agreement.expired(now) else agreement.status,
        "can": can,
        "personal_product_code": requested.personal_product_code,
        "sign_scene": requested.sign_scene,
        **limits,
        "funded": agreement.funded,
        "ended_by": agreement.ended_by or None,
        "deductions": [one.out_trade_no for one in agreement.deductions],
        "deducted_amount": format_amount(agreement.deducted_fen),
        "signed_at": _time(agreement.signed_at),
        "valid_until": _time(agreement.valid_until),
        "ended_at": _time(agreement.ended_at),
        "page_url": url_for(".sign_page", page_id=agreement.page_id, _external=True),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
