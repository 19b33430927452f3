"""Pages on which the buyer signs, sees and ends agreements, and the link that opens the wallet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...protocol.agreements import AgreementStatus
from ...protocol.conversion import format_amount, format_china_time
from ..agreements import too_old
from ..trades.agreements import Agreement
from ..trades.periods import china_day
from .forms import InvalidForm, RawForm
from .responses import no_store, problem, render_page, respond
from .visited import base_url

if TYPE_CHECKING:
    from ..simulator import Simulator

# The page for agreements in Alipay's app, which is the same for all merchants (#50).
_WALLET_APP: Final = "60000157"


def add_agreement_pages(blueprint: Blueprint, simulator: Simulator) -> None:
    """Add the pages of agreements.

    :param blueprint: the simulator's.
    :param simulator: does the work.
    """
    views = _Agreements(simulator)
    rules = (
        ("/sign/<page_id>", "sign_page", views.page, ["GET", "POST"]),
        ("/wallet", "wallet", views.wallet, ["GET"]),
        ("/wallet/<agreement_no>/end", "end_agreement", views.end, ["POST"]),
        ("/platformapi/startapp", "open_wallet", views.open_wallet, ["GET"]),
    )
    for rule, endpoint, view, methods in rules:
        blueprint.add_url_rule(rule, endpoint, view, methods=methods)


class _Agreements:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def page(self, page_id: str) -> BaseResponse:
        """Show what there is to sign, or the result; sign it by the buyer's button."""
        wallet = self._simulator.wallet
        if request.method == "POST" and request.form.get("decision") == "sign":
            agreement = wallet.sign(page_id)
            if agreement is not None and agreement.agreement_no and agreement.request.return_url:
                return no_store(redirect(wallet.return_url(agreement), 303))
        else:
            agreement = wallet.registry.store.by_page(page_id)
        if agreement is None:
            return render_page("message.html", 404, topic="no_agreement")
        if request.method == "POST":
            if request.form.get("decision") == "refuse":
                return render_page("message.html", topic="not_signed")
            return no_store(redirect(url_for(".sign_page", page_id=page_id), 303))
        now = self._simulator.clock.now()
        if agreement.status == AgreementStatus.TEMP and too_old(agreement, now):
            return render_page("message.html", 410, topic="sign_too_late")
        shop_url = wallet.return_url(agreement)
        return render_page(
            "sign.html", **self._about(), shop_url=shop_url, agreement=describe(agreement, now)
        )

    def wallet(self) -> BaseResponse:
        """Show the buyer's agreements."""
        now, store = self._simulator.clock.now(), self._simulator.wallet.registry.store
        signed = [one for one in reversed(store.all()) if one.agreement_no]
        shown = [describe(one, now) for one in signed]
        return render_page("wallet.html", **self._about(), agreements=shown)

    def end(self, agreement_no: str) -> BaseResponse:
        """End an agreement as the buyer."""
        if self._simulator.wallet.registry.store.by_no(agreement_no) is None:
            return render_page("message.html", 404, topic="no_agreement")
        self._simulator.wallet.end(agreement_no)
        return no_store(redirect(url_for(".wallet"), 303))

    def open_wallet(self) -> BaseResponse:
        """Open a link of Alipay's app: ``alipays://platformapi/startapp?…&sign_params=…``, with the
        address of the simulator and a slash instead of ``alipays://``.
        """
        if request.args.get("appId") != _WALLET_APP:
            return problem("invalid", 400, f"appId must be {_WALLET_APP}.", parameter="appId")
        try:
            form = RawForm(request.args.get("sign_params", "").encode("utf-8"))
        except InvalidForm as error:
            return problem("invalid", 400, f"The request {error}.", parameter="sign_params")
        root = self._simulator.base_url or base_url(request, "/platformapi/startapp")
        return respond(self._simulator.reply(form, root))

    def _about(self) -> dict[str, Any]:
        return {"seller": self._simulator.merchant.seller_email}


def describe(agreement: Agreement, now: datetime) -> dict[str, Any]:
    """Return what pages show of an agreement; amounts in yuan, days and times in China."""
    requested, rule = agreement.request, agreement.request.rule
    state = agreement.status
    if agreement.expired(now):
        state = "expired"
    return {
        "page_id": agreement.page_id,
        "agreement_no": agreement.agreement_no,
        "external_agreement_no": requested.external_agreement_no,
        "logon_id": requested.external_logon_id,
        "product": requested.personal_product_code,
        "scene": requested.sign_scene,
        "state": state,
        "in_force": agreement.in_force(now),
        "ended_by": agreement.ended_by,
        "unit": "" if rule is None else rule.period_type,
        "period": 0 if rule is None else rule.period,
        "first": "" if rule is None else rule.execute_time,
        "single": "" if rule is None else f"¥{format_amount(rule.single_fen)}",
        "total": f"¥{format_amount(rule.total_fen)}" if rule and rule.total_fen else "",
        "payments": (rule and rule.total_payments) or 0,
        "next": agreement.next_date,
        "deducted": f"¥{format_amount(agreement.deducted_fen)}",
        "count": len(agreement.deductions),
        "signed_at": _time(agreement.signed_at),
        "valid_until": _time(agreement.valid_until),
        "validity": requested.validity,
        "ended_at": _time(agreement.ended_at),
        "deductions": [
            {
                "out_trade_no": one.out_trade_no,
                "amount": f"¥{format_amount(one.fen)}",
                "day": china_day(one.at),
            }
            for one in reversed(agreement.deductions)
        ],
    }


def _time(at: datetime | None) -> str:
    return "" if at is None else format_china_time(at)
