"""Agreements on deductions: created, signed, queried, changed and ended.

The payer signs at Alipay. Messages, queries and responses are settled by the same ledger, whichever
arrives first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect

from ..exceptions import (
    AgreementEnded,
    ConfigurationError,
    DeductionPending,
    InvalidParameter,
)
from ..ledger.agreement_updates import PlanState
from ..models import AgreementMixin, utc_now
from ..protocol.agreements import (
    AgreementReport,
    AgreementStatus,
    check_day,
    check_period_rule,
    china_date,
    china_today,
)
from ..protocol.conversion import format_amount, to_minor_units
from .order_number import generate_out_trade_no
from .payments import check_json, choose_merchant, split_details

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway
    from ..gateways.openapi.agreement_operations import AgreementRequest
    from ..merchant import Merchant
    from ..protocol.signed_request import SignedRequest

# Columns that only the ledger or an argument sets, and the parameter that is made of them.
_RESERVED: Final = frozenset(AgreementMixin.__annotations__) - {"auth_app_id"} | {
    "period_rule_params"
}
_CYCLE: Final = "CYCLE_PAY_AUTH_P"
#: For this long after a signature, a query that finds no agreement proves nothing.
FRESH: Final = timedelta(minutes=10)
# Allowance for the difference between two machines' clocks.
_SKEW: Final = timedelta(minutes=5)


def create_agreement(
    merchant: Merchant,
    *,
    period_type: str | None,
    single_amount: Any,
    total_amount: Any,
    total_payments: int | None,
    sign_scene: str | None,
    product_code: str,
    personal_product_code: str | None,
    external_agreement_no: str | None,
    external_logon_id: str | None,
    details: Mapping[str, Any],
    **plan: Any,
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.create_agreement`."""
    merchant.agreements()  # needs the application's class
    Agreement: Any = merchant.models.Agreement
    columns, parameters = split_details(Agreement, details, _RESERVED)
    token = parameters.get("app_auth_token")
    auth_app_id = columns.pop("auth_app_id", None)
    auth_app_id = choose_merchant(merchant.config, auth_app_id, token, merchant.has_token_loader)
    check_json(parameters)
    if sign_scene is None:
        raise InvalidParameter("sign_scene", "is required: the scene of the contract")
    code = personal_product_code or ("GENERAL_WITHHOLDING_P" if period_type is None else _CYCLE)
    agreement = Agreement(
        merchant=merchant.config.merchant,
        auth_app_id=auth_app_id,
        external_agreement_no=external_agreement_no or generate_out_trade_no(),
        product_code=product_code,
        personal_product_code=code,
        sign_scene=sign_scene,
        status=AgreementStatus.TEMP,
        single_fen=_fen(single_amount, "single_amount"),
        total_fen=_fen(total_amount, "total_amount"),
        total_payments=_count(total_payments),
        charged_fen=0,
        charge_count=0,
        external_logon_id=external_logon_id,
        details=parameters,
        **_plan(merchant, code, period_type, **plan),
        **columns,
    )
    if period_type is not None and agreement.single_fen is None:
        raise InvalidParameter("single_amount", "is required with a period")
    _signed(merchant, agreement)  # checks everything that Alipay receives
    merchant.session.add(agreement)
    return agreement


def sign_request(
    merchant: Merchant, agreement: Any, return_url: str | None = None
) -> SignedRequest:
    """See :meth:`~flask_alipay.AlipayBlueprint.sign_request`.

    :param return_url: the URL to which Alipay sends the payer.
    """
    check_owner(merchant, agreement)
    _check_unsigned(agreement)
    signed = merchant.route_to_simulator(_signed(merchant, agreement, return_url))
    if agreement.sent_at is None:
        if inspect(agreement).persistent:
            merchant.session.commit()
            merchant.agreements().mark_sent(agreement.external_agreement_no)
        elif not inspect(agreement).has_identity:
            agreement.sent_at = utc_now()
    return signed


def sign_link(merchant: Merchant, agreement: Any, return_url: str | None = None) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.sign_link`; with the simulator, the URL of its page.

    :param return_url: the URL to which Alipay sends the payer.
    """
    from ..gateways.openapi.agreements import wallet_link

    signed = sign_request(merchant, agreement, return_url)
    return signed.url if merchant.config.simulator else wallet_link(signed)


def signing_details(
    merchant: Merchant, agreement: Any, product: str | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the details of a payment together with which the payer signs an agreement.

    :param details: the details that the caller gives.
    :raises InvalidParameter: if the agreement cannot be signed, or not with the product.
    """
    check_owner(merchant, agreement)
    _check_unsigned(agreement)
    # Source for page: AgreementSignParams in Alipay's Python SDK.
    on_page = product == "page" and agreement.period_type is None
    if product not in ("app", "jsapi") and not on_page:
        raise InvalidParameter(
            "product", "must be app or jsapi (without periods also page) to sign an agreement"
        )
    if "agreement_sign_params" in details:
        raise InvalidParameter("agreement_sign_params", "is set by this package: remove it")
    params = sign_params(agreement)
    params.pop("app_auth_token", None)
    if on_page:
        params.pop("access_params")
    cycle = product == "app" and agreement.product_code == "CYCLE_PAY_AUTH"
    code = {"product_code": agreement.product_code} if cycle else {}
    return {**code, **details, "agreement_sign_params": params}


def sign_with(agreement: Any, payment: Any) -> None:
    """Record that an agreement is signed together with a payment.

    :raises InvalidParameter: if they belong to different merchants.
    """
    if payment.auth_app_id != agreement.auth_app_id:
        raise InvalidParameter("agreement", "is another merchant's than the payment")
    payment.external_agreement_no = agreement.external_agreement_no
    if agreement.sent_at is None:
        agreement.sent_at = utc_now()


def query_agreement(merchant: Merchant, agreement: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.query_agreement`."""
    gateway = agreement_gateway(merchant, agreement)
    ledger, request, plan = merchant.agreements(), request_of(agreement), PlanState.of(agreement)
    number, status = agreement.external_agreement_no, agreement.status
    signed_at, valid_until = agreement.signed_at, agreement.valid_until
    merchant.session.commit()
    report = gateway.query_agreement(request)
    now = merchant.clock()
    if report is None and status in (AgreementStatus.NORMAL, AgreementStatus.STOP):
        fresh = signed_at is not None and -_SKEW <= now - signed_at < FRESH
        report = None if fresh else _gone(request)
    if report is None:
        return ledger.find_agreement(number)
    until = report.valid_until or valid_until
    if until is not None and until + _SKEW < now and report.status != AgreementStatus.UNSIGN:
        report = replace(report, status=AgreementStatus.UNSIGN, ended_at=until)
    return ledger.settle_agreement(report, plan).payment


def give_up_signing(merchant: Merchant, agreement: Any) -> Any:
    """Record that an agreement was never signed; a signature that is reported later still counts.

    :returns: the application's object, as the ledger has it now.
    """
    unsigned = replace(request_of(agreement), agreement_no=None)  # it may be signed meanwhile
    return merchant.agreements().settle_agreement(_gone(unsigned)).payment


def end_agreement(merchant: Merchant, agreement: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.end_agreement`."""
    gateway = agreement_gateway(merchant, agreement)
    if agreement.status == AgreementStatus.UNSIGN:
        return agreement
    merchant.session.flush()
    ledger, request = merchant.agreements(), request_of(agreement)
    sent = agreement.sent_at is not None or agreement.status != AgreementStatus.TEMP
    merchant.session.commit()
    report = gateway.end_agreement(request, _notify_url(merchant)) if sent else _gone(request)
    ended = ledger.settle_agreement(report).payment
    if ended is not None and request.agreement_no is None and ended.agreement_no is not None:
        return end_agreement(merchant, ended)  # signed meanwhile: end it by its number
    return ended


def change_plan(merchant: Merchant, agreement: Any, next_date: Any, memo: str | None) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.change_plan`."""
    gateway = agreement_gateway(merchant, agreement)
    day = china_date(next_date, "next_date")
    if agreement.status != AgreementStatus.NORMAL:
        raise AgreementEnded(f"the agreement is not in force: its status is {agreement.status}")
    if agreement.period_type is None:
        raise InvalidParameter("agreement", "has no periods")
    if agreement.charge_no is not None:
        raise DeductionPending(
            "the outcome of a deduction is unknown", out_trade_no=agreement.charge_no
        )
    check_day(agreement.period_type, day, "next_date")
    if day <= agreement.next_date:
        raise InvalidParameter("next_date", "must be later than the present one")
    ledger, request, plan = merchant.agreements(), request_of(agreement), PlanState.of(agreement)
    merchant.session.commit()
    report = gateway.postpone_deduction(request, day, memo)
    return ledger.settle_agreement(report, plan).payment


def agreement_gateway(merchant: Merchant, agreement: Any) -> OpenApiGateway:
    """Return the client of the open platform for calls about an agreement.

    :raises ConfigurationError: on the legacy gateway, or without a class for agreements.
    :raises InvalidParameter: if the agreement belongs to another merchant.
    :raises AppAuthTokenError: if the application has no token for the agreement's merchant.
    """
    check_owner(merchant, agreement)
    return _openapi(merchant, agreement)


def check_owner(merchant: Merchant, agreement: Any) -> None:
    """Check that an agreement is one of this merchant's.

    :raises InvalidParameter: otherwise.
    :raises ConfigurationError: without a class for agreements.
    """
    merchant.agreements()
    if agreement.merchant != merchant.config.merchant:
        raise InvalidParameter("agreement", "belongs to another merchant")


def request_of(agreement: Any) -> AgreementRequest:
    """Return the identity of an agreement for a request."""
    from ..gateways.openapi.agreement_operations import AgreementRequest

    party = (agreement.details or {}).get("third_party_type")
    return AgreementRequest(
        agreement.external_agreement_no,
        agreement.agreement_no,
        agreement.personal_product_code,
        agreement.sign_scene,
        {} if party is None else {"third_party_type": party},
    )


def sign_params(agreement: Any) -> dict[str, Any]:
    """Return the parameters with which a payer signs an agreement."""
    rule = None
    if agreement.period_type is not None:
        rule = {
            "period_type": agreement.period_type,
            "period": agreement.period,
            "execute_time": agreement.next_date,
            "single_amount": _yuan(agreement.single_fen),
            "total_amount": _yuan(agreement.total_fen),
            "total_payments": agreement.total_payments,
        }
    params = {
        "access_params": {"channel": "ALIPAYAPP"},
        **(agreement.details or {}),
        "product_code": agreement.product_code,
        "personal_product_code": agreement.personal_product_code,
        "sign_scene": agreement.sign_scene,
        "external_agreement_no": agreement.external_agreement_no,
        "external_logon_id": agreement.external_logon_id,
        "period_rule_params": rule,
    }
    return {name: value for name, value in params.items() if value is not None}


def _check_unsigned(agreement: Any) -> None:
    if agreement.status != AgreementStatus.TEMP:
        raise InvalidParameter("agreement", f"cannot be signed: its status is {agreement.status}")


def _signed(merchant: Merchant, agreement: Any, return_url: str | None = None) -> SignedRequest:
    params = sign_params(agreement)
    params.pop("app_auth_token", None)  # the gateway sends it
    return _openapi(merchant, agreement).user_agreement_page_sign(
        **params, notify_url=_notify_url(merchant), return_url=return_url
    )


def _openapi(merchant: Merchant, agreement: Any) -> OpenApiGateway:
    from ..gateways.openapi import OpenApiGateway  # not imported on the legacy gateway

    gateway = merchant.gateway_for(agreement)
    if not isinstance(gateway, OpenApiGateway):
        raise ConfigurationError(
            "agreements need the open platform", f"{merchant.config.prefix}_PROTOCOL"
        )
    return gateway


def _notify_url(merchant: Merchant) -> str | None:
    """Return the URL for messages; without one, as in a task of an application without a configured
    host, Alipay sends them to the application gateway.
    """
    try:
        return merchant.notify_url
    except (InvalidParameter, RuntimeError):
        return None


def _gone(request: AgreementRequest) -> AgreementReport:
    """Return the report of an agreement that Alipay does not have, or that was never sent."""
    return AgreementReport(
        status=AgreementStatus.UNSIGN,
        external_agreement_no=request.external_agreement_no,
        agreement_no=request.agreement_no,
        params={"method": "alipay.user.agreement.query", "sub_code": "USER_AGREEMENT_NOT_EXIST"},
    )


def _plan(
    merchant: Merchant, code: str, period_type: str | None, *, period: Any, next_date: Any
) -> dict[str, Any]:
    """Return the columns of the plan.

    :raises InvalidParameter: names the invalid parameter.
    """
    if period_type is None:
        for name, value in (("period", period), ("next_date", next_date)):
            if value is not None:
                raise InvalidParameter(name, "needs a period_type")
        if code == _CYCLE:
            raise InvalidParameter("period_type", f"is required with {_CYCLE}")
        return {}
    if isinstance(period, bool) or not isinstance(period, int):
        raise InvalidParameter("period", "must be an integer")
    if next_date is None:
        raise InvalidParameter("next_date", "is required with a period")
    day = china_date(next_date, "next_date")
    check_period_rule(period_type, period, day, day_name="next_date")
    if day < china_today(merchant.clock()).isoformat():
        raise InvalidParameter("next_date", "must not be in the past")
    return {"period_type": period_type, "period": period, "next_date": day}


def _count(number: Any) -> int | None:
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidParameter("total_payments", "must be an integer from 1")
    return number


def _fen(value: Any, parameter: str) -> int | None:
    return None if value is None else to_minor_units(value, parameter=parameter)


def _yuan(fen: int | None) -> str | None:
    return None if fen is None else format_amount(fen)
