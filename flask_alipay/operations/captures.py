"""Captures and releases of a frozen amount, and the messages about it.

A capture is a payment. It and a release are reserved in the ledger, and committed, before Alipay is
called; a repeated number captures or releases once.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import (
    AlipayError,
    AppAuthTokenError,
    ConfirmationUnknown,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from ..gateways.interface import RejectionInDoubt, ReleaseRequest, in_doubt
from ..models import utc_now
from ..protocol.conversion import to_minor_units
from ..protocol.message import Message
from ..protocol.preauthorizations import AuthorizationReport, AuthorizationStatus
from ..protocol.trade_status import TradeStatus
from ..protocol.validation import check_out_trade_no, text
from .granted_payments import pay_by_grant
from .order_number import generate_out_trade_no
from .payments import build_payment
from .preauthorizations import AuthorizationSnapshot, snapshot_of, update
from .trade_updates import IN_FLIGHT

if TYPE_CHECKING:
    from ..ledger.authorizations import AuthorizationLedger, Release
    from ..merchant import Merchant

#: The product of captures: no page or app can pay them.
PRODUCT: Final = "preauth"

# Alipay delivers the first message at once; an older freeze is confirmed by a query.
_FRESH: Final = timedelta(minutes=10)
_REASON: Final = text(100)
# What makes a payment a capture; ``buyer_id`` is the payer.
_OWN_FIELDS: Final = (
    *("auth_no", "auth_confirm_mode", "auth_code", "scene", "agreement_params"),
    *("buyer_id", "buyer_open_id"),
)


def capture(
    merchant: Merchant,
    authorization: Any,
    amount: str | int | Decimal,
    *,
    out_trade_no: str | None,
    complete: bool,
    subject: str | None,
    details: Mapping[str, Any],
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.capture`."""
    fen = to_minor_units(amount, parameter="amount")
    number = generate_out_trade_no() if out_trade_no is None else out_trade_no
    title, order_no = subject or authorization.title, authorization.out_order_no
    given = _details(authorization, details, complete=complete)

    def build() -> Any:
        payment = build_payment(
            merchant.models.Payment,
            merchant.config,
            subject=title,
            total_amount=str(Decimal(fen) / 100),
            out_trade_no=number,
            product=PRODUCT,
            currency="CNY",
            details=given,
            has_token_loader=merchant.has_token_loader,
        )
        payment.out_order_no = order_no
        payment.sent_at = utc_now().replace(microsecond=0)
        return payment

    build()  # rejects what Alipay would reject, before anything is committed
    _known(merchant, authorization)
    ledger = merchant.authorizations()
    payment, new = ledger.record_capture(order_no, build, complete=complete)
    try:
        return _submit(merchant, payment, new=new)
    except AlipayError as error:
        error.out_trade_no = number  # for a retry
        raise


def _details(authorization: Any, details: Mapping[str, Any], *, complete: bool) -> dict[str, Any]:
    """Return the details of a capture, with those that it has from its authorization.

    :raises InvalidParameter: if a detail would replace what makes it a capture.
    """
    for name in _OWN_FIELDS:
        if name in details:
            raise InvalidParameter(name, "is set by this package: remove it")
    token = (authorization.details or {}).get("app_auth_token")
    inherited = {"app_auth_token": token, "auth_app_id": authorization.auth_app_id}
    mode = {"auth_confirm_mode": "COMPLETE"} if complete else {}
    known = {name: value for name, value in inherited.items() if value is not None}
    return {**known, **details, **mode}


def resume_capture(merchant: Merchant, payment: Any) -> Any:
    """Query a capture whose result is unknown, and settle it; submit it again if Alipay does not
    know it. Raises as :meth:`~flask_alipay.AlipayBlueprint.capture` does.

    :param payment: the application's object.
    """
    return _submit(merchant, payment, new=False)


def _submit(merchant: Merchant, payment: Any, *, new: bool) -> Any:
    ledger = merchant.authorizations()
    authorization = ledger.rows.find(payment.out_order_no)
    if authorization is None:
        raise InvalidParameter("authorization", "is not in the ledger: commit it first")
    result = pay_by_grant(merchant, payment, _grant(merchant, authorization), new=new)
    found = result.payment
    if result.rejection is not None and not (found is not None and found.paid):
        raise _rejected(merchant, authorization, result.rejection)
    if found is not None and not found.paid and found.trade_status == TradeStatus.TRADE_CLOSED:
        raise GatewayError("the capture has failed: a new attempt needs a new out_trade_no")
    return found


def _rejected(merchant: Merchant, authorization: Any, rejection: GatewayError) -> GatewayError:
    """Update the authorization of a rejected capture: it may have ended at Alipay."""
    with suppress(AlipayError):
        update(merchant, snapshot_of(merchant, authorization))
    return rejection


def _grant(merchant: Merchant, authorization: Any) -> dict[str, Any]:
    details = authorization.details or {}
    return {
        "auth_no": authorization.auth_no,
        "product_code": authorization.product_code,
        "buyer_id": authorization.payer_user_id,
        "buyer_open_id": authorization.payer_open_id,
        "seller_id": details.get("payee_user_id"),
    }


def release(
    merchant: Merchant,
    authorization: Any,
    amount: str | int | Decimal | None,
    out_request_no: str | None,
    reason: str | None,
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.release`."""
    fen = None if amount is None else to_minor_units(amount, parameter="amount")
    if out_request_no is not None:
        check_out_trade_no(out_request_no, "out_request_no")
    if reason is not None:
        _REASON("reason", reason, merchant.config.charset)
    snapshot = _known(merchant, authorization)
    ledger = merchant.authorizations()
    claimed = ledger.claim_release(
        snapshot.out_order_no, out_request_no, fen, generate_out_trade_no()
    )
    try:
        return _release(merchant, ledger, snapshot, claimed, reason)
    except AlipayError as error:
        error.out_request_no = claimed.out_request_no
        raise


def resume_release(merchant: Merchant, authorization: Any) -> Any:
    """Submit a release whose result is unknown again, with the same number, and settle it. Raises
    as :meth:`~flask_alipay.AlipayBlueprint.release` does.

    :param authorization: the application's object.
    """
    number = authorization.release_no
    return release(merchant, authorization, None, number, None)


def _known(merchant: Merchant, authorization: Any) -> AuthorizationSnapshot:
    """Read the values of an authorization, and commit the session; query Alipay first if its
    number of a frozen one is not known.
    """
    snapshot = snapshot_of(merchant, authorization)
    if snapshot.auth_no is None and snapshot.status == AuthorizationStatus.AUTHORIZED:
        update(merchant, snapshot)
    return snapshot


def _release(
    merchant: Merchant,
    ledger: AuthorizationLedger,
    snapshot: AuthorizationSnapshot,
    claimed: Release,
    reason: str | None,
) -> Any:
    number, submission = snapshot.out_order_no, claimed.submission
    if submission is None:  # released before
        return ledger.rows.find(number)
    before = submission.before
    row = ledger.rows.find(number)
    request = ReleaseRequest(
        out_order_no=number,
        auth_no=(row.auth_no if row is not None else None) or snapshot.auth_no or "",
        out_request_no=claimed.out_request_no,
        fen=claimed.fen,
        reason=reason,
        undecided=before is not None and utc_now() - before < IN_FLIGHT,
        notify_url=snapshot.request.notify_url,
    )
    merchant.session.commit()
    try:
        report = snapshot.gateway.release_authorization(request)
    except RejectionInDoubt:
        ledger.drop_release(number, claimed, rejected=False)
        raise
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if not ledger.drop_release(number, claimed, rejected=True):
            raise in_doubt(error) from None
        with suppress(AlipayError):
            update(merchant, snapshot)
        raise
    return ledger.settle_authorization(report).payment


def confirm_message(merchant: Merchant, message: Message) -> bool:
    """Query an authorization that a message reports as frozen, if the message is old or the
    authorization has ended: it may have been released since. Also if the message does not name its
    merchant. The response is settled; no transaction is open.

    :returns: whether the message itself is to be settled.
    :raises BadNotification: if a field is missing or invalid.
    :raises ConfirmationUnknown: if the query gives no certain result.
    :raises NotificationRefused: if the ledger rejects the response, or a callback raised.
    """
    report = AuthorizationReport.from_message(
        message.kind, message.content, message.params, message.notify_id
    )
    ledger = merchant.authorizations()
    row = ledger.rows.find(report.out_order_no)
    if row is None or not ledger.is_about_merchant(row, message.auth_app_id):
        merchant.session.rollback()
        return True  # recorded: the ledger compares the merchant
    named = message.auth_app_id is not None or row.auth_app_id is None
    state, at = row.status, report.operated_at
    freezes = report.status == AuthorizationStatus.AUTHORIZED and state in _NOT_FROZEN
    old = at is None or utc_now() - at > _FRESH or state == AuthorizationStatus.CLOSED
    if named and not (freezes and old):
        merchant.session.rollback()
        return True
    try:
        snapshot = snapshot_of(merchant, row)
        found = snapshot.gateway.query_authorization(snapshot.request)
    except (AppAuthTokenError, GatewayError) as error:
        merchant.session.rollback()
        raise ConfirmationUnknown(
            f"fund.auth.operation.detail.query: {error}", notify_id=message.notify_id
        ) from None
    if found is None:
        raise ConfirmationUnknown(
            "a query does not confirm what the message reports", notify_id=message.notify_id
        )
    ledger.settle_authorization(found)
    return False


_NOT_FROZEN: Final = (AuthorizationStatus.INIT, AuthorizationStatus.CLOSED)
