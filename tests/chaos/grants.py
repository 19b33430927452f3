"""What the shop does with deposits and subscriptions. A view returns ``True`` if it is done,
``False`` if it has to be repeated, and ``None`` if it is too early.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import requests
from sqlalchemy import delete, func, select

from flask_alipay.exceptions import (
    AgreementEnded,
    DeductionFailed,
    DeductionLimitExceeded,
    DeductionNotDue,
    DeductionPending,
    GatewayError,
    InsufficientBalance,
    InvalidAmount,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.openapi import PollingPolicy
from flask_alipay.protocol.conversion import format_amount

from .agreements import DAYS_BEFORE, next_month
from .shop import Agreement, Authorization, Payment, alipay, clock, db

_SCENE = "INDUSTRY|DIGITAL_MEDIA"
_BAR_CODE = "289123456789012345"
# On the rig's clock, on which a second is a minute.
_POLLING = PollingPolicy(seconds=0.5, interval=0.2)
_ENDED = ("FINISH", "CLOSED")


def deposit(number: str, fen: int, way: str) -> bool | None:
    """Create an authorization, and send the buyer to Alipay."""
    authorization = _find(Authorization.out_order_no, number)
    if authorization is None:
        authorization = alipay.create_authorization(
            title="押金", amount=format_amount(fen), out_order_no=number
        )
        db.session.commit()
    if authorization.status != "INIT":
        return True
    if way == "app":
        _open(alipay.freeze_order_string(authorization))
    elif way == "voucher":
        alipay.freeze_qr_code(authorization)
    else:
        alipay.freeze_barcode(authorization, _BAR_CODE, polling=_POLLING)
    return True


def cancel(number: str) -> bool | None:
    """Cancel an authorization, or release everything if the payer was faster."""
    authorization = _find(Authorization.out_order_no, number)
    if authorization is None or authorization.sent_at is None:
        return None
    if authorization.status == "AUTHORIZED":
        return release(number, f"{number}R2", 0, 0, 0)
    return bool(alipay.cancel_authorization(authorization).status == "CLOSED")


def capture(order: str, number: str, fen: int, mode: str, after: int) -> bool | None:
    """Capture a part of a frozen amount, or the last part."""
    authorization = _find(Authorization.out_order_no, order)
    if authorization is None or authorization.status == "INIT":
        return None
    if _was_closed(authorization):
        return True
    if _captures(order) < after:
        return None
    try:
        payment = alipay.capture(
            authorization, format_amount(fen), out_trade_no=number, complete=mode == "complete"
        )
    except OutcomeUnknown:
        raise
    except GatewayError:
        known = _find(Payment.out_trade_no, number)
        return bool(known.trade_status == "TRADE_CLOSED")  # it has failed
    except InvalidParameter as error:
        if "must wait" in str(error):
            return False
        raise InvalidAmount("amount", "is not frozen any more") from None
    return bool(payment.paid)


def release(order: str, request: str, fen: int, captures: int, releases: int) -> bool | None:
    """Release a part of a frozen amount, or the rest after so many captures and releases."""
    authorization = _find(Authorization.out_order_no, order)
    if authorization is None or authorization.status == "INIT":
        return None
    if _was_closed(authorization):
        return True
    if _captures(order) < captures or len(authorization.releases) < releases:
        return None
    try:
        alipay.release(
            authorization,
            format_amount(fen) if fen else None,
            out_request_no=None if request == "-" else request,
        )
    except (InvalidAmount, InvalidParameter):
        known = _find(Authorization.out_order_no, order)
        return bool(known.status in _ENDED)
    return True


def subscribe(number: str, first: str, fen: int, payments: int, months: int) -> bool | None:
    """Create an agreement, and send the buyer to Alipay."""
    agreement = _find(Agreement.external_agreement_no, number)
    if agreement is None:
        agreement = alipay.create_agreement(
            period_type="MONTH",
            period=1,
            next_date=first,
            single_amount=format_amount(fen),
            total_payments=payments or None,
            sign_scene=_SCENE,
            external_agreement_no=number,
            **({"sign_validity_period": f"{months}m"} if months else {}),
        )
        db.session.commit()
    if agreement.status == "TEMP":
        _open(alipay.sign_request(agreement).order_string)
    return True


def end(number: str) -> bool | None:
    """End an agreement, as a subscriber does on the shop's page."""
    agreement = _find(Agreement.external_agreement_no, number)
    return bool(alipay.end_agreement(agreement).status == "UNSIGN")


def renew(number: str, fen: int, kind: str) -> bool | None:
    """Charge a subscription if that is due today, as the shop's daily task does.

    A charge that fails is repeated with a new payment on another day of the period; after the last
    one the subscription goes on in the next month.
    """
    agreement = _find(Agreement.external_agreement_no, number)
    today = clock.today()
    if agreement is None or agreement.status == "TEMP":
        return None
    if agreement.status == "UNSIGN":
        return True
    if agreement.charge_no is not None:
        payment = _find(Payment.out_trade_no, agreement.charge_no)
        return _charge(agreement, payment)
    due = date.fromisoformat(agreement.next_date)
    if due < today:
        return _postpone(agreement, next_month(due))
    if today < due - timedelta(days=DAYS_BEFORE):
        return True
    attempts = select(func.count()).where(
        Payment.external_agreement_no == number, Payment.deduction_date == agreement.next_date
    )
    attempt = f"{number}D{due:%Y%m%d}T{db.session.scalar(attempts)}"
    payment = None if kind == "random" else _find(Payment.out_trade_no, attempt)
    if payment is None:
        payment = alipay.create_payment(
            subject="茶",
            total_amount=format_amount(fen),
            out_trade_no=None if kind == "random" else attempt,
        )
    number, charged = payment.out_trade_no, False
    try:
        charged = _charge(agreement, payment)
    finally:
        if kind == "random":  # of several workers, one has charged
            unused = Payment.deduction_date.is_(None)
            db.session.execute(delete(Payment).where(Payment.out_trade_no == number, unused))
            db.session.commit()
    return charged


def _charge(agreement: Any, payment: Any) -> bool:
    try:
        return bool(alipay.charge(agreement, payment).paid)
    except (AgreementEnded, DeductionLimitExceeded, DeductionNotDue, InsufficientBalance):
        return True  # nothing more can be done today
    except (DeductionPending, InvalidParameter):
        return False  # another worker is faster
    except DeductionFailed:
        return False  # at once again, with another payment


def _postpone(agreement: Any, day: date) -> bool:
    """Postpone the deduction after a month without one."""
    try:
        alipay.change_plan(agreement, day)
    except OutcomeUnknown:
        raise
    except GatewayError:
        alipay.query_agreement(agreement)  # it was postponed before
        return False
    return True


def _find(column: Any, number: str) -> Any:
    return db.session.scalar(select(column.class_).where(column == number))


def _was_closed(authorization: Any) -> bool:
    """Return whether there is nothing to capture: the payer has not confirmed in time."""
    return authorization.status == "CLOSED" and authorization.authorized_at is None


def _captures(order: str) -> int:
    found = select(func.count()).where(Payment.out_trade_no.like(f"{order}C%"))
    return int(db.session.scalar(found) or 0)


def _open(request: str) -> None:
    """Open Alipay, as the buyer's phone does."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with contextlib.suppress(requests.ConnectionError):  # the page does not always load
        requests.post(os.environ["RIG_GATEWAY"], request.encode(), headers=headers, timeout=60)


VIEWS: dict[str, Callable[..., bool | None]] = {
    "/deposit/<number>/<int:fen>/<way>": deposit,
    "/cancel/<number>": cancel,
    "/capture/<order>/<number>/<int:fen>/<mode>/<int:after>": capture,
    "/release/<order>/<request>/<int:fen>/<int:captures>/<int:releases>": release,
    "/subscribe/<number>/<first>/<int:fen>/<int:payments>/<int:months>": subscribe,
    "/end/<number>": end,
    "/renew/<number>/<int:fen>/<kind>": renew,
}
