"""Authorizations that ``reconcile`` queries: confirmed, expired or released meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import GatewayError, OutcomeUnknown
from ..ledger.leases import (
    PendingRows,
    frozen_authorizations,
    unconfirmed_authorizations,
    unresolved_releases,
)
from ..models import utc_now
from ..protocol.preauthorizations import AuthorizationStatus
from .captures import resume_release
from .preauthorizations import MAX_TIMEOUT, SKEW, query_authorization

if TYPE_CHECKING:
    from ..merchant import Merchant

# Alipay releases a frozen amount by itself when its time is over.
_CHECK_INTERVAL: Final = timedelta(days=1)

_OUTCOMES: Final = {
    AuthorizationStatus.INIT: "authorization_waiting",
    AuthorizationStatus.AUTHORIZED: "authorized",
}


def pending_authorizations(merchant: Merchant, before: datetime) -> list[PendingRows]:
    """Return the selections of authorizations to query.

    :param before: only authorizations created before this time, aware UTC.
    """
    model, number = merchant.models.Authorization, merchant.config.merchant
    checked_before, ended_before = utc_now() - _CHECK_INTERVAL, utc_now() - MAX_TIMEOUT - SKEW
    return [
        unconfirmed_authorizations(model, number, before, ended_before),
        # A selection of its own, which thousands of daily queries do not delay.
        unresolved_releases(model, number, before),
        frozen_authorizations(model, number, before, checked_before),
    ]


def check_authorization(merchant: Merchant, row: Any) -> str:
    """Query an authorization and settle the response; submit an unresolved release again first.

    :param row: the application's object.
    :returns: the outcome, see :attr:`ReconcileItem.outcome
        <flask_alipay.operations.reconciliation.ReconcileItem.outcome>`.
    :raises GatewayError: if Alipay rejects the query.
    :raises OutcomeUnknown: if the state is unknown.
    :raises NotificationRefused: if the ledger rejects the response, or a callback raised.
    """
    if row.release_no is not None:
        try:
            row = resume_release(merchant, row)
        except OutcomeUnknown:
            raise
        except GatewayError:  # rejected: the ledger has given the amount back
            row = merchant.authorizations().rows.find(row.out_order_no)
    row = query_authorization(merchant, row)
    return _OUTCOMES.get(row.status, "authorization_ended")
