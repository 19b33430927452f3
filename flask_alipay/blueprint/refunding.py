"""Refunds that begin in the shop: written down first, asked for second.

The row is committed under the number by which Alipay knows the refund, and only then is it asked
for. Whatever happens in between, the same number asked again is the same refund.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from ..batches import RefundResult
from ..china_time import to_china
from ..exceptions import (
    AlipayError,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    LedgerUnavailable,
    OutcomeUnknown,
)
from ..ledger.journal import Entry
from ..ledger.refunds import PATIENCE, SUCCESS, Refunds
from ..ledger.statements import was_overtaken
from ..limits import check_out_trade_no, check_text
from ..mapi import MapiGateway, RefundEntry
from ..models import utc_now
from ..money import to_fen, to_yuan
from ..order_number import new_out_trade_no
from ..signed_request import SignedRequest
from .announcing import announce
from .asking import begin, open_platform_of
from .heard import Asked, flat

if TYPE_CHECKING:
    from .extension import AlipayBlueprint

# As the ledger does when it settles.
_ATTEMPTS = 3

# The legacy gateway's words: this batch was taken on before; and there is no contract for refunds
# without a password.
_HAS_IT = "DUPLICATE_BATCH_NO"
_NO_CONTRACT = (
    *("PARTNER_NOT_SIGN_PROTOCOL", "SELLER_NOT_SIGN_PROTOCOL", "HAS_NO_PRIVILEGE"),
    *("ILLEGAL_PARTNER_EXTERFACE", "EXTERFACE_IS_CLOSED", "ILLEGAL_SERVICE"),
)


def refund_request(
    alipay: AlipayBlueprint,
    payment: Any,
    amount: str | int | Decimal,
    reason: str,
    out_request_no: str | None,
) -> SignedRequest:
    """Writes a refund down, commits it, and returns the request that the merchant confirms.

    Takes and raises what :meth:`AlipayBlueprint.refund_url` does.
    """
    gateway, ledger, config = alipay.gateway, alipay.ledger(), alipay.config
    if not isinstance(gateway, MapiGateway):
        raise ConfigurationError(
            "refunds that are confirmed in a browser are the legacy gateway's",
            f"{config.prefix}_PROTOCOL",
        )
    if payment.currency != "CNY" or payment.product in ("forex", "forex_wap"):
        raise InvalidParameter(
            "payment", "is a cross-border one: gateway.forex_refund() refunds it"
        )
    if ledger.refunds is None:
        raise ConfigurationError("the blueprint has no class for refunds", "Refund")
    refund_fen = to_fen(amount, parameter="amount")
    number = out_request_no or new_out_trade_no()
    # Made before anything is written down: whatever Alipay would not take is refused here.
    signed = gateway.refund_fastpay_by_platform_pwd(
        [RefundEntry(payment.trade_no, to_yuan(refund_fen), reason)],
        batch_no=number,
        notify_url=alipay.notify_url,
    )
    ledger.refunds.open(payment.out_trade_no, refund_fen, number, reason)
    alipay.session.commit()
    return alipay.state.at_simulator(signed)


class _Row(NamedTuple):
    status: str
    reason: str | None
    new: bool


class Claimed(NamedTuple):
    """A refund that was written down and committed."""

    payment: Asked
    out_request_no: str
    refund_fen: int
    reason: str | None
    trade_no: str | None
    #: Whether it may have been asked for before.
    repeated: bool
    #: Whether nobody has asked for it, or the last word was a no: then a no is a no.
    new: bool = False
    #: Whether it is done already.
    done: bool = False


def refund(
    alipay: AlipayBlueprint,
    payment: Any,
    amount: str | int | Decimal,
    reason: str | None,
    out_request_no: str | None,
) -> Any:
    """See :meth:`Questions.refund`."""
    refunds = rows_of(alipay)
    number = payment.out_trade_no
    claimed = _write_down(alipay, refunds, payment, amount, reason, out_request_no)
    if not claimed.done:
        try:
            perform(alipay, claimed)
        except AlipayError as error:
            error.out_request_no = claimed.out_request_no  # to ask again with, whoever made it
            raise
    return refunds.find(number, claimed.out_request_no)


def rows_of(alipay: AlipayBlueprint) -> Refunds:
    """Returns the rows of refunds.

    :raises ConfigurationError: if the app has no class for them.
    """
    refunds = alipay.ledger().refunds
    if refunds is None:
        raise ConfigurationError("the blueprint has no class for refunds", "Refund")
    return refunds


def perform(alipay: AlipayBlueprint, claimed: Claimed) -> None:
    """Asks Alipay for a refund that was written down, and writes down what became of it.

    :raises OutcomeUnknown: if no answer comes: the row stays as it is.
    :raises GatewayError: for a no of Alipay's; a signed one is in the row.
    """
    gateway = claimed.payment.gateway
    if isinstance(gateway, MapiGateway):
        _take_on(alipay, gateway, claimed)
        return
    try:
        answer = gateway.trade_refund(
            out_trade_no=claimed.payment.out_trade_no,
            refund_amount=to_yuan(claimed.refund_fen),
            out_request_no=claimed.out_request_no,
            refund_reason=claimed.reason,
        )
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        # An earlier call whose answer was lost may have done it: then it is no refusal.
        if error.proven and not (claimed.repeated and find_out(alipay, claimed)):
            _refuse(alipay, claimed, error)
            raise
        if not error.proven:
            raise
        return
    if answer.fund_change:
        _done(alipay, claimed, flat("method", "alipay.trade.refund", answer.params))
    elif not find_out(alipay, claimed):
        raise OutcomeUnknown("Alipay has not refunded it yet: ask again", retryable=True)


def find_out(alipay: AlipayBlueprint, claimed: Claimed) -> bool:
    """Asks what became of a refund; settles one that is done.

    :returns: whether the money went back.
    :raises GatewayError: for a no of Alipay's.
    :raises OutcomeUnknown: if no answer comes.
    """
    answer = open_platform_of(claimed.payment).trade_fastpay_refund_query(
        out_trade_no=claimed.payment.out_trade_no, out_request_no=claimed.out_request_no
    )
    if not answer.refunded:
        return False
    if answer.refund_fen not in (None, claimed.refund_fen):
        raise OutcomeUnknown("Alipay refunded another amount under the same number")
    _done(alipay, claimed, flat("method", "alipay.trade.fastpay.refund.query", answer.params))
    return True


def _write_down(
    alipay: AlipayBlueprint,
    refunds: Refunds,
    payment: Any,
    amount: str | int | Decimal,
    reason: str | None,
    out_request_no: str | None,
) -> Claimed:
    if payment.currency != "CNY" or payment.product in ("forex", "forex_wap"):
        raise InvalidParameter(
            "payment", "is a cross-border one: gateway.forex_refund() refunds it"
        )
    refund_fen = to_fen(amount, parameter="amount")
    if out_request_no is not None:
        check_out_trade_no(out_request_no, "out_request_no")
    if reason is not None:
        check_text("reason", reason, most=256, charset=alipay.config.charset)
    trade_no, asked = payment.trade_no, begin(alipay, payment)
    patience = PATIENCE if isinstance(alipay.gateway, MapiGateway) else None
    number = out_request_no or refunds.under_way(asked.out_trade_no, refund_fen, patience)
    if number is not None and out_request_no is None and patience is not None:
        _check_day(number)
    number = number or new_out_trade_no()
    if patience is not None:
        _check_batch(alipay, number, trade_no, refund_fen, reason)
    known = refunds.find(asked.out_trade_no, number) is not None
    row = _open(alipay, refunds, asked.out_trade_no, refund_fen, number, reason, patience)
    repeated = known or not row.new
    return Claimed(
        asked, number, refund_fen, row.reason, trade_no, repeated, row.new, row.status == SUCCESS
    )


def _check_day(batch_no: str) -> None:
    """Checks that a batch whose outcome is unknown may be asked for again: on its day alone."""
    if not batch_no.startswith(to_china(utc_now())[:10].replace("-", "")):
        raise InvalidParameter(
            "out_request_no",
            f"is required: {batch_no} of the same amount is under way, and its day is over; "
            "wait for Alipay's notification, or give another refund a number of its own",
        )


def _open(
    alipay: AlipayBlueprint,
    refunds: Refunds,
    out_trade_no: str,
    refund_fen: int,
    out_request_no: str,
    reason: str | None,
    patience: timedelta | None,
) -> _Row:
    """Commits the row of a refund, and returns how it stands; again, in a new transaction, where
    another worker was faster.
    """
    for _ in range(_ATTEMPTS):
        alipay.session.rollback()  # what was read is old by the time the payment is held
        try:
            row, new = refunds.open(out_trade_no, refund_fen, out_request_no, reason, patience)
            opened = _Row(row.status, row.reason, new)
            alipay.session.commit()
        except (InvalidParameter, DBAPIError) as error:
            alipay.session.rollback()
            if not was_overtaken(error):
                raise
        else:
            return opened
    raise LedgerUnavailable("other workers keep changing the payment", out_trade_no=out_trade_no)


def _check_batch(
    alipay: AlipayBlueprint, number: str, trade_no: str | None, refund_fen: int, reason: str | None
) -> None:
    """Makes a batch, and sends it to nobody: what Alipay would not take is refused here."""
    assert isinstance(alipay.gateway, MapiGateway)  # noqa: S101
    entry = RefundEntry(trade_no or "", to_yuan(refund_fen), reason or "refund")
    alipay.gateway.refund_fastpay_by_platform_pwd(
        [entry], batch_no=number, notify_url=alipay.notify_url
    )


def _take_on(alipay: AlipayBlueprint, gateway: MapiGateway, claimed: Claimed) -> None:
    """On the legacy gateway: Alipay takes it on, and tells later what became of it."""
    entry = RefundEntry(
        claimed.trade_no or "", to_yuan(claimed.refund_fen), claimed.reason or "refund"
    )
    notify_url = alipay.notify_url
    try:
        gateway.refund_fastpay_by_platform_nopwd(
            [entry], batch_no=claimed.out_request_no, notify_url=notify_url
        )
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if error.code == _HAS_IT:
            return  # an earlier call's answer was lost; the notification tells what became of it
        if not claimed.new:
            # That it is not taken on again says nothing of the first time.
            raise OutcomeUnknown(
                f"{error}; what became of the first time is told by a notification, or in Alipay's "
                "console",
                code=error.code,
            ) from None
        _refuse(alipay, claimed, error)
        if error.code not in _NO_CONTRACT:
            raise
        message = f"{error}; refund_url() has the merchant confirm a refund with the password"
        raise GatewayError(message, code=error.code) from None


def _done(alipay: AlipayBlueprint, claimed: Claimed, payload: dict[str, str]) -> None:
    _close_row(alipay, claimed, "SUCCESS", payload)


def _refuse(alipay: AlipayBlueprint, claimed: Claimed, error: GatewayError) -> None:
    code = error.sub_code or error.code or "UNKNOWN"
    payload = {"method": "alipay.trade.refund", "code": code}
    if alipay.config.protocol == "mapi":
        payload = {"service": "refund_fastpay_by_platform_nopwd", "error": code}
    _close_row(alipay, claimed, code, payload)


def _close_row(
    alipay: AlipayBlueprint, claimed: Claimed, code: str, payload: dict[str, str]
) -> None:
    number = claimed.out_request_no
    told = {**payload, "out_request_no": number, "refund_amount": to_yuan(claimed.refund_fen)}
    entry = Entry(
        out_trade_no=claimed.payment.out_trade_no,
        trade_no=claimed.trade_no,
        trade_status=SUCCESS if code == "SUCCESS" else code,
        notify_id=None,
        payload=told,
    )
    result = RefundResult(claimed.trade_no or "", claimed.refund_fen, code)
    announce(alipay, alipay.ledger().settle_refund(entry, number, result))
