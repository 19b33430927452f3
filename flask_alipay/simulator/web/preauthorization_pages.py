"""The page on which the payer freezes an amount, and sees what became of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...protocol.conversion import format_amount, format_china_time
from ..trades.preauthorizations import Preauthorization, PreauthorizationEvent
from .network import is_loopback, lan_url
from .qr_codes import qr_code, qr_picture
from .responses import no_store, plain, render_page

if TYPE_CHECKING:
    from ..simulator import Simulator

_PHONE: Final = re.compile(r"Mobi|Android|iPhone|iPod", re.IGNORECASE)
# The sizes of the picture in pixels (protocol-more.md, part I, 2.2); the default is a choice.
_SIZES: Final = range(256, 1547)
_SIZE: Final = 256


def add_preauthorization_pages(blueprint: Blueprint, simulator: Simulator) -> None:
    """Add the page of a pre-authorisation.

    :param blueprint: the simulator's.
    :param simulator: does the work.
    """
    views = _Preauthorizations(simulator)
    events = ", ".join(PreauthorizationEvent.ALL)
    rules = (
        ("/freeze/<page_id>", "freeze_page", views.page, "GET"),
        (f"/freeze/<page_id>/<any({events}):event>", "freeze_event", views.act, "POST"),
        ("/freeze/<page_id>/follow", "follow_freeze", views.follow, "GET"),
        ("/freeze/<page_id>/code.svg", "freeze_code", views.code, "GET"),
    )
    for rule, endpoint, view, method in rules:
        blueprint.add_url_rule(rule, endpoint, view, methods=[method])


class _Preauthorizations:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def page(self, page_id: str) -> BaseResponse:
        """Show what is to be frozen, or the present state."""
        held = self._simulator.preauthorizations.open(page_id)
        if held is None:
            return render_page("message.html", 404, topic="no_freeze")
        left = None if held.limit is None else held.limit - self._simulator.clock.now()
        on_phone = _PHONE.search(request.user_agent.string) is not None
        address = lan_url(request.base_url, str(request.environ.get("SERVER_NAME", "")))
        return render_page(
            "freeze.html",
            held=held,
            order=held.order,
            state=_state(held),
            yuan=_amounts(held),
            seller=self._simulator.merchant.seller_email,
            # Rounded up: when the page reaches zero, the time is over here, too.
            seconds_left=None if left is None else int(left.total_seconds()) + 1,
            limit=None if held.limit is None else format_china_time(held.limit),
            unheard=self._simulator.is_unacknowledged(held.order.out_order_no),
            # A phone that shows the page need not scan it.
            qr=qr_code(address) if held.waiting and not on_phone else None,
            phone_cannot=is_loopback(urlsplit(address).hostname or ""),
            live_status=_version(held),
            live_url=url_for(".follow_freeze", page_id=page_id),
        )

    def act(self, page_id: str, event: str) -> BaseResponse:
        """Handle the payer's button, and show the result."""
        held = self._simulator.preauthorizations.open(page_id)
        if held is None:
            return render_page("message.html", 404, topic="no_freeze")
        if held.waiting:
            self._simulator.preauthorizations.apply(held.order.out_order_no, event)
        return no_store(redirect(url_for(".freeze_page", page_id=page_id), 303))

    def follow(self, page_id: str) -> BaseResponse:
        """Return the state for the page's script."""
        held = self._simulator.preauthorizations.open(page_id)
        if held is None:
            return plain("There is no such pre-authorisation here.", 404)
        page = url_for(".freeze_page", page_id=page_id)
        return no_store(jsonify({"status": _version(held), "go_to": page}))

    def code(self, page_id: str) -> BaseResponse:
        """Return the QR code as a picture; nobody opens the page by it.

        ``picSize`` is its size in pixels.
        """
        size = request.args.get("picSize", _SIZE, type=int)
        if size not in _SIZES:
            return plain(f"picSize must be from {_SIZES.start} to {_SIZES.stop - 1}.", 400)
        if not self._simulator.preauthorizations.has_page(page_id):
            return plain("There is no such pre-authorisation here.", 404)
        page = url_for(".freeze_page", page_id=page_id, _external=True)
        address = lan_url(page, str(request.environ.get("SERVER_NAME", "")))
        return no_store(Response(qr_picture(address, size), content_type="image/svg+xml"))


def _state(held: Preauthorization) -> str:
    if held.waiting:
        return "waiting"
    if held.frozen_at is None:
        return "expired" if held.expired else "closed"
    if held.authorized:
        return "frozen"
    return "captured" if held.captured_fen else "released"


def _version(held: Preauthorization) -> str:
    """Return a text that changes with whatever the page shows."""
    return f"{held.status} {held.captured_fen} {held.released_fen}"


def _amounts(held: Preauthorization) -> dict[str, Any]:
    fen = {
        "total": held.order.fen,
        "captured": held.captured_fen,
        "released": held.released_fen,
        "rest": held.rest_fen,
    }
    return {name: f"¥{format_amount(value)}" for name, value in fen.items()}
