"""Transfer money to a payee: record the transfer, commit, and only then submit it to Alipay.

The row has the number by which Alipay knows the transfer. Whatever happens in between, a retry
submits the same number with the same content, which transfers at most once; responses, queries and
messages are settled by the same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..exceptions import (
    AlipayError,
    ConfirmationUnknown,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from ..gateways.interface import RejectionInDoubt, TransferRequest
from ..ledger.transfer_transitions import TRANSITIONS
from ..ledger.transfers import NewTransfer, RecordedTransfer, Submission
from ..models import utc_now
from ..protocol.conversion import format_amount, format_china_time, to_minor_units
from ..protocol.transfers import TransferReport, TransferStatus
from ..protocol.validation import check_out_trade_no
from .order_number import generate_out_trade_no
from .queries import require_support
from .trade_updates import IN_FLIGHT as IN_FLIGHT

if TYPE_CHECKING:
    from ..ledger.transfers import TransferLedger
    from ..merchant import Merchant
    from ..protocol.message import Message

#: A transfer that Alipay does not know is submitted again by ``reconcile`` up to this age; later, a
#: person should check first whether it is still wanted.
RESUBMITTED_FOR: Final = timedelta(days=7)

# Statuses with which a transfer has ended without the payee having the money.
_FAILED: Final = (TransferStatus.FAIL, TransferStatus.CLOSED, TransferStatus.REFUND)
# Alipay's names of parameters that this package has its own names for.
_OWN_FIELDS: Final = ("payee_info", "trans_amount", "order_title")
# Transitions that keep the status.
_UNCHANGED: Final = ("duplicate", "stale")


class TransferPlan(NamedTuple):
    """A checked transfer, before it is recorded."""

    new: NewTransfer
    #: The recorded one that it continues, or that has its number; ``None``: it is a new one.
    known: RecordedTransfer | None


def transfer(
    merchant: Merchant, amount: str | int | Decimal, out_biz_no: str | None, **fields: Any
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.transfer`."""
    ledger = merchant.transfers()
    plan = plan_transfer(merchant, ledger, amount, out_biz_no, **fields)
    return perform(merchant, ledger, plan.new)


def perform(merchant: Merchant, ledger: TransferLedger, new: NewTransfer) -> Any:
    """Record a transfer, submit it, and settle the result; see :func:`complete`."""
    recorded = ledger.record(new)
    try:
        return complete(merchant, ledger, recorded)
    except AlipayError as error:
        error.out_biz_no = recorded.out_biz_no  # the number for a retry
        raise


def plan_transfer(
    merchant: Merchant,
    ledger: TransferLedger,
    amount: str | int | Decimal,
    out_biz_no: str | None,
    *,
    payee: str,
    identity_type: str,
    name: str | None = None,
    title: str | None = None,
    **fields: Any,
) -> TransferPlan:
    """Check a transfer, and commit the session. Nothing is recorded.

    :raises InvalidParameter: names the invalid parameter.
    """
    require_support(merchant, "submit_transfer")
    for field in _OWN_FIELDS:
        if field in fields:
            raise InvalidParameter(field, "is set by this package: remove it")
    fen = to_minor_units(amount, parameter="amount")
    if out_biz_no is not None:
        check_out_trade_no(out_biz_no, "out_biz_no")
    payee_info = {"identity": payee, "identity_type": identity_type, "name": name}
    bank = fields.pop("bankcard_ext_info", None)
    content = merchant.gateway.check_transfer(
        {
            **fields,
            "out_biz_no": out_biz_no or generate_out_trade_no(),
            "trans_amount": format_amount(fen),
            "payee_info": {**payee_info, "bankcard_ext_info": bank},
            "order_title": title,
        }
    )
    merchant.session.commit()
    if out_biz_no is None:
        undecided = ledger.find_undecided(fen, payee, identity_type)
        content["out_biz_no"] = undecided or content["out_biz_no"]
    new = NewTransfer(
        content["out_biz_no"],
        fen,
        payee,
        identity_type,
        content,
        merchant.config.transfer_daily_limit_fen,
    )
    row = ledger.find_transfer(new.out_biz_no)
    known = None if row is None else RecordedTransfer.of(row)
    merchant.session.rollback()
    return TransferPlan(new, known)


def complete(
    merchant: Merchant,
    ledger: TransferLedger,
    recorded: RecordedTransfer,
    max_age: timedelta | None = None,
) -> Any:
    """Submit a recorded transfer, or query it if it was submitted before, and settle the result.

    :param max_age: an older transfer that Alipay does not know is not submitted again.
    :returns: the application's object: transferred, or accepted by Alipay and on its way.
    :raises OutcomeUnknown: if the result is unknown: the row stays ``DEALING``.
    :raises GatewayError: if it has failed.
    :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
    """
    if recorded.status == TransferStatus.DEALING:
        found = _submit(merchant, ledger, recorded, max_age)
        if found is not None:
            ledger.settle_transfer(*found)
    row = ledger.find_transfer(recorded.out_biz_no)
    if row is not None and row.status in _FAILED:
        raise _failure(row)
    return row


def finish_transfer(merchant: Merchant, row: Any) -> Any:
    """Query a transfer whose result is unknown, and settle it; submit it again if Alipay does not
    know it, for :data:`RESUBMITTED_FOR`.

    :param row: the application's object.
    :returns: the application's object, as the ledger has it now.
    :raises OutcomeUnknown: if the result is unknown.
    :raises GatewayError: if it has failed.
    :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
    """
    ledger, recorded = merchant.transfers(), RecordedTransfer.of(row)
    merchant.session.rollback()
    return complete(merchant, ledger, recorded, RESUBMITTED_FOR)


def _submit(
    merchant: Merchant,
    ledger: TransferLedger,
    recorded: RecordedTransfer,
    max_age: timedelta | None,
) -> tuple[TransferReport, Submission] | None:
    """Submit a transfer for the first time; query it first if it was submitted before.

    :returns: its state, and the last request that it includes; ``None`` if it was settled
        meanwhile.
    """
    last = Submission(None, recorded.submitted_at)
    if recorded.new:
        return merchant.gateway.submit_transfer(_request(recorded)), last
    found = query_transfer(merchant, recorded)
    if found is not None:
        return found, last
    if max_age is not None and utc_now() - recorded.created_at > max_age:
        raise OutcomeUnknown(
            "Alipay does not know the transfer, and it is too old to be submitted automatically"
        )
    return _resubmit(merchant, ledger, recorded)


def query_transfer(merchant: Merchant, recorded: RecordedTransfer) -> TransferReport | None:
    """Query a transfer at Alipay.

    :return: ``None`` if Alipay has no transfer with this number, or not yet.
    :raises GatewayError: if Alipay rejects the query.
    :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
    """
    try:
        return merchant.gateway.query_transfer(_request(recorded))
    except OutcomeUnknown:
        raise
    except GatewayError as error:  # it says nothing about the transfer
        raise OutcomeUnknown(
            str(error),
            code=error.code,
            sub_code=error.sub_code,
            retryable=True,
            signed=error.signed,
        ) from None


def _resubmit(
    merchant: Merchant, ledger: TransferLedger, recorded: RecordedTransfer
) -> tuple[TransferReport, Submission] | None:
    """Submit a transfer that Alipay does not know again, with the same number and content.

    :returns: as :func:`_submit`.
    :raises OutcomeUnknown: if the result is unknown.
    """
    number = recorded.out_biz_no
    submission = ledger.mark_submitted(number)
    if submission is None:
        return None
    # Another worker may have submitted it since it was read.
    request = _request(replace(recorded, submitted_at=submission.before))
    try:
        return merchant.gateway.submit_transfer(request), submission
    except RejectionInDoubt:
        # Alipay has answered this request: only an earlier one may still be on its way.
        ledger.unmark_submitted(number, submission)
        raise


def confirm_message(merchant: Merchant, message: Message, *, own: bool) -> Message:
    """Query a transfer that a message reports as failed, unless the message changes nothing; no
    transaction is open. The message may be about an earlier attempt, and lacks the reason.

    :param message: about a transfer.
    :param own: ``False`` if it may be about another merchant's: each state is queried then.
    :returns: the message with the queried state.
    :raises BadNotification: if a field is missing or invalid.
    :raises ConfirmationUnknown: if the query gives no certain result.
    """
    report = TransferReport.from_message(message.content, message.params, message.notify_id)
    if own and report.status not in _FAILED:
        return message
    row = merchant.transfers().find_transfer(report.out_biz_no)
    changes = row is not None and TRANSITIONS[row.status, report.status] not in _UNCHANGED
    recorded = RecordedTransfer.of(row) if row is not None and (changes or not own) else None
    merchant.session.rollback()
    if recorded is None:
        return message
    try:
        found = query_transfer(merchant, recorded)
    except OutcomeUnknown:
        found = None
    # A successful transfer may be returned later: that message must not be lost.
    returned = (TransferStatus.REFUND, TransferStatus.SUCCESS)
    if found is None or (report.status, found.status) == returned:
        raise ConfirmationUnknown(
            "a query does not confirm what the message reports", notify_id=message.notify_id
        )
    return replace(message, content={**message.content, **_reported(found)})


def _reported(found: TransferReport) -> dict[str, Any]:
    """Return a queried state as the fields of a message; the amount only if it is known."""
    when, fen = found.transferred_at, found.amount_fen
    return {
        "status": found.status,
        "order_id": found.order_id,
        "pay_fund_order_id": found.pay_fund_order_id,
        "pay_date": None if when is None else format_china_time(when),
        "error_code": found.error_code,
        "fail_reason": found.fail_reason,
        **({} if fen is None else {"trans_amount": format_amount(fen)}),
    }


def _request(recorded: RecordedTransfer) -> TransferRequest:
    content: Mapping[str, Any] = recorded.content
    submitted = recorded.submitted_at
    return TransferRequest(
        out_biz_no=recorded.out_biz_no,
        amount_fen=recorded.amount_fen,
        content=content,
        order_id=recorded.order_id,
        repeated=not recorded.new,
        undecided=not recorded.new and submitted is not None and utc_now() - submitted < IN_FLIGHT,
    )


def _failure(row: Any) -> GatewayError:
    """Return the exception for a transfer that has failed."""
    code = row.error_code or row.status
    return GatewayError(
        f"the transfer has failed: {code}", sub_code=code, sub_msg=row.fail_reason, signed=True
    )
