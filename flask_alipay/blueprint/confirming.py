"""Queries that the pages of waiting buyers cause.

No request waits for Alipay: a thread of the process sends the query, with its own application
context and session. Under ``TESTING`` there is no thread: the request itself sends the query, so
that a test sees the result, and no query is sent to Alipay's hosts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from ..ledger.query_leases import QueryLeases
from ..ledger.query_schedule import QUERY_TIMEOUT, QuerySchedule, may_be_paid
from ..models import utc_now
from ..operations.confirmation import confirm
from ..operations.queries import query

if TYPE_CHECKING:
    from flask import Flask

    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

_ALIPAYS = re.compile(r"(?:.+\.)?alipay(?:dev)?\.com")


def returned(merchant: Merchant, payment: Any) -> Any:
    """Record a verified return, and have Alipay queried.

    :param payment: the application's object.
    :return: the payment as the ledger has it now.
    """
    number = payment.out_trade_no
    if not payment.paid and payment.returned_at is None:
        try:
            _leases(merchant).record_return(number)
        except SQLAlchemyError as error:
            # The buyer still gets the result page, whose queries find the payment.
            logger.warning("the return of %s was not recorded (%s)", number, type(error).__name__)
        payment = merchant.ledger().find(number) or payment
    return confirmed_soon(merchant, payment)


def confirmed_soon(merchant: Merchant, payment: Any) -> Any:
    """Have Alipay queried about a payment, if a query is due; the caller does not wait for it.

    :param payment: the application's object.
    :return: the payment as the ledger has it now.
    """
    if not (may_be_paid(payment) and QuerySchedule.of(payment).is_due(utc_now())):
        return payment
    number = payment.out_trade_no
    if not run_soon(merchant, number, partial(_confirm, merchant, number)):
        return payment
    return merchant.ledger().find(number) or payment


def run_soon(merchant: Merchant, key: Hashable, query: Callable[[], object]) -> bool:
    """Run a query in the background or, under ``TESTING``, at once.

    :param key: identifies the query: a second one with the same key waits for the first.
    :param query: handles its errors, and uses the application's context.
    :return: whether it has been run.
    """
    app = merchant.app
    if not app.testing:
        merchant.background.submit(key, partial(_run_in, app, query))
        return False
    host = urlsplit(merchant.gateway.gateway_url).hostname or ""
    if _ALIPAYS.fullmatch(host):
        return False
    query()
    return True


def _run_in(app: Flask, query: Callable[[], object]) -> None:
    with app.app_context():
        query()


def _confirm(merchant: Merchant, number: str) -> None:
    try:
        confirm(_leases(merchant), number, partial(_query, merchant, number))
    except SQLAlchemyError as error:
        merchant.session.rollback()
        logger.warning("%s was not queried: the database failed (%s)", number, type(error).__name__)


def _query(merchant: Merchant, number: str) -> Any:
    payment = merchant.ledger().find(number)
    return payment and query(merchant, payment, within=QUERY_TIMEOUT).payment


def _leases(merchant: Merchant) -> QueryLeases:
    return QueryLeases(merchant.session, merchant.models.Payment, merchant.config.merchant)
