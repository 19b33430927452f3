"""Agreements on deductions (商家扣款, 周期扣款): signing, query, end and change of the plan.

The codes have no prefix ``ACQ.``. Sources: the models of ``alipay.user.agreement.*`` in Alipay's
SDKs for PHP (version 3) and Python, and the documentation of these methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.agreements import check_period_rule, china_date, date_of
from ...protocol.conversion import parse_china_time
from ...protocol.signed_request import SignedRequest
from ...protocol.validation import (
    FieldValidator,
    amount,
    choice,
    integer,
    pattern,
    text,
    url,
    validate_fields,
)
from . import biz_content
from .client import MethodSpec, OpenApiClient
from .responses import check_echo, required_text, text_field

#: Accesses by which a payer signs: in Alipay's app, by QR code, by QR code or text message.
CHANNELS: Final = ("ALIPAYAPP", "QRCODE", "QRCODEORSMS")
# The page for agreements in Alipay's app. Source: the samples of page.sign.
_WALLET: Final = (
    "alipays://platformapi/startapp?appId=60000157&appClearTop=false&startMultApp=YES&sign_params="
)

_AGREEMENT_NO = text(64)
#: The merchant's number of an agreement. Live ones have hyphens, too.
external_agreement_no = pattern(
    r"[A-Za-z0-9_\-]{1,32}", "1 to 32 letters, digits, underscores or hyphens"
)
_SCENE = text(64)


def _date(name: str, value: Any, charset: str) -> str:
    """``date``, or a day like ``2026-12-05``."""
    return china_date(value, name)


def _number(minimum: int, maximum: int) -> FieldValidator:
    """Return a validator of an integer within limits, which is sent as a number."""
    check = integer(minimum, maximum)

    def field(name: str, value: Any, charset: str) -> int:
        return int(check(name, value, charset))

    field.__doc__ = check.__doc__
    return field


def _object(name: str, value: Any, charset: str) -> Mapping[str, Any]:
    """Mapping; Alipay rejects its JSON as text here."""
    if not isinstance(value, Mapping):
        raise InvalidParameter(name, "must be a mapping of names to values")
    return value


_rule = biz_content.object_field(
    {
        "period_type": choice("DAY", "MONTH"),
        "period": _number(1, 9999),
        "execute_time": _date,
        "single_amount": amount,
        "total_amount": amount,
        "total_payments": _number(1, 99999),
        "scene_rule_params": _object,
    },
    required=("period_type", "period", "execute_time", "single_amount"),
)


def _period_rule(name: str, value: Any, charset: str) -> dict[str, Any]:
    """Mapping with ``period_type`` (``DAY`` or ``MONTH``), ``period`` (from 7 days),
    ``execute_time`` (the day of the first deduction; of the next one if the payer signs with a
    payment; with ``MONTH`` up to the 28th), ``single_amount`` and perhaps ``total_amount`` and
    ``total_payments``.
    """
    rule: dict[str, Any] = _rule(name, value, charset)
    check_period_rule(rule["period_type"], rule["period"], rule["execute_time"], within=f"{name}.")
    return rule


_SIGN_FIELDS: Mapping[str, FieldValidator] = {
    "product_code": text(64),
    "personal_product_code": text(64),
    "sign_scene": _SCENE,
    "access_params": biz_content.object_field(
        {"channel": choice(*CHANNELS)}, required=("channel",)
    ),
    "external_agreement_no": external_agreement_no,
    "external_logon_id": text(100),
    "period_rule_params": _period_rule,
    "sub_merchant": _object,
    "effect_time": _number(1, 99_999_999),
}
SIGN = MethodSpec(
    "alipay.user.agreement.page.sign",
    {
        **_SIGN_FIELDS,
        "sign_validity_period": pattern(r"[1-9][0-9]{0,6}[dm]", "like 12m (months) or 30d (days)"),
        "third_party_type": choice("PARTNER", "MERCHANT"),
        "agreement_effect_type": text(32),
        "merchant_process_url": text(255),
        "zm_auth_params": _object,
        "prod_params": _object,
        "promo_params": text(2048),
        "device_params": _object,
        "identity_params": _object,
        "allow_huazhi_degrade": text(8),
    },
    required=("personal_product_code", "access_params"),
)

#: The fields of ``agreement_sign_params``, with which a payer signs together with a payment. Alipay
#: expects the access inside them; on a desktop's page it has neither the access nor the periods.
#: Source: ``SignParams`` and ``AgreementSignParams`` in Alipay's Python SDK.
sign_params = biz_content.object_field(
    {**_SIGN_FIELDS, "sign_notify_url": url(256), "allow_huazhi_degrade": text(8)},
    required=("personal_product_code", "sign_scene"),
)

_IDENTITY: Mapping[str, FieldValidator] = {
    "agreement_no": _AGREEMENT_NO,
    "external_agreement_no": external_agreement_no,
    "personal_product_code": text(64),
    "sign_scene": _SCENE,
    "alipay_user_id": biz_content.account,
    "alipay_open_id": text(128),
    "alipay_logon_id": text(100),
    "third_party_type": choice("PARTNER", "MERCHANT"),
}
_ONE_OF = ("agreement_no", "external_agreement_no", "alipay_user_id", "alipay_open_id")
AGREEMENT_QUERY = MethodSpec(
    "alipay.user.agreement.query", _IDENTITY, one_of=(*_ONE_OF, "alipay_logon_id"), read_only=True
)
UNSIGN = MethodSpec(
    "alipay.user.agreement.unsign",
    {**_IDENTITY, "operate_type": text(32), "extend_params": _object},
    one_of=(*_ONE_OF, "alipay_logon_id"),
)
PLAN_MODIFY = MethodSpec(
    "alipay.user.agreement.executionplan.modify",
    {"agreement_no": _AGREEMENT_NO, "deduct_time": _date, "memo": text(256)},
    required=("agreement_no", "deduct_time"),
)


@dataclass(frozen=True)
class ExecutionPlan:
    """A planned deduction; the days are days in China."""

    period_id: str | None
    #: The day of the deduction, and the last day on which it may still be made.
    execute_date: str | None
    latest_date: str | None


@dataclass(frozen=True)
class AgreementQueryResponse:
    """An agreement in Alipay's current state. Times are aware UTC, days are days in China."""

    agreement_no: str
    #: ``TEMP``, ``NORMAL`` or ``STOP``.
    status: str
    external_agreement_no: str | None
    personal_product_code: str | None
    sign_scene: str | None
    #: The payer: ``principal_id`` or, in newer applications, ``principal_open_id``.
    payer_user_id: str | None = field(repr=False)
    payer_open_id: str | None = field(repr=False)
    signed_at: datetime | None
    valid_from: datetime | None
    valid_until: datetime | None
    #: The days of the last and the next deduction.
    last_date: str | None
    next_date: str | None
    plans: tuple[ExecutionPlan, ...]
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class PlanModifyResponse:
    """Response to a change of the next deduction's day."""

    agreement_no: str
    #: The day of the next deduction in China.
    next_date: str
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


def wallet_link(request: SignedRequest) -> str:
    """Return the link that opens a signed request of ``page.sign`` in Alipay's app: for apps, for
    browsers on a phone, and as the text of a QR code.

    :param request: the result of :meth:`Agreements.user_agreement_page_sign`.
    """
    return f"{_WALLET}{quote(request.order_string, safe='')}"


class Agreements(OpenApiClient):
    """Agreements on deductions; further ``fields`` are those of the other methods.

    A deduction is :meth:`~BarcodePayments.trade_pay` with ``agreement_params``. Alipay starts none
    by itself.
    """

    def user_agreement_page_sign(
        self,
        *,
        personal_product_code: str,
        access_params: Mapping[str, Any] | None = None,
        external_agreement_no: str | None = None,
        **fields: Any,
    ) -> SignedRequest:
        """Return the signed request with which a payer signs an agreement
        (``alipay.user.agreement.page.sign``); :func:`wallet_link` makes a link of it.

        :param personal_product_code: ``CYCLE_PAY_AUTH_P`` with ``period_rule_params``, or
            ``GENERAL_WITHHOLDING_P``.
        :param access_params: ``channel`` is one of :data:`CHANNELS`; ``ALIPAYAPP`` by default.
        :param external_agreement_no: the merchant's number of the agreement; requires a
            ``sign_scene``.
        :param fields: see :ref:`user_agreement_page_sign <parameters-user_agreement_page_sign>`;
            ``notify_url`` receives the message about the signing, ``return_url`` the payer.
        :raises InvalidParameter: names the invalid field: ``period_rule_params.period``.
        :raises TypeError: for a ``float`` amount.
        """
        required = {
            "personal_product_code": personal_product_code,
            "access_params": {"channel": "ALIPAYAPP"} if access_params is None else access_params,
            "external_agreement_no": external_agreement_no,
        }
        common, given = self._split({**fields, **required}, SIGN.name)
        content = validate_fields(SIGN.fields, given, self.charset, required=SIGN.required)
        if external_agreement_no is not None and "sign_scene" not in content:
            raise InvalidParameter("sign_scene", "is required with external_agreement_no")
        return self._request(SIGN.name, content, common)

    def user_agreement_query(
        self,
        *,
        agreement_no: str | None = None,
        external_agreement_no: str | None = None,
        **fields: Any,
    ) -> AgreementQueryResponse:
        """Query an agreement (``alipay.user.agreement.query``); retried if no response arrives.

        :param agreement_no: Alipay's number of the agreement, or
        :param external_agreement_no: the merchant's, together with ``personal_product_code`` and
            the ``sign_scene`` of the signing.
        :param fields: ``alipay_user_id`` or ``alipay_open_id`` instead of a number.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``USER_AGREEMENT_NOT_EXIST``
            for an agreement that has ended or was never signed.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        numbers = {"agreement_no": agreement_no, "external_agreement_no": external_agreement_no}
        node = self._do(AGREEMENT_QUERY, {**fields, **numbers})
        for name, number in numbers.items():
            if number is not None:
                check_echo(node, name, number)
        return AgreementQueryResponse(
            agreement_no=required_text(node, "agreement_no"),
            status=required_text(node, "status"),
            external_agreement_no=text_field(node, "external_agreement_no") or None,
            personal_product_code=text_field(node, "personal_product_code") or None,
            sign_scene=text_field(node, "sign_scene") or None,
            payer_user_id=text_field(node, "principal_id") or None,
            payer_open_id=text_field(node, "principal_open_id") or None,
            signed_at=parse_china_time(text_field(node, "sign_time")),
            valid_from=parse_china_time(text_field(node, "valid_time")),
            valid_until=parse_china_time(text_field(node, "invalid_time")),
            last_date=date_of(text_field(node, "last_deduct_time")),
            next_date=date_of(text_field(node, "next_deduct_time")),
            plans=_plans(node.get("execution_plans")),
            params=node,
        )

    def user_agreement_unsign(
        self,
        *,
        agreement_no: str | None = None,
        external_agreement_no: str | None = None,
        **fields: Any,
    ) -> Mapping[str, Any]:
        """End an agreement (``alipay.user.agreement.unsign``).

        :param agreement_no: Alipay's number of the agreement, or
        :param external_agreement_no: the merchant's, together with ``personal_product_code`` and
            the ``sign_scene`` of the signing.
        :param fields: ``notify_url`` receives the message ``dut_user_unsign``.
        :returns: the complete response node.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``; also for an agreement that has ended.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            ended.
        """
        numbers = {"agreement_no": agreement_no, "external_agreement_no": external_agreement_no}
        return self._do(UNSIGN, {**fields, **numbers})

    def user_agreement_executionplan_modify(
        self, *, agreement_no: str, deduct_time: Any, memo: str | None = None, **fields: Any
    ) -> PlanModifyResponse:
        """Postpone the next deduction (``alipay.user.agreement.executionplan.modify``); the later
        ones follow it.

        :param agreement_no: Alipay's number of the agreement.
        :param deduct_time: the day, later than the present one: a ``date``, or a text like
            ``2026-12-05``.
        :param memo: the reason.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``ILLEGAL_EXECUTION_TIME``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: the day may be
            changed.
        """
        required = {"agreement_no": agreement_no, "deduct_time": deduct_time, "memo": memo}
        node = self._do(PLAN_MODIFY, {**fields, **required})
        check_echo(node, "agreement_no", agreement_no)
        stated = text_field(node, "deduct_time")
        found = date_of(stated) if stated else china_date(deduct_time, "deduct_time")
        if found is None:
            raise OutcomeUnknown("the gateway's response cannot be parsed: deduct_time is no day")
        return PlanModifyResponse(agreement_no, found, node)


def _plans(value: Any) -> tuple[ExecutionPlan, ...]:
    entries = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return tuple(
        ExecutionPlan(
            text_field(each, "period_id") or None,
            date_of(text_field(each, "execute_time")),
            date_of(text_field(each, "latest_execute_time")),
        )
        for each in entries
        if isinstance(each, Mapping)
    )
