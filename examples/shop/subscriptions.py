"""Tea every month: agreements at Alipay, and the charges of each month.

Alipay has no timer: ``renew`` charges what is due. Celery runs it regularly (see ``worker``), in
any number of processes: each charge has a fixed number, and Flask-Alipay charges a month once.

The rule for failed charges: one attempt a day, on the day of the plan and the two days before it.
After the third one the subscription is ended. If no worker was running on these days, the plan is
postponed instead.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_alipay import AgreementStatus, AlipayError
from flask_alipay.exceptions import (
    DeductionFailed,
    DeductionNotDue,
    DeductionPending,
    OutcomeUnknown,
)
from flask_alipay.protocol.agreements import china_today
from flask_alipay.protocol.conversion import to_decimal

from . import orders
from .catalogue import CATALOGUE
from .models import Agreement, Payment, Subscription, db
from .paying import SUBSCRIPTION, alipay

#: The number of attempts to charge a month, one a day, and the time of the first one before the day
#: of the plan: Alipay accepts charges up to that day, and a few days before it.
ATTEMPTS = 3
EARLY = timedelta(days=2)
# With monthly periods Alipay accepts days up to this one.
_LAST_DAY = 28

logger = logging.getLogger(__name__)


@dataclass
class Renewals:
    """The result of a run."""

    #: Boxes that were paid.
    paid: int = 0
    #: Charges whose outcome is not known yet; ``reconcile`` learns it.
    pending: int = 0
    #: Charges that have failed.
    failed: int = 0
    #: Subscriptions that were ended.
    ended: int = 0


def offered() -> bool:
    """Return whether this merchant can have agreements: only on the open platform."""
    return alipay.gateway.protocol == "openapi"


def begin(slug: str) -> Subscription:
    """Add a subscription and its unsigned agreement to the session. The first box is charged as
    soon as the buyer has signed.
    """
    product = CATALOGUE[slug]
    subscription = Subscription(slug=slug, title=product.title, price_fen=product.price_fen)
    alipay.create_agreement(
        period_type="MONTH",
        period=1,
        next_date=_allowed(china_today(alipay.merchant.clock()) + EARLY),
        single_amount=to_decimal(product.price_fen),
        sign_scene=current_app.config["SHOP_SIGN_SCENE"],
        subscription=subscription,
    )
    return subscription


def end(subscription: Subscription) -> None:
    """End the agreement at Alipay: nothing is charged any more.

    :raises AlipayError: if it has not ended, or that is unknown.
    """
    alipay.end_agreement(subscription.agreement)


def renew() -> Renewals:
    """Charge what is due, and end what could not be charged."""
    done = Renewals()
    for agreement_id in _due(china_today(alipay.merchant.clock())):
        agreement = db.session.get(Agreement, agreement_id)
        try:
            _renew(agreement, done)
        except AlipayError as error:
            # The others are charged nevertheless; the next run tries this one again.
            db.session.rollback()
            logger.warning("a subscription was not renewed: %s", error)
            done.pending += isinstance(error, OutcomeUnknown)
    return done


def _due(today: date) -> list[int]:
    """Return the signed agreements whose charge is due, or overdue."""
    due = select(Agreement.id).where(
        Agreement.status == AgreementStatus.NORMAL,
        Agreement.next_date <= (today + EARLY).isoformat(),
    )
    return list(db.session.scalars(due.order_by(Agreement.id)))


def _renew(agreement: Agreement, done: Renewals) -> None:
    subscription, today = agreement.subscription, china_today(alipay.merchant.clock())
    overdue = agreement.next_date < today.isoformat()
    if agreement.charge_no is None and (
        subscription.failures >= ATTEMPTS or (overdue and subscription.failures)
    ):
        end(subscription)
        done.ended += 1
        return
    if agreement.charge_no is None and overdue:  # nobody tried: no worker was running
        agreement = alipay.change_plan(agreement, _allowed(today + EARLY))
    if subscription.retry_on is not None and today.isoformat() < subscription.retry_on:
        return
    payment = _payment(agreement)
    if payment is None or payment.paid:
        return
    number = payment.out_trade_no
    try:
        payment = alipay.charge(agreement, payment)
    except (DeductionNotDue, DeductionPending) as error:  # another process was faster
        logger.info("%s was not charged: %s", number, error)
    except DeductionFailed as error:
        done.failed += 1
        logger.info("the charge %s has failed: %s", number, error)
    else:
        done.paid += payment.paid
        done.pending += not payment.paid


def _payment(agreement: Agreement) -> Payment | None:
    """Return the payment of this attempt, with its order: a new one, or the one of a process that
    was killed. ``None``: another process has just begun, or the tea is sold out.
    """
    subscription = agreement.subscription
    number = f"{agreement.external_agreement_no}-{agreement.next_date}-{subscription.failures}"
    known = select(Payment).where(Payment.out_trade_no == number)
    payment = db.session.scalar(known)
    if payment is not None:
        return payment
    try:
        order = orders.place({subscription.slug: 1}, SUBSCRIPTION)
        order.subscription = subscription
        payment = alipay.create_payment(
            subject=_("%(title)s, every month", title=subscription.title),
            total_amount=to_decimal(subscription.price_fen),
            out_trade_no=number,
            order=order,
            reference=order.number,
        )
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return None
    except orders.SoldOut as sold_out:
        db.session.rollback()
        logger.warning("%s is sold out: its subscribers are charged later", sold_out.title)
        return None
    return payment


def _allowed(day: date) -> date:
    """Return the day, or the first of the next month: months have periods of up to 28 days."""
    return day if day.day <= _LAST_DAY else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
