"""JSON control of pre-authorisations."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import url_for

from ...protocol.conversion import format_amount, to_minor_units
from ..trades.preauthorizations import Preauthorization, PreauthorizationEvent
from .json_bodies import read_body
from .rejections import ActionRejected

if TYPE_CHECKING:
    from ..simulator import Simulator


class PreauthorizationControl:
    """Views of pre-authorisations.

    :param simulator: does the work.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        one, events = "/preauthorizations/<out_order_no>", ", ".join(PreauthorizationEvent.ALL)
        #: The routes: path, endpoint, view and method.
        self.rules: tuple[tuple[str, str, Callable[..., Any], str], ...] = (
            ("/preauthorizations", "preauthorizations", self.preauthorizations, "GET"),
            (one, "preauthorization", self.preauthorization, "GET"),
            (f"{one}/<any({events}):action>", "change_preauthorization", self.change, "POST"),
            (f"{one}/release", "release_preauthorization", self.release, "POST"),
        )

    def preauthorizations(self) -> tuple[dict[str, Any], ...]:
        """Return the pre-authorisations, the oldest first."""
        return tuple(map(preauthorization_to_dict, self._simulator.preauthorizations.all()))

    def preauthorization(self, out_order_no: str) -> dict[str, Any]:
        """Return one pre-authorisation."""
        return preauthorization_to_dict(self._known(out_order_no))

    def change(self, out_order_no: str, action: str) -> dict[str, Any]:
        """Apply an event of the payer or of time."""
        held = self._known(out_order_no)
        if action not in held.possible:
            raise ActionRejected(409, f"cannot {action} a pre-authorisation that is {held.status}")
        changed = self._simulator.preauthorizations.apply(out_order_no, action)
        return preauthorization_to_dict(changed or self._known(out_order_no))

    def release(self, out_order_no: str) -> dict[str, Any]:
        """Release an ``amount`` or, without one, everything that is left."""
        held, amount = self._known(out_order_no), read_body().get("amount")
        if amount is not None and not isinstance(amount, str):
            raise ActionRejected(400, 'amount must be a text like "1.00"')
        fen = held.rest_fen if amount is None else to_minor_units(amount, parameter="amount")
        number = f"control{secrets.token_hex(8)}"
        changed = self._simulator.preauthorizations.release(out_order_no, number, fen)
        if changed is None:
            status = f"it is {held.status}, {format_amount(held.rest_fen)} is still frozen"
            raise ActionRejected(409, f"cannot release {format_amount(fen)}: {status}")
        return preauthorization_to_dict(changed)

    def _known(self, out_order_no: str) -> Preauthorization:
        held = self._simulator.preauthorizations.get(out_order_no)
        if held is None:
            raise ActionRejected(404, "there is no pre-authorisation with this out_order_no")
        return held


def preauthorization_to_dict(held: Preauthorization) -> dict[str, Any]:
    """Convert a pre-authorisation, with the events that it ``can`` have next."""
    order = held.order
    return {
        "out_order_no": order.out_order_no,
        "out_request_no": order.out_request_no,
        "auth_no": held.auth_no,
        "operation_id": held.freeze.operation_id,
        "order_status": held.status,
        "can": [*held.possible, *(["release"] if held.rest_fen else [])],
        "method": order.method,
        "title": order.title,
        "amount": format_amount(order.fen),
        "captured_amount": format_amount(held.captured_fen),
        "released_amount": format_amount(held.released_fen),
        "rest_amount": format_amount(held.rest_fen),
        "operations": [
            {
                "operation_type": one.kind,
                "out_request_no": one.out_request_no,
                "operation_id": one.operation_id,
                "amount": format_amount(one.fen),
                "status": one.status,
                "at": _time(one.at),
            }
            for one in held.operations
        ],
        "notify_url": order.notify_url,
        "page_url": url_for(".freeze_page", page_id=held.page_id, _external=True),
        "created_at": _time(held.created_at),
        "frozen_at": _time(held.frozen_at),
        "limit": _time(held.limit),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
