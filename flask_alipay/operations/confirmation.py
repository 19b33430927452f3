"""Query Alipay about a payment whose buyer waits for the result."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Final

from ..exceptions import (
    AppAuthTokenError,
    GatewayError,
    NotificationRefused,
    OutcomeUnknown,
    PaymentMismatch,
)
from ..ledger.query_leases import QueryLeases

logger = logging.getLogger("flask_alipay")

# The open platform's code for what the sub_code states about a trade.
_ABOUT_TRADE: Final = "40004"
# Temporary rejections: too many requests.
_LIMITED: Final = re.compile(r"40005|.*-call-limited|.*FREQUENCY_LIMITED|ACCESS_LIMIT\w*")


def confirm(leases: QueryLeases, out_trade_no: str, query: Callable[[], Any]) -> bool:
    """Query Alipay about a payment, if a query is due and no other process is at it.

    A definite rejection, such as ``HAS_NO_PRIVILEGE`` from a legacy gateway that does not offer
    ``single_trade_query`` to the merchant, ends the queries about the payment; its notification is
    then all that can settle it. While Alipay does not respond, the lease is kept to its end, so
    that the next query is not sent at once.

    :param leases: the merchant's leases.
    :param out_trade_no: the payment.
    :param query: queries Alipay, settles its response and returns the payment.
    :return: whether a query was sent.
    :raises SQLAlchemyError: if the database fails.
    """
    lease = leases.claim(out_trade_no)
    if lease is None:
        return False
    try:
        payment = query()
    except OutcomeUnknown as error:
        logger.warning("the result of %s is not known yet: %s", out_trade_no, error)
    except GatewayError as error:
        logger.warning("%s cannot be queried: %s", out_trade_no, error)
        if error.code is not None:
            leases.release(lease, last=_is_definite(error))
    except NotificationRefused as error:
        logger.warning(
            "the result of %s was not settled (%s): %s", out_trade_no, error.reason, error
        )
        leases.release(lease, last=isinstance(error, PaymentMismatch))
    else:
        if payment is not None and not payment.paid:
            leases.release(lease)
    return True


def _is_definite(error: GatewayError) -> bool:
    """Return whether Alipay would reject the same query again.

    The open platform signs what it states about a trade, the legacy gateway signs no rejection.
    """
    if isinstance(error, AppAuthTokenError):
        return False  # a new token changes it
    if error.code == _ABOUT_TRADE and not error.signed:
        return False
    codes = (error.code or "", error.sub_code or "")
    return not any(_LIMITED.fullmatch(code) for code in codes)
