"""Pre-authorisations (资金预授权): create, freeze, query and cancel one.

Every response is a report for the ledger, like a message: whichever arrives first is settled, and
callbacks run once. The session is committed before Alipay is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import (
    AlipayError,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from ..gateways.interface import AuthorizationRequest
from ..models import AuthorizationMixin, utc_now
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.preauthorizations import FREEZE, AuthorizationReport, AuthorizationStatus
from ..protocol.validation import check_out_trade_no, timeout_minutes
from .order_number import generate_out_trade_no
from .payments import check_json, choose_merchant, split_details
from .qr_codes import PaymentQrCode
from .queries import require_support
from .trade_params import notify_url_outside_requests

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway, PollingPolicy
    from ..merchant import Merchant

#: The payer's time to authorise, unless ``pay_timeout`` is given.
DEFAULT_TIMEOUT: Final = "15m"
#: The longest time, and an allowance for the difference between two machines' clocks.
MAX_TIMEOUT: Final = timedelta(days=15)
SKEW: Final = timedelta(minutes=5)
# The stored QR code, which is no parameter of the gateway.
_STORED: Final = frozenset({"qr_code", "qr_code_until"})
_LEDGER_COLUMNS: Final = frozenset(AuthorizationMixin.__annotations__) - {"auth_app_id"}
_OWN_FIELDS: Final = frozenset({"order_title", "amount", "trans_currency", "settle_currency"})


@dataclass(frozen=True)
class AuthorizationSnapshot:
    """The values of an authorization that a call needs: no row is read during the call."""

    out_order_no: str
    auth_no: str | None
    status: str
    total_fen: int
    #: The end of the payer's time to authorise.
    ends_at: datetime
    #: ``True`` if the payer may have it.
    sent: bool
    request: AuthorizationRequest
    gateway: OpenApiGateway = field(repr=False, compare=False)
    #: Everything that Alipay receives with a freeze.
    params: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def expired(self) -> bool:
        """``True`` if the payer can no longer authorise it, also by a clock that is behind."""
        return self.ends_at + SKEW < utc_now()


def build_authorization(
    merchant: Merchant,
    *,
    title: str,
    amount: str | int | Decimal,
    out_order_no: str | None,
    out_request_no: str | None,
    product_code: str,
    details: Mapping[str, Any],
) -> Any:
    """Build an authorization from the arguments of
    :meth:`~flask_alipay.AlipayBlueprint.create_authorization`.
    """
    require_support(merchant, "query_authorization")
    merchant.authorizations()  # requires the class
    model: Any = merchant.models.Authorization
    config = merchant.config
    fen = to_minor_units(amount, parameter="amount")
    number = generate_out_trade_no() if out_order_no is None else out_order_no
    request_no = number if out_request_no is None else out_request_no
    check_out_trade_no(number, "out_order_no")
    check_out_trade_no(request_no, "out_request_no")
    columns, parameters = split_details(model, details, _LEDGER_COLUMNS | _STORED | _OWN_FIELDS)
    token = parameters.get("app_auth_token")
    auth_app_id = choose_merchant(
        config, columns.pop("auth_app_id", None), token, merchant.has_token_loader
    )
    check_json(parameters)
    authorization = model(
        merchant=config.merchant,
        auth_app_id=auth_app_id,
        out_order_no=number,
        out_request_no=request_no,
        product_code=product_code,
        title=title,
        total_fen=fen,
        details=parameters,
        **columns,
    )
    # Rejects what Alipay would reject.
    _openapi(merchant.gateway).fund_auth_order_app_freeze(**_params(authorization))
    return authorization


def freeze_order_string(merchant: Merchant, authorization: Any) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.freeze_order_string`."""
    snapshot = _to_send(merchant, authorization)
    return snapshot.gateway.fund_auth_order_app_freeze(**snapshot.params)


def freeze_qr_code(merchant: Merchant, authorization: Any) -> PaymentQrCode:
    """See :meth:`~flask_alipay.AlipayBlueprint.freeze_qr_code`."""
    stored = _stored_code(authorization)
    if stored is not None:
        return stored
    snapshot = _to_send(merchant, authorization)
    try:
        response = snapshot.gateway.fund_auth_order_voucher_create(**snapshot.params)
    except GatewayError as error:
        if error.signed:  # the payer may have confirmed it otherwise
            with suppress(AlipayError):
                update(merchant, snapshot)
        raise
    until = snapshot.ends_at.isoformat()
    values = {"qr_code": response.code_value, "qr_code_until": until}
    row = merchant.authorizations().store_details(snapshot.out_order_no, values)
    return _stored_code(row) or PaymentQrCode(
        response.code_value, snapshot.ends_at, snapshot.total_fen
    )


def freeze_barcode(
    merchant: Merchant, authorization: Any, auth_code: str, polling: PollingPolicy | None
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.freeze_barcode`."""
    from ..gateways.openapi import PollingPolicy  # not imported on the legacy gateway

    snapshot = _to_send(merchant, authorization)
    polling = PollingPolicy() if polling is None else polling
    failure: GatewayError | None = None
    try:
        report = snapshot.gateway.freeze_by_code(snapshot.request, auth_code, snapshot.params)
    except OutcomeUnknown:
        pass
    except GatewayError as error:
        if not error.signed:
            raise
        failure = error
    else:
        if report.status != AuthorizationStatus.INIT:
            return _settle(merchant, report)
    for _ in polling.attempts(0 if failure else polling.seconds):
        found = _query_or_none(snapshot)
        if found is not None and found.status != AuthorizationStatus.INIT:
            row = _settle(merchant, found)
            if failure is not None and row.status == AuthorizationStatus.CLOSED:
                raise failure
            return row
    return _cancel_freeze(merchant, snapshot, failure)


def _cancel_freeze(
    merchant: Merchant, snapshot: AuthorizationSnapshot, failure: GatewayError | None
) -> Any:
    """Cancel a freeze that the payer has not confirmed, or that Alipay rejected."""
    report = snapshot.gateway.cancel_authorization(snapshot.request)
    if report is not None:
        row = _settle(merchant, report)
    elif failure is not None:
        # Signed: the freeze was rejected, and there is no authorization. The code is used up.
        row = _settle(merchant, _closed(snapshot))
    else:
        raise OutcomeUnknown("it is unknown whether the amount is frozen", retryable=True)
    if failure is not None:
        raise failure
    return row


def query_authorization(merchant: Merchant, authorization: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.query_authorization`."""
    return update(merchant, snapshot_of(merchant, authorization))


def update(merchant: Merchant, snapshot: AuthorizationSnapshot) -> Any:
    """Query an authorization at Alipay and settle the response; close it if its time is over.

    :returns: the application's object, as the ledger has it now.
    """
    report = snapshot.gateway.query_authorization(snapshot.request)
    waiting = report is None or report.status == AuthorizationStatus.INIT
    if waiting and snapshot.status == AuthorizationStatus.INIT and snapshot.expired:
        if report is not None:
            report = snapshot.gateway.cancel_authorization(snapshot.request)
        report = _closed(snapshot) if report is None else report
    if report is None:
        return merchant.authorizations().rows.find(snapshot.out_order_no)
    return _settle(merchant, report)


def cancel_authorization(merchant: Merchant, authorization: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.cancel_authorization`."""
    snapshot = snapshot_of(merchant, authorization)
    if snapshot.status == AuthorizationStatus.CLOSED:
        return merchant.authorizations().rows.find(snapshot.out_order_no)
    if snapshot.status != AuthorizationStatus.INIT:
        raise InvalidParameter("authorization", f"is {snapshot.status}: release the amount instead")
    if not snapshot.sent:
        return _settle(merchant, _closed(snapshot))
    try:
        report = snapshot.gateway.cancel_authorization(snapshot.request)
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if error.signed:
            update(merchant, snapshot)
        raise
    if report is None and not snapshot.expired:
        raise OutcomeUnknown(
            "Alipay does not know the authorization yet: the payer may still open it until it "
            "expires",
            retryable=True,
        )
    return _settle(merchant, _closed(snapshot) if report is None else report)


def snapshot_of(merchant: Merchant, authorization: Any) -> AuthorizationSnapshot:
    """Read the values of an authorization, and commit the session.

    :raises InvalidParameter: if it belongs to another merchant.
    """
    require_support(merchant, "query_authorization")
    if authorization.merchant != merchant.config.merchant:
        raise InvalidParameter("authorization", "belongs to another merchant")
    merchant.session.flush()  # a new one gets its times
    notify_url = notify_url_outside_requests(merchant)
    params = {**_params(authorization), "notify_url": notify_url}
    snapshot = AuthorizationSnapshot(
        out_order_no=authorization.out_order_no,
        auth_no=authorization.auth_no,
        status=authorization.status,
        total_fen=authorization.total_fen,
        ends_at=authorization.expires_at or authorization.created_at + MAX_TIMEOUT,
        sent=authorization.sent_at is not None,
        request=AuthorizationRequest(
            authorization.out_order_no, authorization.out_request_no, notify_url
        ),
        gateway=_openapi(merchant.gateway_for(authorization)),
        params=params,
    )
    merchant.session.commit()
    return snapshot


def _to_send(merchant: Merchant, authorization: Any) -> AuthorizationSnapshot:
    """Record that an authorization is sent to the payer, before it is.

    :raises InvalidParameter: if it can no longer be authorised.
    """
    snapshot = snapshot_of(merchant, authorization)
    if snapshot.status != AuthorizationStatus.INIT:
        status = snapshot.status
        raise InvalidParameter("authorization", f"can no longer be frozen: its status is {status}")
    timeout = snapshot.params["pay_timeout"]
    minutes = timeout_minutes("pay_timeout", timeout) or 0
    now = utc_now()
    ends_at = now + timedelta(minutes=minutes)
    row = merchant.authorizations().mark_sent(snapshot.out_order_no, now, ends_at)
    ends_at = row.expires_at
    merchant.session.commit()
    if ends_at <= now:
        raise InvalidParameter("authorization", "can no longer be frozen: its time is over")
    return AuthorizationSnapshot(**{**vars(snapshot), "ends_at": ends_at, "sent": True})


def _settle(merchant: Merchant, report: AuthorizationReport) -> Any:
    return merchant.authorizations().settle_authorization(report).payment


def _query_or_none(snapshot: AuthorizationSnapshot) -> AuthorizationReport | None:
    try:
        return snapshot.gateway.query_authorization(snapshot.request)
    except GatewayError:
        return None


def _closed(snapshot: AuthorizationSnapshot) -> AuthorizationReport:
    """Return the report of an authorization that ended at Alipay without ever being opened."""
    return AuthorizationReport(
        out_order_no=snapshot.out_order_no,
        status=AuthorizationStatus.CLOSED,
        is_current=True,
        params={"method": "alipay.fund.auth.operation.detail.query", "operation_type": FREEZE},
    )


def _params(authorization: Any) -> dict[str, Any]:
    details: Mapping[str, Any] = authorization.details or {}
    given = {name: value for name, value in details.items() if name not in _STORED}
    timeout = given.pop("timeout_express", None)
    return {
        "pay_timeout": timeout or DEFAULT_TIMEOUT,
        **given,
        "out_order_no": authorization.out_order_no,
        "out_request_no": authorization.out_request_no,
        "order_title": authorization.title,
        "amount": format_amount(authorization.total_fen),
        "product_code": authorization.product_code,
    }


def _stored_code(authorization: Any) -> PaymentQrCode | None:
    details = authorization.details or {}
    if "qr_code" not in details or authorization.status != AuthorizationStatus.INIT:
        return None
    until = datetime.fromisoformat(details["qr_code_until"])
    code = PaymentQrCode(details["qr_code"], until, authorization.total_fen)
    return code if until > utc_now() else None


def _openapi(gateway: Any) -> OpenApiGateway:
    from ..gateways.openapi import OpenApiGateway  # not imported on the legacy gateway

    if not isinstance(gateway, OpenApiGateway):
        raise ConfigurationError("pre-authorisations need the open platform", "PROTOCOL")
    return gateway
