"""Error messages for operators."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import (
    AlipayError,
    BadSignature,
    CallbackFailed,
    GatewayError,
    InvalidAmount,
    LedgerUnavailable,
    OutcomeUnknown,
    PaymentMismatch,
    UnknownPayment,
)
from .texts import _


def explain(error: Exception) -> str:
    """Return an error's message and the next step, in the operator's language.

    The reason in brackets is the exception's own, in English.

    :param error: an :class:`~flask_alipay.exceptions.AlipayError` or SQLAlchemy's.
    :return: the message, without values of rows.
    """
    if isinstance(error, SQLAlchemyError):
        # Omit its text, which contains the statement's values, among them buyer data.
        return _(
            "The database did not respond ({reason}). Nothing is certain: query before trying "
            "again."
        ).format(reason=type(error).__name__)
    return f"{_summary(error)} ({error})"


def _summary(error: Exception) -> str:
    if isinstance(error, OutcomeUnknown):
        if error.out_request_no:
            return _(
                "The result of refund {number} is unknown. Retry it under the same number; do not "
                "make another refund."
            ).format(number=error.out_request_no)
        return _("No response from Alipay: the result is unknown. Query before trying again.")
    if isinstance(error, GatewayError):
        return _("Alipay rejected the request.")
    if isinstance(error, CallbackFailed):
        return _(
            "The shop's callback failed; nothing was recorded. Fix the cause, then query or replay."
        )
    if isinstance(error, PaymentMismatch):
        return _("It does not match the payment; nothing was settled. Ask the buyer and Alipay.")
    if isinstance(error, UnknownPayment):
        return _("There is no such payment in the ledger.")
    if isinstance(error, LedgerUnavailable):
        return _("The ledger could not record it. Query in a minute.")
    if isinstance(error, BadSignature):
        return _("The notification does not verify with the configured keys.")
    if isinstance(error, InvalidAmount):
        return _("The amount is not possible.")
    return _("Not done.") if isinstance(error, AlipayError) else type(error).__name__
