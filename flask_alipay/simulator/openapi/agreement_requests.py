"""Requests to sign an agreement: the fields of ``page.sign``, and those beside a payment.

Source of the limits: part I of the protocol sheet, sections 3.2 to 3.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import to_minor_units
from ...protocol.validation import check_choice, check_pattern
from ..trades.agreements import SignRequest
from ..trades.periods import DAY, MAX_DAY, MIN_DAYS, MONTH, PeriodRule
from ..web.urls import checked_url
from .call import ApiCall
from .content import required, text
from .orders import APP, CREATE, PAGE

#: Products whose deductions follow a rule of periods.
PERIODIC: Final = ("CYCLE_PAY_AUTH_P",)
#: The products of a deduction (section 3.1).
DEDUCTIONS: Final = ("CYCLE_PAY_AUTH", "GENERAL_WITHHOLDING")
#: The payments with which an agreement can be signed. That of ``page.pay`` has no rule (#4).
WITH_PAYMENT: Final = (APP, CREATE, PAGE)

_PRODUCTS: Final = (*PERIODIC, "GENERAL_WITHHOLDING_P")
_CHANNELS: Final = ("ALIPAYAPP", "QRCODE", "QRCODEORSMS")
_DEFAULT_SCENE: Final = "DEFAULT|DEFAULT"
# Alipay's text allows letters and digits; real numbers have hyphens (a captured message of 2022).
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_SCENE: Final = re.compile(r"[A-Z0-9_]+\|[A-Z0-9_]+", re.ASCII)
_VALIDITY: Final = re.compile(r"[1-9][0-9]{0,3}[dm]", re.ASCII)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,7}", re.ASCII)


def read_page_sign(call: ApiCall) -> SignRequest:
    """Parse and validate the fields of ``alipay.user.agreement.page.sign``.

    :raises InvalidParameter: names the field that Alipay would reject.
    """
    return _read(call, call.content, call.params.get("notify_url", ""))


def read_sign_params(call: ApiCall) -> SignRequest | None:
    """Parse and validate the ``agreement_sign_params`` of a payment, if there are any.

    Alipay lets a payment succeed whose request to sign is invalid (section 3.4); here the payment
    is rejected, so that the mistake is found.

    :raises InvalidParameter: names the field that is invalid.
    """
    fields = call.content.get("agreement_sign_params")
    if not fields or call.method not in WITH_PAYMENT:
        return None
    if not isinstance(fields, dict):
        raise InvalidParameter("agreement_sign_params", "must be an object, not its JSON as text")
    if call.method == PAGE and "period_rule_params" in fields:
        raise InvalidParameter("period_rule_params", f"is not possible with {PAGE}")
    notify_url = fields.get("sign_notify_url") or call.params.get("notify_url", "")
    request = _read(call, fields, str(notify_url))
    if not request.sign_scene or request.sign_scene == _DEFAULT_SCENE:
        raise InvalidParameter("sign_scene", "is required in agreement_sign_params")
    return request


def read_day(name: str, value: str) -> date:
    """Parse a day like ``2026-01-31``.

    :raises InvalidParameter: if it is none.
    """
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    if day is None or value != day.isoformat():
        raise InvalidParameter(name, "must be a day like 2026-01-31")
    return day


def _read(call: ApiCall, fields: Mapping[str, Any], notify_url: str) -> SignRequest:
    def given(name: str, max_length: int = 64) -> str:
        return text(fields, name, max_length, call.charset)

    product = required(fields, "personal_product_code", 64, call.charset)
    check_choice("personal_product_code", product, _PRODUCTS)
    if call.method != PAGE:  # whose type has no access_params
        access = _object(fields, "access_params")
        check_choice("channel", required(access, "channel", 20, call.charset), _CHANNELS)
    number, scene = given("external_agreement_no", 32), given("sign_scene") or _DEFAULT_SCENE
    if number:
        expected = "1 to 32 letters, digits, underscores or hyphens"
        check_pattern("external_agreement_no", number, _NUMBER, expected)
        if scene == _DEFAULT_SCENE:
            raise InvalidParameter("sign_scene", "is required with external_agreement_no")
    check_pattern("sign_scene", scene, _SCENE, "like INDUSTRY|DIGITAL_MEDIA")
    validity = given("sign_validity_period", 8)
    if validity:
        check_pattern("sign_validity_period", validity, _VALIDITY, "a number and d or m, like 12m")
    seconds = given("effect_time", 8)
    if seconds:
        check_pattern("effect_time", seconds, _SECONDS, "a number of seconds")
    return SignRequest(
        personal_product_code=product,
        sign_scene=scene,
        product_code=given("product_code"),
        external_agreement_no=number,
        external_logon_id=given("external_logon_id", 100),
        third_party_type=given("third_party_type") or "PARTNER",
        validity=validity,
        rule=_rule(call, fields, product),
        open_until=call.now + timedelta(seconds=int(seconds)) if seconds else None,
        notify_url=checked_url("notify_url", notify_url, max_length=256),
        return_url=checked_url("return_url", call.params.get("return_url", ""), max_length=256),
        charset=call.charset,
        sign_type=call.sign_type,
        app_auth_token=call.params.get("app_auth_token", ""),
        out_trade_no=call.text("out_trade_no"),
    )


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object; its JSON as text is another thing (#53)."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise InvalidParameter(name, "is required, as an object and not as its JSON")
    return value


def _rule(call: ApiCall, fields: Mapping[str, Any], product: str) -> PeriodRule | None:
    """Return the rule of periods, which periodic products require (section 3.3)."""
    if product not in PERIODIC:
        return None
    rule = _object(fields, "period_rule_params")
    kind = required(rule, "period_type", 8, call.charset)
    check_choice("period_type", kind, (DAY, MONTH))
    period = required(rule, "period", 8, call.charset)
    check_pattern("period", period, _COUNT, "a whole number")
    if kind == DAY and int(period) < MIN_DAYS:
        raise InvalidParameter("period", f"must be at least {MIN_DAYS} days")
    day = read_day("execute_time", required(rule, "execute_time", 10, call.charset))
    if kind == MONTH and day.day > MAX_DAY:
        raise InvalidParameter("execute_time", f"must be a day from 1 to {MAX_DAY} of a month")
    total = text(rule, "total_amount", 32, call.charset)
    payments = text(rule, "total_payments", 8, call.charset)
    if payments:
        check_pattern("total_payments", payments, _COUNT, "a whole number")
    single = required(rule, "single_amount", 32, call.charset)
    return PeriodRule(
        period_type=kind,
        period=int(period),
        execute_time=day.isoformat(),
        single_fen=to_minor_units(single, parameter="single_amount"),
        total_fen=to_minor_units(total, parameter="total_amount") if total else None,
        total_payments=int(payments) if payments else None,
    )
