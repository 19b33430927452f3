"""Changes to an authorization by reports, payments and releases. No database.

The ledger counts captures by its own payments and releases by Alipay's reports. Amounts whose
outcome is unknown are reserved: a reported total may include them already, so that it counts only
as far as nothing is reserved. Captured money is proven, and never reduced in favour of another
counter.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..exceptions import PaymentMismatch
from ..models import utc_now
from ..protocol.conversion import format_amount, format_china_time
from ..protocol.preauthorizations import (
    FREEZE,
    UNFREEZE,
    AuthorizationReport,
    AuthorizationStatus,
    OperationStatus,
)
from .authorization_transitions import (
    AUTHORIZED,
    RELEASED,
    TRANSITIONS,
    authorization_state,
)

logger = logging.getLogger("flask_alipay")

_ENDED = (AuthorizationStatus.FINISH, AuthorizationStatus.CLOSED)
_FROZEN = (AuthorizationStatus.AUTHORIZED, AuthorizationStatus.FINISH)


@dataclass(frozen=True)
class AuthorizationChange:
    """The effect on an authorization."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: The new values by attribute, none if nothing changes.
    values: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Amounts:
    """The amounts of an authorization, in fen."""

    total: int
    captured: int
    released: int
    reserved: int

    @classmethod
    def of(cls, seen: Any) -> Amounts:
        """Read a row."""
        return cls(seen.total_fen, seen.captured_fen, seen.released_fen, seen.reserved_fen)

    @property
    def rest(self) -> int:
        """The amount that is neither captured nor released nor reserved."""
        return self.total - self.captured - self.released - self.reserved

    def fitted(self) -> Amounts:
        """Return amounts that keep to the total: captured money comes first, then reservations."""
        captured = min(self.captured, self.total)
        reserved = min(self.reserved, self.total - captured)
        released = min(self.released, self.total - captured - reserved)
        return replace(self, captured=captured, released=released, reserved=reserved)

    @property
    def values(self) -> dict[str, int]:
        """The amounts by the attributes of the row."""
        return {
            "captured_fen": self.captured,
            "released_fen": self.released,
            "reserved_fen": self.reserved,
        }


def reserved_fen(pending_captures: Mapping[str, int], release_fen: int | None) -> int:
    """Return the amount that unresolved captures and an unresolved release reserve; a row has less
    if a proven sale needs it.
    """
    return sum(pending_captures.values()) + (release_fen or 0)


def check_match(seen: Any, report: AuthorizationReport) -> None:
    """Check that a report has the numbers and amounts of an authorization.

    :raises PaymentMismatch: otherwise.
    """

    def check(name: str, expected: Any, received: Any) -> None:
        if None not in (expected, received) and expected != received:
            raise PaymentMismatch(name, expected, received, notify_id=report.notify_id)

    check("currency", "CNY", report.currency)
    check("auth_no", seen.auth_no, report.auth_no)
    total = format_amount(seen.total_fen)
    if report.total_fen:  # zero before the freeze
        check("total_freeze_amount", total, format_amount(report.total_fen))
    elif report.operation_type != FREEZE or report.amount_fen is None:
        _check_unproven(seen, report)
    if report.operation_type == FREEZE:
        check("out_request_no", seen.out_request_no, report.out_request_no)
        if report.amount_fen is not None:
            check("amount", total, format_amount(report.amount_fen))
    is_own = report.operation_type == UNFREEZE and report.out_request_no == seen.release_no
    if is_own and report.amount_fen is not None:
        check("amount", format_amount(seen.release_fen), format_amount(report.amount_fen))


def _check_unproven(seen: Any, report: AuthorizationReport) -> None:
    """Check that a report without the amount of the freeze does not prove the freeze.

    :raises PaymentMismatch: otherwise.
    """
    if report.status in _FROZEN and not was_frozen(seen):
        total = format_amount(seen.total_fen)
        raise PaymentMismatch("total_freeze_amount", total, None, notify_id=report.notify_id)


def was_frozen(seen: Any) -> bool:
    """Return whether the amount of an authorization was ever frozen."""
    return seen.authorized_at is not None or seen.captured_fen > 0 or seen.released_fen > 0


def apply_report(seen: Any, report: AuthorizationReport) -> AuthorizationChange:
    """Determine the effect of a report.

    :param seen: the authorization as the database has it, locked.
    :param report: matches it, see :func:`check_match`.
    """
    frozen = was_frozen(seen)
    cell = TRANSITIONS[authorization_state(seen.status, frozen=frozen), report.status]
    if cell == "queried":
        cell = AUTHORIZED if report.is_current else "stale"
    values, status = _numbers(seen, report), seen.status
    events: tuple[str, ...] = ()
    if cell not in ("duplicate", "stale"):
        status = report.status
        events = () if cell == "recorded" else (cell,)
    if cell == AUTHORIZED:
        values |= {"authorized_at": report.operated_at or utc_now(), "closed_at": None}
    frozen = frozen or cell == AUTHORIZED or (report.was_frozen and status in _ENDED)
    amounts, released = _released(seen, report)
    values |= released
    if not frozen:
        amounts = replace(amounts, released=seen.released_fen)
    if frozen and status in _ENDED and report.status in _ENDED:
        # Alipay may state a capture that the ledger does not know: that amount was not released.
        known_fen = amounts.captured + sum(seen.pending_captures.values())
        unknown_fen = max(0, (report.captured_fen or 0) - known_fen)
        rest = max(0, amounts.fitted().rest - unknown_fen)
        amounts = replace(amounts, released=amounts.fitted().released + rest)
        if values.get("release_no", seen.release_no) is not None:
            status = seen.status  # by which reconcile finds the unresolved release
    change = _concluded(seen, status, amounts, frozen=frozen)
    known = AUTHORIZED in events or was_frozen(seen)
    if known and change["released_fen"] > seen.released_fen:
        events = (*events, RELEASED)
    values |= {name: value for name, value in change.items() if value != getattr(seen, name)}
    if not values:
        return AuthorizationChange("stale" if cell == "stale" else "duplicate")
    return AuthorizationChange("settled" if events else "recorded", values, events)


def apply_payment(
    seen: Any, out_trade_no: str, total_fen: int, events: Sequence[str]
) -> AuthorizationChange:
    """Determine the effect of a settled capture.

    :param seen: the authorization as the database has it, locked.
    :param total_fen: the amount of the payment.
    :param events: the payment's events.
    """
    paid = "paid" in events
    if not paid and "failed" not in events:
        return AuthorizationChange("recorded")
    pending = dict(seen.pending_captures)
    held = pending.pop(out_trade_no, 0)
    amounts = replace(Amounts.of(seen), reserved=reserved_fen(pending, seen.release_fen))
    if paid:
        # A capture that completes the authorization has reserved the rest, which Alipay releases.
        rest = max(0, held - total_fen)
        amounts = replace(
            amounts, captured=amounts.captured + total_fen, released=amounts.released + rest
        )
        if amounts.captured > amounts.total:
            logger.error("more was captured than frozen: %s of %s", out_trade_no, seen.out_order_no)
    elif seen.status in _ENDED:  # Alipay has released it with the rest
        amounts = replace(amounts, released=amounts.released + held)
    change = _concluded(seen, seen.status, amounts, frozen=paid or was_frozen(seen))
    values = {name: value for name, value in change.items() if value != getattr(seen, name)}
    if pending != seen.pending_captures:
        values["pending_captures"] = pending
    released = change["released_fen"] > seen.released_fen
    return AuthorizationChange("recorded", values, (RELEASED,) if released else ())


def _concluded(seen: Any, status: str, amounts: Amounts, *, frozen: bool) -> dict[str, Any]:
    """Return the status and the amounts: an authorization ends when nothing is left of it."""
    amounts = amounts.fitted()
    left = amounts.rest + amounts.reserved
    if frozen and status == AuthorizationStatus.AUTHORIZED and not left:
        captured = amounts.captured > 0
        status = AuthorizationStatus.FINISH if captured else AuthorizationStatus.CLOSED
    values: dict[str, Any] = {"status": status, **amounts.values}
    now = utc_now()
    if status == AuthorizationStatus.FINISH and seen.status != status:
        values["finished_at"] = now
    if status == AuthorizationStatus.CLOSED and seen.status != status:
        values["closed_at"] = now
    return values


def _numbers(seen: Any, report: AuthorizationReport) -> dict[str, Any]:
    """Return the numbers and the payer that a report states first."""
    names = ["auth_no", "payer_user_id", "payer_open_id"]
    if report.operation_type == FREEZE:
        names.append("operation_id")
    found = {name: getattr(report, name) for name in names if getattr(seen, name) is None}
    return {name: value for name, value in found.items() if value is not None}


def _released(seen: Any, report: AuthorizationReport) -> tuple[Amounts, dict[str, Any]]:
    """Return the amounts with the releases that a report states, and the other changed values."""
    amounts, releases = Amounts.of(seen), list(seen.releases)
    values: dict[str, Any] = {}
    number, fen = report.out_request_no, report.amount_fen
    done = report.operation_status == OperationStatus.SUCCESS
    if report.operation_type == UNFREEZE and done and number is not None:
        is_own = number == seen.release_no
        fen = seen.release_fen if is_own else fen
        if is_own:
            amounts = replace(amounts, reserved=reserved_fen(seen.pending_captures, None))
            values = {"release_no": None, "release_fen": None, "release_sent_at": None}
        if fen is not None and all(each["out_request_no"] != number for each in releases):
            when = format_china_time(report.operated_at or utc_now())
            releases.append({"out_request_no": number, "fen": fen, "time": when})
            values["releases"] = releases
    # An unresolved release or capture may be part of the reported total already.
    reported = min(report.released_fen or 0, amounts.total - amounts.captured - amounts.reserved)
    listed = sum(each["fen"] for each in releases)
    return replace(amounts, released=max(amounts.released, reported, listed)), values
