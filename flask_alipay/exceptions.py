"""Exceptions of the package: evidence in attributes, no secrets or buyer data in messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class AlipayError(Exception):
    """Root of the package's exceptions: ``except AlipayError`` catches all of them."""

    #: The number of a requested capture, for a retry.
    out_trade_no: str | None = None
    #: The number of a requested refund or release, for a retry.
    out_request_no: str | None = None
    #: The number of a requested transfer, for a retry.
    out_biz_no: str | None = None


class ConfigurationError(AlipayError):
    """A missing or invalid setting. Raised when the blueprint is registered.

    :param message: the problem and its fix; names the setting, never its value.
    :param key: the full name of the setting in ``app.config``.
    """

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        #: The setting's name in ``app.config``, for example ``"ALIPAY_PRIVATE_KEY"``.
        self.key = key


class KeyFormatError(AlipayError):
    """A key or certificate in an unexpected format; the message names the format that was found."""


class InvalidParameter(AlipayError, ValueError):
    """A value that Alipay would reject, found before it is sent.

    :param parameter: the name of the invalid parameter.
    :param message: the rule; the value itself is not repeated.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter} {message}")
        #: The name of the invalid parameter, for example ``"out_trade_no"``.
        self.parameter = parameter


class InvalidAmount(InvalidParameter):
    """An invalid amount: not a number, too many decimals, too small or too large."""


class BadToken(AlipayError):
    """A token in a page's URL that this site did not issue."""


class ExpiredToken(BadToken):
    """An expired token in a page's URL."""


class GatewayError(AlipayError):
    """A request that Alipay's gateway rejected, or a response that cannot be trusted.

    :param message: the problem.
    :param code: Alipay's code, if any.
    :param sub_code: the open platform's ``sub_code``.
    :param sub_msg: the open platform's explanation.
    :param retryable: True if the same request with the same identifiers may be sent again.
    :param signed: True if Alipay signed the rejection.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        sub_code: str | None = None,
        sub_msg: str | None = None,
        retryable: bool = False,
        signed: bool = False,
    ) -> None:
        super().__init__(message)
        #: Alipay's code, for example ``"40004"`` or, on the legacy gateway, ``"ILLEGAL_SIGN"``.
        self.code = code
        #: The open platform's more specific code, for example ``"ACQ.TRADE_NOT_EXIST"``.
        self.sub_code = sub_code
        #: The open platform's explanation of the ``sub_code``, as received. It may quote the whole
        #: string to sign: log the message of the exception, which omits that.
        self.sub_msg = sub_msg
        #: True if the same request with the same identifiers may be sent again.
        self.retryable = retryable
        #: True if Alipay signed the rejection. The open platform leaves many unsigned; an unsigned
        #: one must not change the recorded state of a trade.
        self.signed = signed


class TradeNotFound(GatewayError):
    """Alipay has no trade with the number of the request.

    :param error: the rejection.
    :param params: the rejection as the journal records it.
    """

    def __init__(self, error: GatewayError, params: Mapping[str, str]) -> None:
        super().__init__(
            str(error),
            code=error.code,
            sub_code=error.sub_code,
            sub_msg=error.sub_msg,
            retryable=error.retryable,
            signed=error.signed,
        )
        #: The rejection as the journal records it: ``method`` or ``service``, and the codes.
        self.params = params


class OutcomeUnknown(GatewayError):
    """No complete response arrived: the request may or may not have taken effect."""


class AppAuthTokenError(GatewayError):
    """The token with which a third-party application acts for a merchant is missing or not valid.

    Raised for Alipay's rejection, or by this package (``code`` is then ``None``, and nothing was
    sent) if the application has no token for the merchant. Ask the merchant to authorise the
    application again, or refresh the token.
    """


class DeductionFailed(GatewayError):
    """A deduction under an agreement that was not made, and will not be made by this payment.

    Raised for Alipay's rejection, or by this package before it calls Alipay (``code`` is then
    ``None``). :attr:`retry_from` and :attr:`retry_until` are the days in China on which the charge
    may be repeated, with a new payment if this one is closed; both are ``None`` if a repetition
    cannot succeed.

    :param message: the problem.
    :param retry_from: the first day.
    :param retry_until: the last day.
    :param codes: the arguments of :class:`GatewayError`.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_from: date | None = None,
        retry_until: date | None = None,
        **codes: Any,
    ) -> None:
        super().__init__(message, **codes)
        #: The first day on which the charge may be repeated.
        self.retry_from = retry_from
        #: The last such day; ``None`` together with ``retry_from``: it is not known.
        self.retry_until = retry_until


class InsufficientBalance(DeductionFailed):
    """A payer without enough money: charge again on another day of the window."""


class AgreementEnded(DeductionFailed):
    """An agreement that is not in force: the payer has to sign another one, or Alipay has suspended
    it.
    """


class DeductionNotDue(DeductionFailed):
    """A deduction outside its days, also because this period's was made: charge on one of the days
    from :attr:`due_from` to :attr:`due_until`.

    After the last of them nothing can be deducted until ``change_plan`` postpones the deduction:
    both days are then in the past.
    """

    @property
    def due_from(self) -> date | None:
        """The first day on which Alipay accepts the deduction."""
        return self.retry_from

    @property
    def due_until(self) -> date | None:
        """The last day on which Alipay accepts it."""
        return self.retry_until


class DeductionLimitExceeded(DeductionFailed):
    """A deduction above one of the agreement's limits.

    :param limit: see :attr:`limit`.
    """

    def __init__(self, message: str, *, limit: str, **details: Any) -> None:
        super().__init__(message, **details)
        #: ``single_amount``: charge less; ``total_amount`` or ``total_payments``: the agreement is
        #: used up, the payer has to sign another one.
        self.limit = limit


class DeductionPending(DeductionFailed):
    """Another deduction under the agreement whose outcome is unknown: charge that payment again, or
    run ``reconcile``.

    :param out_trade_no: see :attr:`out_trade_no`.
    """

    def __init__(self, message: str, *, out_trade_no: str, **details: Any) -> None:
        super().__init__(message, **details)
        #: The number of the payment with that deduction.
        self.out_trade_no = out_trade_no


class InvalidBill(AlipayError):
    """A file that is not Alipay's bill, is of another period, damaged, or incomplete."""


class NotificationRefused(AlipayError):
    """A notification that must not be acknowledged with ``success``; ``notify`` catches these
    exceptions.

    :param message: for the log; no buyer data, no signature.
    :param out_trade_no: the order number, if it could be read.
    :param notify_id: Alipay's notification ID, if it could be read.
    """

    #: The HTTP status of the response ``fail``.
    status = 400
    #: The reason's name in logs and signals.
    reason = "refused"

    def __init__(
        self, message: str, *, out_trade_no: str | None = None, notify_id: str | None = None
    ) -> None:
        super().__init__(message)
        #: The order number, if it could be read.
        self.out_trade_no = out_trade_no
        #: Alipay's notification ID, if it could be read.
        self.notify_id = notify_id


class BadNotification(NotificationRefused):
    """A body that is not a notification: not a form, too large, repeated parameters, unknown
    charset …
    """

    reason = "malformed"


class BodyTooLarge(BadNotification):
    """The body is larger than any notification."""

    status = 413
    reason = "too_large"


class BadSignature(NotificationRefused):
    """A missing signature, or one that does not match the content and the configured key."""

    reason = "bad_signature"


class WrongAccount(NotificationRefused):
    """A correctly signed notification for another merchant's account."""

    status = 403
    reason = "wrong_account"


class NotConfirmed(NotificationRefused):
    """``notify_verify`` did not confirm the notification or, on the open platform, a query found no
    trade for it.
    """

    status = 403
    reason = "not_confirmed"


class ConfirmationUnknown(NotConfirmed):
    """No conclusive response to ``notify_verify``, or to the query that an old report of a sale
    needs. Alipay retries the notification.
    """

    status = 503
    reason = "confirmation_unknown"


class UnknownPayment(NotificationRefused):
    """A verified report about a payment that is not in the ledger."""

    status = 404
    reason = "unknown"


class PaymentMismatch(NotificationRefused):
    """A verified report that contradicts the payment in the ledger.

    :param field: the differing field, ``total_amount`` (in yuan), ``currency``, ``trade_no`` or
        ``auth_app_id``; of a transfer, ``trans_amount`` or ``order_id``.
    :param expected: the ledger's value.
    :param received: Alipay's value.
    """

    status = 409
    reason = "mismatched"

    def __init__(
        self,
        field: str,
        expected: object,
        received: object,
        *,
        out_trade_no: str | None = None,
        notify_id: str | None = None,
    ) -> None:
        safe_received = re.sub(r"[^ -~]", "?", str(received)[:64])
        super().__init__(
            f"{field} is {safe_received} at Alipay and {expected} in the ledger",
            out_trade_no=out_trade_no,
            notify_id=notify_id,
        )
        #: The differing field, see above.
        self.field = field
        #: The ledger's value.
        self.expected = expected
        #: Alipay's value.
        self.received = received


class CallbackFailed(NotificationRefused):
    """An exception in one of the application's callbacks; everything was rolled back, Alipay
    retries.
    """

    status = 503
    reason = "callback_failed"


class TransactionEnded(AlipayError):
    """An attempt of a callback to end its transaction, or a broken transaction: the cause of a
    :class:`CallbackFailed`.
    """


class LedgerUnavailable(NotificationRefused):
    """A database error; nothing was recorded, Alipay retries the notification."""

    status = 503
    reason = "ledger_unavailable"


class QueryRequired(AlipayError):
    """A report that the ledger settles only after a query to Alipay, which its caller sends."""


def without_secrets(function: Callable[P, R]) -> Callable[P, R]:
    """Remove the frames and causes of a function's exceptions.

    Error trackers record the local variables of each frame of a traceback: where keys are loaded,
    these are the keys. The message with the setting's name is enough to find the fault.

    :param function: loads keys.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except AlipayError as error:
            bare = error.with_traceback(None)
        del args, kwargs  # they contain the keys, too
        bare.__context__ = None
        raise bare

    return wrapper
