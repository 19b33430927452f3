"""One tree of exceptions: evidence in attributes, no secret and no buyer data in messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class AlipayError(Exception):
    """The root: ``except AlipayError`` catches whatever this package refuses."""

    #: The number of the refund that was asked for, where it was one: to ask again with.
    out_request_no: str | None = None


class ConfigurationError(AlipayError):
    """A configuration key is missing or wrong. Raised when the blueprint is registered.

    :param message: what is wrong and how to mend it; names the key, never its value.
    :param key: the whole name of the key in ``app.config``.
    """

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        #: The key in ``app.config``, for example ``"ALIPAY_PRIVATE_KEY"``.
        self.key = key


class KeyFormatError(AlipayError):
    """What was given as a key or certificate is something else; the message says what it is."""


class InvalidParameter(AlipayError, ValueError):
    """A value that Alipay would not take, found before it is sent.

    :param parameter: the name of the parameter at fault.
    :param message: what it should be; the value itself is not repeated.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter} {message}")
        #: The name of the parameter at fault, for example ``"out_trade_no"``.
        self.parameter = parameter


class InvalidAmount(InvalidParameter):
    """An amount that is not money: not a number, too fine, too small or too large."""


class BadToken(AlipayError):
    """A token in one of our URLs was not made by this site."""


class ExpiredToken(BadToken):
    """A token in one of our URLs was made by this site, too long ago."""


class GatewayError(AlipayError):
    """Alipay's gateway refused a call, or what it answered cannot be trusted.

    :param message: what happened.
    :param code: Alipay's code, if it gave one.
    :param sub_code: the open platform's ``sub_code``.
    :param sub_msg: the open platform's explanation.
    :param retryable: whether the same call with the same identifiers may be repeated.
    :param signed: whether Alipay signed the refusal.
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
        #: The open platform's finer code, for example ``"ACQ.TRADE_NOT_EXIST"``.
        self.sub_code = sub_code
        #: The open platform's explanation of the ``sub_code``, as received. It may quote the whole
        #: string to sign: log the message of the exception, which omits that.
        self.sub_msg = sub_msg
        #: Whether the same call with the same identifiers may be repeated.
        self.retryable = retryable
        #: Whether Alipay signed the refusal. The open platform leaves many unsigned; one that is
        #: not must change nothing that is known of a trade.
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
    """No whole answer came in time: what was asked for may or may not have happened."""


class InvalidBill(AlipayError):
    """What was given as Alipay's bill is none, of another period, damaged, or not whole."""


class NotificationRefused(AlipayError):
    """A notification that must not be answered ``success``. The one family that ``notify`` catches.

    :param message: for the log; no buyer data, no signature.
    :param out_trade_no: the order it speaks of, where that much could be read.
    :param notify_id: Alipay's number of the notification, likewise.
    """

    #: The HTTP status that goes with the answer ``fail``.
    status = 400
    #: A word for logs and signals.
    reason = "refused"

    def __init__(
        self, message: str, *, out_trade_no: str | None = None, notify_id: str | None = None
    ) -> None:
        super().__init__(message)
        #: The order it speaks of, where that much could be read.
        self.out_trade_no = out_trade_no
        #: Alipay's number of the notification, where that much could be read.
        self.notify_id = notify_id


class BadNotification(NotificationRefused):
    """Not a notification that can be read: no form, too large, repeated keys, no such charset …"""

    reason = "malformed"


class BodyTooLarge(BadNotification):
    """The body is larger than any notification."""

    status = 413
    reason = "too_large"


class BadSignature(NotificationRefused):
    """The signature is missing, or was not made over these words with the configured key."""

    reason = "bad_signature"


class WrongAccount(NotificationRefused):
    """Well signed by Alipay, for somebody else's account."""

    status = 403
    reason = "wrong_account"


class NotConfirmed(NotificationRefused):
    """``notify_verify`` did not confirm the notification or, on the open platform, a query found no
    trade for it.
    """

    status = 403
    reason = "not_confirmed"


class ConfirmationUnknown(NotConfirmed):
    """Alipay does not respond, or not conclusively, to ``notify_verify`` or to the query that an
    old report of a sale needs. Alipay retries the notification.
    """

    status = 503
    reason = "confirmation_unknown"


class UnknownPayment(NotificationRefused):
    """Proven to be Alipay's word to us, about a payment that is not in the ledger."""

    status = 404
    reason = "unknown"


class PaymentMismatch(NotificationRefused):
    """Proven to be Alipay's word to us, but it contradicts the payment in the ledger.

    :param field: what differs, ``total_amount`` (in yuan), ``currency`` or ``trade_no``.
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
        told = re.sub(r"[^ -~]", "?", str(received)[:64])
        super().__init__(
            f"{field} is {told} at Alipay and {expected} in the ledger",
            out_trade_no=out_trade_no,
            notify_id=notify_id,
        )
        #: What differs: ``total_amount`` (in yuan), ``currency`` or ``trade_no``.
        self.field = field
        #: The ledger's value.
        self.expected = expected
        #: Alipay's value.
        self.received = received


class CallbackFailed(NotificationRefused):
    """A callback of the shop's raised; everything was rolled back and Alipay will come again."""

    status = 503
    reason = "callback_failed"


class TransactionEnded(AlipayError):
    """A callback ended or broke the transaction that it is called in, or tried to: the cause of a
    :class:`CallbackFailed`.
    """


class LedgerUnavailable(NotificationRefused):
    """The database could not take it; nothing was recorded and Alipay will come again."""

    status = 503
    reason = "ledger_unavailable"


class QueryRequired(AlipayError):
    """The ledger settles a report only after Alipay was queried; its caller queries."""


def without_secrets(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's errors leave without the frames and errors that led to them.

    Error trackers record the local variables of each frame of a traceback. Where keys are read,
    those are the keys; the message names the setting, which is all that is needed.

    :param function: reads keys.
    """

    @wraps(function)
    def concealing(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except AlipayError as error:
            bare = error.with_traceback(None)
        del args, kwargs  # they hold the keys, too
        bare.__context__ = None
        raise bare

    return concealing
