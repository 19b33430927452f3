"""Pre-authorisations of the rig at Alipay, which enforces its own rules and records what it froze,
captured and released.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_amount, format_china_time, to_minor_units

from ..doubles.openapi import DONE
from .fates import Fates, Node, refusal
from .granted_trades import PAYER
from .messages import MessageSender

APP, VOUCHER = "alipay.fund.auth.order.app.freeze", "alipay.fund.auth.order.voucher.create"
FREEZE, QUERY = "alipay.fund.auth.order.freeze", "alipay.fund.auth.operation.detail.query"
UNFREEZE, CANCEL = "alipay.fund.auth.order.unfreeze", "alipay.fund.auth.operation.cancel"
#: Payers of orders that begin so never authorise them.
NEVER_FROZEN = "N"

_AUTHORIZED, _FINISH, _CLOSED = "AUTHORIZED", "FINISH", "CLOSED"
# The share of payers who have to confirm a freeze by the code on the phone, and of captures that
# complete an authorization and are followed by a message about the automatic release.
_CONFIRMS, _NOTIFIES = 0.2, 0.3


def is_rejected(fen: int) -> bool:
    """Return whether Alipay rejects captures of an amount."""
    return fen % 20 == 13


@dataclass
class AuthorizationAtAlipay:
    """A frozen amount: a :class:`~.granted_trades.Grant`."""

    content: Mapping[str, Any]
    faults: list[str]
    report: Callable[[AuthorizationAtAlipay, str, str, int], object]
    chance: random.Random
    status: str = _AUTHORIZED
    #: The amounts of captures and releases in fen by number, and of the captures in process.
    captured: dict[str, int] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The merchant's number."""
        return str(self.content["out_order_no"])

    @property
    def auth_no(self) -> str:
        """Alipay's number."""
        return f"2026A{self.number}"

    @property
    def total_fen(self) -> int:
        """The frozen amount."""
        return int(to_minor_units(self.content["amount"]))

    @property
    def captured_fen(self) -> int:
        """The captured amount."""
        return sum(self.captured.values())

    @property
    def released_fen(self) -> int:
        """The released amount."""
        return sum(self.released.values())

    @property
    def rest_fen(self) -> int:
        """The amount that is still frozen."""
        return self.total_fen - self.captured_fen - self.released_fen

    @property
    def free_fen(self) -> int:
        """The frozen amount that no capture in process holds."""
        return self.rest_fen - sum(self.held.values())

    def refuse(self, number: str, fen: int, content: Mapping[str, Any]) -> str | None:
        """Return the code of the rejection of a new capture, or ``None``."""
        if content["product_code"] != self.content["product_code"]:
            return "ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT"
        if self.status != _AUTHORIZED or fen > self.free_fen:
            self.faults.append(f"{number}: more was to be captured than is frozen")
            return "ACQ.AUTH_AMOUNT_NOT_ENOUGH"
        return "ACQ.PAYMENT_REQUEST_HAS_RISK" if is_rejected(fen) else None

    def begin(self, number: str, fen: int) -> None:
        """Hold the amount of a new capture."""
        self.held[number] = fen

    def settle(self, number: str, fen: int, content: Mapping[str, Any]) -> None:
        """Record a capture; one that completes the authorization releases the rest."""
        self.captured[number] = self.held.pop(number)
        if content.get("auth_confirm_mode") == "COMPLETE" and self.free_fen:
            rest = self.released[number] = self.free_fen
            if self.chance.random() < _NOTIFIES:
                self.report(self, "UNFREEZE", number, rest)
        self.conclude()

    def drop(self, number: str) -> None:
        """Give back the amount of a closed capture."""
        del self.held[number]

    def release(self, number: str, fen: int) -> None:
        """Record a release."""
        self.released[number] = fen
        self.conclude()

    def conclude(self) -> None:
        """End the authorization if nothing is left of it."""
        if self.rest_fen == 0:
            # What Alipay reports after a partial capture and a release is not documented.
            both = self.captured and self.released
            ended = self.chance.choice((_FINISH, _CLOSED)) if both else None
            self.status = ended or (_FINISH if self.captured else _CLOSED)


class Authorizations:
    """Alipay's side of pre-authorisations.

    :param fates: chooses what goes wrong with requests.
    :param chance: the other random choices.
    :param messages: sends the messages.
    """

    def __init__(self, fates: Fates, chance: random.Random, messages: MessageSender) -> None:
        #: The frozen amounts, by the merchant's number.
        self.frozen: dict[str, AuthorizationAtAlipay] = {}
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._opened: dict[str, Mapping[str, Any]] = {}
        self._cancelled: set[str] = set()
        self._fates, self._chance, self._messages = fates, chance, messages

    def find(self, content: Mapping[str, Any]) -> AuthorizationAtAlipay | None:
        """Return the authorization that a request names."""
        if "auth_no" in content:
            return next((o for o in self.frozen.values() if o.auth_no == content["auth_no"]), None)
        return self.frozen.get(content["out_order_no"])

    def answer(self, method: str, content: Mapping[str, Any], *, notify: bool) -> Node | None:
        """Perform a request; ``None``: without a response.

        :param notify: whether the request has a ``notify_url``.
        """
        if method == APP:  # the payer's app sends it, and loses nothing
            return self._open(content, notify=notify)
        if method == QUERY:
            return self._query(content)
        act = {
            VOUCHER: lambda: self._open(content, notify=notify),
            FREEZE: lambda: self._freeze_by_code(content, notify=notify),
            UNFREEZE: lambda: self._unfreeze(content, notify=notify),
            CANCEL: lambda: self._cancel(content, notify=notify),
        }[method]
        return self._fates.perform(act)

    def _open(self, content: Mapping[str, Any], *, notify: bool) -> Node:
        """Have the payer authorise it after a while."""
        number = content["out_order_no"]
        known = self._opened.setdefault(number, content)
        if {**known} != {**content}:
            self.faults.append(f"{number}: was requested with two contents")
            return refusal("UNIQUE_VIOLATION")
        if number not in self.frozen and not number.startswith(NEVER_FROZEN):
            self._fates.later(lambda: self._freeze(content, notify=notify))
        numbers = {name: content[name] for name in ("out_order_no", "out_request_no")}
        return {**DONE, **numbers, "code_value": f"https://qr.alipay.com/{number}"}

    def _freeze(self, content: Mapping[str, Any], *, notify: bool) -> None:
        number = content["out_order_no"]
        if number in self.frozen or number in self._cancelled:
            return
        report = self._report if notify else _silently
        frozen = AuthorizationAtAlipay(dict(content), self.faults, report, self._chance)
        self.frozen[number] = frozen
        report(frozen, "FREEZE", content["out_request_no"], frozen.total_fen)

    def _freeze_by_code(self, content: Mapping[str, Any], *, notify: bool) -> Node:
        number = content["out_order_no"]
        if number in self.frozen:
            return refusal("FREEZE_ALREADY_SUCCESS")
        if number in self._cancelled:
            return refusal("ORDER_ALREADY_CLOSED")
        numbers = {name: content[name] for name in ("out_order_no", "out_request_no", "amount")}
        if number.startswith(NEVER_FROZEN) or self._chance.random() < _CONFIRMS:
            self._open({**content}, notify=notify)
            return {**DONE, **numbers, "code": "10003", "status": "INIT"}
        self._freeze(content, notify=notify)
        frozen = self.frozen[number]
        return {**DONE, **numbers, **_numbers(frozen), "status": "SUCCESS", "gmt_trans": _now()}

    def _query(self, content: Mapping[str, Any]) -> Node:
        frozen, number = self.find(content), content["out_request_no"]
        if frozen is None:
            return refusal("AUTH_ORDER_NOT_EXIST")
        kind = content.get("operation_type", "FREEZE")
        operations = {
            "FREEZE": {frozen.content["out_request_no"]: frozen.total_fen},
            "UNFREEZE": frozen.released,
            "PAY": frozen.captured,
        }[kind]
        if number not in operations:
            return refusal("AUTH_OPERATION_NOT_EXIST")
        return {
            **DONE,
            **_numbers(frozen),
            "order_status": frozen.status,
            "total_freeze_amount": format_amount(frozen.total_fen),
            "rest_amount": format_amount(frozen.rest_fen),
            "total_pay_amount": format_amount(frozen.captured_fen),
            "operation_type": kind,
            "out_request_no": number,
            "amount": format_amount(operations[number]),
            "status": "SUCCESS",
            "gmt_trans": _now(),
        }

    def _unfreeze(self, content: Mapping[str, Any], *, notify: bool) -> Node:
        frozen, number = self.find(content), content["out_request_no"]
        fen = to_minor_units(content["amount"])
        if frozen is None:
            return refusal("AUTH_ORDER_NOT_EXIST")
        known = frozen.released.get(number)
        if known is None and frozen.status != _AUTHORIZED:
            return refusal(f"ORDER_ALREADY_{frozen.status}".replace("FINISHED", "FINISH"))
        if known is None and fen > frozen.free_fen:
            self.faults.append(f"{frozen.number}: more was to be released than is frozen")
            return refusal("REQUEST_AMOUNT_EXCEED")
        if known not in (None, fen):
            self.faults.append(f"{number}: was requested with two amounts")
            return refusal("UNIQUE_VIOLATION")
        if known is None:
            frozen.release(number, fen)
            if notify:
                self._report(frozen, "UNFREEZE", number, fen)
        numbers = {name: content[name] for name in ("out_request_no", "amount")}
        return {**DONE, **_numbers(frozen), **numbers, "status": "SUCCESS", "gmt_trans": _now()}

    def _cancel(self, content: Mapping[str, Any], *, notify: bool) -> Node:
        frozen, number = self.find(content), content["out_order_no"]
        action = "close"
        if frozen is None and number not in self._opened:
            return refusal("AUTH_ORDER_NOT_EXIST")
        if frozen is None:
            self._cancelled.add(number)
        elif frozen.status == _AUTHORIZED and not (frozen.captured or frozen.released):
            frozen.release(frozen.content["out_request_no"], frozen.total_fen)
            action = "unfreeze"
        elif list(frozen.released) == [frozen.content["out_request_no"]]:
            action = "unfreeze"  # again
        else:
            return refusal("REQUEST_AMOUNT_EXCEED")
        request = {name: content[name] for name in ("out_order_no", "out_request_no")}
        numbers = request if frozen is None else {**_numbers(frozen), **request}
        if notify:
            auth_no = numbers.get("auth_no", f"2026A{number}")
            fields = {**numbers, "auth_no": auth_no, "operation_id": "2", "action": action}
            self._messages.send("fund_auth_operation_cancel", number, fields)
        return {**DONE, **numbers, "action": action}

    def _report(self, frozen: AuthorizationAtAlipay, kind: str, number: str, fen: int) -> None:
        fields = {
            **_numbers(frozen),
            "out_request_no": number,
            "operation_type": kind,
            "status": "SUCCESS",
            "amount": format_amount(fen),
            "total_freeze_amount": format_amount(frozen.total_fen),
            "total_unfreeze_amount": format_amount(frozen.released_fen),
            "total_pay_amount": format_amount(frozen.captured_fen),
            "rest_amount": format_amount(frozen.rest_fen),
            "gmt_create": _now(),
            "gmt_trans": _now(),
        }
        self._messages.send(f"fund_auth_{kind.lower()}", frozen.number, fields)


def _numbers(frozen: AuthorizationAtAlipay) -> dict[str, str]:
    return {
        "auth_no": frozen.auth_no,
        "out_order_no": frozen.number,
        "out_request_no": frozen.content["out_request_no"],
        "operation_id": f"2026O{frozen.number}",
        "payer_user_id": PAYER,
    }


def _silently(frozen: AuthorizationAtAlipay, kind: str, number: str, fen: int) -> None:
    """Send no message."""


def _now() -> str:
    return format_china_time(utc_now())
