"""The cashier page and the other pages of the simulator, and its Flask blueprint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...exceptions import InvalidParameter
from ...protocol.banks import CHECKOUT_BANKS, bank_name
from ...protocol.content_policy import allow_view_options
from ...protocol.conversion import NO_MINOR_UNIT, format_amount, format_china_time
from ...protocol.i18n import N_, translate
from ..faults import RESPONSE_FAULTS, TIMED, TO_NOTIFICATIONS
from ..notifications.messages import SAMPLES
from ..trades.batches import TRANSFERS, WAITING, Batch
from ..trades.exchange_rates import to_rmb
from ..trades.funding import BALANCE, CREDIT, DEBIT_CARD, check_fund, credit_card
from ..trades.trades import Order, Trade, TradeEvent
from .agreement_pages import add_agreement_pages, describe
from .control_api import add_control
from .gateways import add_gateways
from .network import is_loopback, lan_url
from .oauth_pages import add_oauth_pages
from .preauthorization_pages import add_preauthorization_pages
from .qr_codes import framed_qr_code, qr_code
from .rejections import ActionRejected, reject_strangers
from .responses import language, no_store, plain, problem, render_page

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

    from ..simulator import Simulator

_TEMPLATES = Path(__file__).parent.parent.parent / "templates"
_PHONE = re.compile(r"Mobi|Android|iPhone|iPod", re.IGNORECASE)
# The most entries of a batch that its page lists.
_MAX_SHOWN = 50

_FUND_NAMES = {BALANCE: N_("Test balance"), CREDIT: N_("Test credit (Huabei)")}

# Which endings the shop is notified of.
_NOTE = N_("Whichever you choose, the shop is sent a signed notification, as Alipay would.")
_NOTE_FOREIGN = N_(
    "If you pay, the shop is sent a signed notification. Of a trade in foreign money Alipay tells "
    "nothing else."
)
_NOTE_DIRECT = N_(
    "If you pay, the shop is sent a signed notification. The legacy gateway sends none of a direct "
    "payment that was not made."
)


def simulator_blueprint(simulator: Simulator, name: str = "simulator") -> Blueprint:
    """Build a blueprint of a simulator's gateway, cashier and control pages.

    Its forms need no CSRF token: exempt it in an app with Flask-WTF's ``CSRFProtect``.

    :param simulator: does the work; the blueprint only speaks HTTP.
    :param name: the blueprint's name.
    """
    blueprint = Blueprint(name, __name__, template_folder=str(_TEMPLATES))
    views = _Views(simulator)
    add_gateways(blueprint, simulator)
    add_control(blueprint, simulator)
    add_oauth_pages(blueprint, simulator)
    add_preauthorization_pages(blueprint, simulator)
    add_agreement_pages(blueprint, simulator)
    blueprint.add_url_rule("/", "control", views.control)
    blueprint.add_url_rule("/cashier/<cashier_id>", "cashier", views.cashier)
    blueprint.add_url_rule("/cashier/<cashier_id>/follow", "follow", views.follow)
    blueprint.add_url_rule(
        "/cashier/<cashier_id>/<any(pay, deposit, confirm, close, expire):event>",
        "act",
        views.act,
        methods=["POST"],
    )
    blueprint.add_url_rule("/batch/<batch_id>", "batch", views.batch)
    blueprint.add_url_rule(
        "/batch/<batch_id>/<any(confirm, refuse):action>",
        "end_batch",
        views.end_batch,
        methods=["POST"],
    )
    blueprint.record(_set_content_policy)
    return blueprint


def _set_content_policy(setup: BlueprintSetupState) -> None:
    """Keep the pages working in an app with Flask-Talisman."""
    prefix = ".".join(filter(None, (setup.name_prefix, setup.name, "")))
    views = setup.app.view_functions
    endpoints = [endpoint for endpoint in views if endpoint.startswith(prefix)]
    allow_view_options(views, endpoints, own_policy=True)


class _Views:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def control(self) -> BaseResponse:
        """Show trades and notifications live, with buttons for their events."""
        try:
            reject_strangers()
        except ActionRejected as error:
            return problem("elsewhere", error.status, f"Not served: {error}.")
        dialects = self._simulator.dialects
        return render_page(
            "control.html",
            kinds={"to_notifications": TO_NOTIFICATIONS, "to_answers": RESPONSE_FAULTS},
            timed=TIMED,
            messages={kind: dict(sample) for kind, sample in SAMPLES.items()},
            message_url=self._simulator.messages.url,
            methods=[*dialects.openapi.methods, *dialects.mapi.services],
        )

    def cashier(self, cashier_id: str) -> BaseResponse:
        """Show the order, or its result, to the buyer."""
        trade = self._simulator.find_by_cashier(cashier_id)
        if trade is None:
            return render_page("message.html", 404, topic="lost")
        if trade.waiting:
            return self._cashier_page(trade)
        if trade.in_escrow:
            return self._escrow_page(trade)
        return self._outcome_page(trade)

    def act(self, cashier_id: str, event: str) -> BaseResponse:
        """Handle the buyer's button; a paid buyer is redirected to the shop."""
        try:
            paid_with = _chosen_fund()
        except InvalidParameter as error:
            return problem("invalid", 400, f"{error}.", parameter=error.parameter)
        # Without the field no agreement was shown; the box on the page sends it twice.
        sign = "on" in request.form.getlist("sign") or "sign" not in request.form
        trade = self._simulator.cashier_event(cashier_id, event, paid_with, sign=sign)
        if trade is None:
            return render_page("message.html", 404, topic="lost")
        if trade.waiting and paid_with and not trade.order.choose_fund(paid_with):
            return problem("fund", 400, "The shop does not take that for this order.")
        if event in (TradeEvent.PAY, TradeEvent.DEPOSIT) and trade.paid and trade.order.return_url:
            return no_store(redirect(self._simulator.return_url(trade), 303))
        return no_store(redirect(url_for(".cashier", cashier_id=cashier_id), 303))

    def follow(self, cashier_id: str) -> BaseResponse:
        """Return the trade's status for the page's script, and the URL of another page if there is
        one.
        """
        trade = self._simulator.find_by_cashier(cashier_id)
        if trade is None:
            return plain("There is no such payment here.", 404)
        shop_url = self._simulator.return_url(trade) if _is_over(trade) and trade.paid else ""
        go_to = shop_url or url_for(".cashier", cashier_id=cashier_id)
        return no_store(jsonify({"trade_status": trade.status, "go_to": go_to}))

    def batch(self, batch_id: str) -> BaseResponse:
        """Show a batch that waits for confirmation, or its result, to the merchant."""
        batch = self._simulator.batches.by_id(batch_id)
        if batch is None:
            return render_page("message.html", 404, topic="lost")
        return render_page(
            "batch.html",
            batch=batch,
            entries=_entries(batch),
            more=max(0, len(batch.entries) - _MAX_SHOWN),
            total=format_amount(batch.total_fen),
            waiting=batch.status == WAITING,
            transfers=batch.kind == TRANSFERS,
            unheard=batch.status != WAITING and self._simulator.is_unacknowledged(batch.batch_no),
        )

    def end_batch(self, batch_id: str, action: str) -> BaseResponse:
        """Handle the merchant's button, and show the result."""
        batch = self._simulator.complete_batch(batch_id, confirm=action == "confirm")
        if batch is None:
            return render_page("message.html", 404, topic="lost")
        return no_store(redirect(url_for(".batch", batch_id=batch_id), 303))

    def _cashier_page(self, trade: Trade) -> BaseResponse:
        order = trade.order
        limit = order.expires_at
        left = None if limit is None else limit - self._simulator.clock.now()
        on_phone = _PHONE.search(request.user_agent.string) is not None
        in_frame = request.headers.get("Sec-Fetch-Dest") == "iframe"
        address = lan_url(request.base_url, str(request.environ.get("SERVER_NAME", "")))
        return render_page(
            "framed_code.html" if in_frame else "cashier.html",
            frame_ancestors="'self' http: https:" if in_frame else "'self'",
            **self._about(trade),
            banks=_banks(order),
            chosen=order.choose_fund(),
            # Rounded up: when the page reaches zero, the trade is over here, too.
            seconds_left=None if left is None else int(left.total_seconds()) + 1,
            pay_before=None if limit is None else format_china_time(limit),
            in_yuan=_in_yuan(order),
            note=_note(order),
            agreement=self._agreement(order),
            instant=TradeEvent.DEPOSIT not in order.payment_events
            or TradeEvent.PAY in order.payment_events,
            escrow=TradeEvent.DEPOSIT in order.payment_events,
            # A phone that shows the page need not scan it.
            qr=framed_qr_code(address) if in_frame else None if on_phone else qr_code(address),
            address=address,
            phone_cannot=is_loopback(urlsplit(address).hostname or ""),
        )

    def _agreement(self, order: Order) -> dict[str, Any] | None:
        """Return the agreement that the buyer may sign together with the payment."""
        found = self._simulator.wallet.registry.store.by_page(order.sign_page)
        if found is None or found.agreement_no:
            return None
        return describe(found, self._simulator.clock.now())

    def _escrow_page(self, trade: Trade) -> BaseResponse:
        return render_page(
            "escrow.html",
            **self._about(trade),
            sent=trade.sent_at is not None,
            unheard=self._simulator.is_unacknowledged(trade.order.out_trade_no),
            shop_url=self._simulator.return_url(trade),
        )

    def _outcome_page(self, trade: Trade) -> BaseResponse:
        ending = "paid" if trade.paid else "closed"
        if trade.ended_by == TradeEvent.EXPIRE:
            ending = "expired"
        if trade.refunded_fen == trade.order.total_fen:
            ending = "refunded"
        return render_page(
            "outcome.html",
            **self._about(trade),
            ending=ending,
            paid_with=_fund_name(trade.paid_with),
            unheard=self._simulator.is_unacknowledged(trade.order.out_trade_no),
            shop_url=self._simulator.return_url(trade),
        )

    def _about(self, trade: Trade) -> dict[str, Any]:
        return {
            "trade": trade,
            "order": trade.order,
            "total": _money(trade.order),
            "seller": self._simulator.merchant.seller_email,
        }


def _chosen_fund() -> str:
    """Return the buyer's choice on the page, empty without one."""
    chosen = request.form.get("with", "")
    if chosen == "bank":
        chosen = request.form.get("bank", "")
        return check_fund(chosen)
    return check_fund(chosen) if chosen else ""


def _banks(order: Order) -> list[tuple[str, str]]:
    """Return codes and names of the merchant's banks, including the one that was chosen in the
    shop.
    """
    offered = CHECKOUT_BANKS if DEBIT_CARD in order.funds else map(credit_card, CHECKOUT_BANKS)
    codes = dict.fromkeys(offered)
    if order.bank and order.bank not in codes:
        codes = {order.bank: None, **codes}
    return [
        (code, translate(bank_name(code), language())) for code in codes if order.choose_fund(code)
    ]


def _fund_name(paid_with: str) -> str:
    """Return the name of the payment channel."""
    return translate(_FUND_NAMES.get(paid_with) or bank_name(paid_with), language())


def _is_over(trade: Trade) -> bool:
    return not trade.waiting and not trade.in_escrow


def _money(order: Order) -> str:
    """Format an amount for people: without decimals if the currency has no minor unit."""
    if order.currency == "CNY":
        return f"¥{format_amount(order.total_fen)}"
    whole = order.currency in NO_MINOR_UNIT
    return f"{order.currency} {order.total_fen if whole else format_amount(order.total_fen)}"


def _note(order: Order) -> str:
    """Return the text that says which endings the shop is notified of."""
    if order.currency != "CNY":
        return _NOTE_FOREIGN
    direct = order.protocol == "mapi" and TradeEvent.DEPOSIT not in order.payment_events
    return _NOTE_DIRECT if direct else _NOTE


def _in_yuan(order: Order) -> str:
    """Return the amount of a foreign order in yuan, empty for an order in yuan."""
    if order.currency == "CNY":
        return ""
    rmb_fen = to_rmb(order.total_fen, order.currency) if order.rmb_fen is None else order.rmb_fen
    return f"¥{format_amount(rmb_fen)}"


def _entries(batch: Batch) -> list[dict[str, str]]:
    errors = {done.entry.number: done.error for done in batch.outcomes}
    return [
        {
            "number": entry.number,
            "amount": format_amount(entry.fen),
            "note": entry.note,
            "payee": " · ".join(filter(None, (entry.name, entry.account))),
            "error": errors.get(entry.number, ""),
        }
        for entry in batch.entries[:_MAX_SHOWN]
    ]
