"""JSON control of the simulator, for scripts and tests in any language.

Other hosts, and pages of other sites, are rejected: see :func:`~.rejections.reject_strangers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from ...exceptions import AlipayError
from ...protocol.conversion import format_amount, to_minor_units
from ..faults import read_fault
from ..notifications.messages import SAMPLES
from ..trades.batches import WAITING
from ..trades.funding import check_fund
from ..trades.orders import PAYING
from ..trades.periods import months_later
from ..trades.trades import TRANSITIONS, Trade
from ..trades.transfers import TRANSFER_EVENTS
from .agreement_control import AgreementControl
from .json_bodies import read_body
from .manual_orders import read_order
from .preauthorization_control import PreauthorizationControl
from .rejections import ActionRejected, reject_strangers
from .responses import no_store
from .serializers import (
    app_token_to_dict,
    batch_to_dict,
    delivery_to_dict,
    trade_to_dict,
    transfer_to_dict,
)
from .trade_search import page_number, page_of, search

if TYPE_CHECKING:
    from ..simulator import Simulator

Shown = TypeVar("Shown")

# What may be wished to happen to a trade: whatever can happen to one.
_ACTIONS: Final = tuple(sorted({event for _, event in TRANSITIONS}))
# Timetables go no further; datetime itself ends in the year 9999.
_MAX_SECONDS: Final = 366 * 24 * 3600
_MAX_MONTHS: Final = 12


def add_control(blueprint: Blueprint, simulator: Simulator) -> None:
    """Add the routes that show trades and deliveries and control them.

    :param blueprint: the simulator's.
    :param simulator: does the work; the addresses only speak JSON.
    """
    views = _Control(simulator)
    rules = (
        ("/trades", "trades", views.trades, "GET"),
        ("/trades", "create_trade", views.create_trade, "POST"),
        ("/trades/<out_trade_no>", "trade", views.trade, "GET"),
        (
            f"/trades/<out_trade_no>/<any({', '.join(_ACTIONS)}):action>",
            "happen",
            views.happen,
            "POST",
        ),
        ("/trades/<out_trade_no>/refund", "refund", views.refund, "POST"),
        ("/trades/<out_trade_no>/deliver", "deliver", views.deliver, "POST"),
        ("/deliveries", "deliveries", views.deliveries, "GET"),
        ("/deliveries/<notify_id>/deliver", "deliver_one", views.deliver_one, "POST"),
        ("/batches", "batches", views.batches, "GET"),
        ("/batches/<batch_id>/<any(confirm, refuse):action>", "decide", views.end_batch, "POST"),
        ("/authorizations", "authorizations", views.authorizations, "GET"),
        ("/authorizations/<auth_app_id>/withdraw", "withdraw", views.withdraw, "POST"),
        ("/transfers", "transfers", views.transfers, "GET"),
        (
            f"/transfers/<out_biz_no>/<any({', '.join(TRANSFER_EVENTS)}):action>",
            "change_transfer",
            views.change_transfer,
            "POST",
        ),
        *views.preauthorizations.rules,
        *views.agreements.rules,
        ("/messages", "messages", views.messages, "GET"),
        ("/messages", "send_message", views.send_message, "POST"),
        ("/messages/activate", "activate", views.activate, "POST"),
        ("/live", "live", views.live, "GET"),
        ("/faults", "faults", views.faults, "GET"),
        ("/faults", "add_fault", views.add_fault, "POST"),
        ("/faults", "clear_faults", views.clear_faults, "DELETE"),
        ("/clock", "clock", views.clock, "GET"),
        ("/clock", "advance", views.advance, "POST"),
    )
    for rule, endpoint, view, method in rules:
        blueprint.add_url_rule(rule, endpoint, _guarded(view), methods=[method])


class _Control:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.preauthorizations = PreauthorizationControl(simulator)
        self.agreements = AgreementControl(simulator)

    def trades(self) -> Any:
        """Return the trades, the oldest first; optionally only those that match ``q``, of a
        ``page``, or the ``latest`` ones.
        """
        found, number = self._found(), page_number(request.args.get("page"))
        shown = _latest(tuple(found)) if number is None else page_of(found, number).trades
        return [trade_to_dict(trade) for trade in shown]

    def create_trade(self) -> Any:
        """Create a trade that its buyer can pay on its cashier page."""
        return trade_to_dict(self._simulator.create_trade(read_order(read_body(), self._simulator)))

    def trade(self, out_trade_no: str) -> Any:
        """Return one trade."""
        self._simulator.apply_event(out_trade_no, None)
        return trade_to_dict(self._known(out_trade_no))

    def happen(self, out_trade_no: str, action: str) -> Any:
        """Apply an event to a trade; ``pay`` depends on the kind of order."""
        trade, paid_with = self._known(out_trade_no), _fund(read_body())
        step = self._simulator.apply_event(out_trade_no, action, paid_with)
        if step is None or step.event is None or step.event != trade.resolve_event(action):
            now = self._known(out_trade_no)
            if (
                trade.resolve_event(action) in PAYING
                and now.waiting
                and not trade.order.choose_fund(paid_with)
            ):
                takes = ", ".join(trade.order.funds) or "nothing"
                raise ActionRejected(409, f"the order does not take it: it takes {takes}")
            raise ActionRejected(409, f"cannot {action} a trade that is {now.status}")
        return trade_to_dict(step.trade)

    def refund(self, out_trade_no: str) -> Any:
        """Refund an amount or, without one, everything that is left."""
        trade = self._known(out_trade_no)
        amount = read_body().get("amount")
        left = trade.order.total_fen - trade.refunded_fen
        if amount is not None and not isinstance(amount, str):
            raise ActionRejected(400, 'amount must be a text like "1.00"')
        fen = (
            left
            if amount is None
            else to_minor_units(amount, trade.order.currency, parameter="amount")
        )
        changed = self._simulator.refund(out_trade_no, fen)
        if changed is None:
            status = f"the trade is {trade.status}, {format_amount(left)} of it is left"
            raise ActionRejected(409, f"cannot refund {format_amount(fen)}: {status}")
        return trade_to_dict(changed)

    def deliver(self, out_trade_no: str) -> Any:
        """Send the last notification of a trade again."""
        self._known(out_trade_no)
        delivery = self._simulator.deliver_again(out_trade_no)
        if delivery is None:
            raise ActionRejected(409, "no notification of this trade has been sent yet")
        return delivery_to_dict(delivery)

    def deliveries(self) -> Any:
        """Return the notifications with their responses and next attempts."""
        return [delivery_to_dict(each) for each in _latest(self._simulator.deliverer.deliveries)]

    def deliver_one(self, notify_id: str) -> Any:
        """Send a notification again."""
        deliveries = self._simulator.deliverer.deliveries
        delivery = next((one for one in deliveries if one.notice.notify_id == notify_id), None)
        if delivery is None:
            raise ActionRejected(404, "there is no notification with this notify_id")
        self._simulator.deliverer.resend(delivery)
        return delivery_to_dict(delivery)

    def batches(self) -> Any:
        """Return the batches of refunds and transfers, the oldest first."""
        return [batch_to_dict(batch) for batch in _latest(self._simulator.batches.all())]

    def end_batch(self, batch_id: str, action: str) -> Any:
        """Confirm or reject a batch as the merchant."""
        batch = self._simulator.batches.by_id(batch_id)
        if batch is None:
            raise ActionRejected(404, "there is no batch with this batch_id")
        if batch.status != WAITING:
            raise ActionRejected(409, f"cannot {action} a batch that is {batch.status}")
        ended = self._simulator.complete_batch(batch_id, confirm=action == "confirm")
        return batch_to_dict(ended or batch)

    def authorizations(self) -> Any:
        """Return the merchants' authorisations of the application, without their tokens."""
        now, openapi = self._simulator.clock.now(), self._simulator.dialects.openapi
        return [app_token_to_dict(each, now) for each in openapi.authorizations.app_tokens()]

    def withdraw(self, auth_app_id: str) -> Any:
        """Withdraw a merchant's authorisation."""
        openapi = self._simulator.dialects.openapi
        if not openapi.authorizations.withdraw(auth_app_id, self._simulator.clock.now()):
            raise ActionRejected(409, "the merchant has not authorised the application")
        return self.authorizations()

    def transfers(self) -> Any:
        """Return the transfers, the oldest first."""
        return [transfer_to_dict(each) for each in _latest(self._simulator.transfers.all())]

    def change_transfer(self, out_biz_no: str, action: str) -> Any:
        """Let the payee's bank confirm or reject a transfer, or return the money."""
        transfer = self._simulator.transfers.get(out_biz_no)
        if transfer is None:
            raise ActionRejected(404, "there is no transfer with this out_biz_no")
        changed = self._simulator.change_transfer(out_biz_no, action)
        if changed is None:
            raise ActionRejected(409, f"cannot {action} a transfer that is {transfer.status}")
        return transfer_to_dict(changed)

    def messages(self) -> Any:
        """Return the kinds of messages with a sample of each, and the address they are sent to."""
        kinds = {kind: dict(sample) for kind, sample in SAMPLES.items()}
        return {"url": self._simulator.messages.url, "kinds": kinds}

    def send_message(self) -> Any:
        """Send a message: its ``kind`` and, optionally, ``content``, ``url``, ``charset`` and
        ``encrypted``.
        """
        body = read_body()
        if not isinstance(body.get("kind"), str):
            raise ActionRejected(400, "kind must be a text")
        if unknown := body.keys() - {"kind", "content", "url", "charset", "encrypted"}:
            raise ActionRejected(400, f"a message has no {', '.join(sorted(unknown))}")
        if body.get("charset", "utf-8") not in ("utf-8", "gbk"):
            raise ActionRejected(400, "charset must be utf-8 or gbk")
        options = {**body, "encrypted": body.get("encrypted") is True, "url": _url(body)}
        return delivery_to_dict(self._simulator.messages.send(**options))

    def activate(self) -> Any:
        """Send the probe of the console to the address of the application gateway."""
        return {"activated": self._simulator.messages.activate(_url(read_body()))}

    def live(self) -> Any:
        """Return everything at once, as the control page polls it; trades: :meth:`trades`."""
        page = page_of(self._found(), page_number(request.args.get("page")) or 1)
        return {
            **self.clock(),
            "trades": self.trades(),
            "page": page.number,
            "pages": page.pages,
            "total": page.total,
            "batches": self.batches(),
            "transfers": self.transfers(),
            "preauthorizations": _latest(self.preauthorizations.preauthorizations()),
            "agreements": _latest(self.agreements.agreements()),
            "deliveries": self.deliveries(),
            "authorizations": self.authorizations(),
            "faults": self.faults(),
        }

    def faults(self) -> Any:
        """Return the pending faults."""
        return [asdict(fault) for fault in self._simulator.faults.all()]

    def add_fault(self) -> Any:
        """Inject a fault: its ``kind`` and other fields."""
        if not self._simulator.faults.add(read_fault(read_body())):
            raise ActionRejected(409, "too many faults are pending: clear them")
        return self.faults()

    def clear_faults(self) -> Any:
        """Remove all pending faults."""
        self._simulator.faults.clear()
        return self.faults()

    def clock(self) -> Any:
        """Return the simulator's time."""
        return {"now": self._simulator.clock.now().isoformat()}

    def advance(self) -> Any:
        """Advance the time, by seconds in ``advance`` or by ``months`` to the same day of a later
        month in China.
        """
        body, now = read_body(), self._simulator.clock.now()
        if "months" in body:
            months = _number("months", body["months"], 1, _MAX_MONTHS)
            delta = months_later(now, int(months))
        else:
            delta = timedelta(seconds=_number("advance", body.get("advance"), 0, _MAX_SECONDS))
        self._simulator.advance(delta)
        return self.clock()

    def _found(self) -> Sequence[Trade]:
        """Return the trades that match the request's ``q``."""
        self._simulator.expire()
        return search(self._simulator.trades.all(), request.args.get("q", ""))

    def _known(self, out_trade_no: str) -> Trade:
        trade = self._simulator.trades.by_out_trade_no(out_trade_no)
        if trade is None:
            raise ActionRejected(404, "there is no trade with this out_trade_no")
        return trade


def _guarded(view: Any) -> Any:
    """Return a view whose result or rejection is JSON."""

    def guarded(**arguments: str) -> BaseResponse:
        try:
            reject_strangers()
            return no_store(jsonify(view(**arguments)))
        except ActionRejected as error:
            status, text = error.status, str(error)
        except AlipayError as error:
            status, text = 400, str(error)
        response = jsonify({"error": text})
        response.status_code = status
        return no_store(response)

    return guarded


def _number(name: str, given: object, minimum: float, limit: float) -> float:
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not number or not minimum <= given <= limit:  # type: ignore[operator]  # NaN is neither
        raise ActionRejected(400, f"{name} must be a number, from {minimum} to {limit}")
    return given  # type: ignore[return-value]


def _fund(body: dict[str, Any]) -> str:
    paid_with = body.get("paid_with", "")
    if not isinstance(paid_with, str):
        raise ActionRejected(400, "paid_with must be a text")
    return check_fund(paid_with) if paid_with else ""


def _url(body: dict[str, Any]) -> str:
    url = body.get("url", "")
    if not isinstance(url, str):
        raise ActionRejected(400, "url must be a text")
    return url


def _latest(all_of_them: tuple[Shown, ...]) -> tuple[Shown, ...]:
    latest = request.args.get("latest", type=int)
    return all_of_them if latest is None or latest < 1 else all_of_them[-latest:]
