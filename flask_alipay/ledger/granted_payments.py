"""Effects of a settled capture or deduction on its authorization or agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import LedgerSession
    from .settlement import Models


def record_granted(
    session: LedgerSession,
    models: Models,
    merchant: str,
    payment: Any,
    events: Sequence[str],
) -> tuple[tuple[str, ...], Any]:
    """Record the events of a payment in the row of its authorization or agreement, in the
    transaction that settles the payment.

    A proven sale is recorded whatever the counters of that row are. Without the application's
    class, or without the row, nothing is changed.

    :param merchant: the ``app_id`` or ``partner``.
    :param payment: the application's object, with ``out_order_no`` or ``external_agreement_no``.
    :param events: the payment's own events.
    :returns: the events of the authorization or agreement, and the application's object that their
        callbacks take.
    """
    if payment.out_order_no is not None and models.Authorization is not None:
        from .authorization_rows import AuthorizationRows

        rows = AuthorizationRows(session, models.Authorization, merchant)
        return rows.record_payment(payment, events)
    if payment.external_agreement_no is not None and models.Agreement is not None:
        from .agreement_rows import AgreementRows

        agreements = AgreementRows(session, models.Agreement, merchant)
        return agreements.record_payment(payment, events)
    return (), None
