"""Agreement queries by ``reconcile``: unsigned ones, and signed ones before a deduction is due.

A payer who ends an agreement in Alipay's app is reported only to the application gateway, and an
agreement whose time is over to nobody: only a query finds it. A signed agreement is queried once a
day (by the merchant's clock) from the day before its deduction may be made.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ..ledger.leases import PendingRows, signed_agreements, unsigned_agreements
from ..models import utc_now
from ..protocol.agreements import AgreementStatus, china_today
from .agreements import give_up_signing, query_agreement

if TYPE_CHECKING:
    from ..merchant import Merchant

#: An agreement that is not signed this long after it was sent is no longer queried.
SIGNED_WITHIN: Final = timedelta(days=15)


def pending_agreements(merchant: Merchant, before: datetime) -> tuple[PendingRows, ...]:
    """Return the selections of agreements to query.

    :param before: only agreements created before this time, aware UTC.
    """
    model, number, now = merchant.models.Agreement, merchant.config.merchant, merchant.clock()
    today = china_today(now)
    due = today + timedelta(days=merchant.config.deduction_window_days + 1)
    days = (today.isoformat(), due.isoformat())
    return (
        unsigned_agreements(model, number, before),
        signed_agreements(model, number, before, *days, now),
    )


def check_agreement(merchant: Merchant, row: Any) -> str:
    """Query an agreement, and settle the response.

    :param row: the application's object.
    :returns: the outcome, see :class:`.reconciliation.ReconcileItem`.
    :raises AlipayError: if it could not be queried or settled.
    """
    number, before, sent_at = row.external_agreement_no, row.status, row.sent_at
    row = query_agreement(merchant, row)
    if row is None:  # deleted meanwhile
        return "agreement_ended"
    unsigned = row.status == AgreementStatus.TEMP
    if unsigned and sent_at is not None and utc_now() - sent_at > SIGNED_WITHIN:
        row = give_up_signing(merchant, row)
    today = china_today(merchant.clock()).isoformat()
    merchant.agreements().record_check(number, today)
    if row.status == AgreementStatus.UNSIGN:
        return "agreement_ended"
    if row.status == AgreementStatus.TEMP:
        return "agreement_waiting"
    return "agreement_signed" if before == AgreementStatus.TEMP else "agreement_in_force"
