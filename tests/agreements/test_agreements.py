"""Agreements are created, signed, queried, postponed and ended."""

from __future__ import annotations

import json
import threading
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from flask import Flask
from sqlalchemy import select

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import (
    AgreementEnded,
    ConfigurationError,
    DeductionPending,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)

from ..doubles.openapi import DONE
from ..services import on_each_database
from .shop import (
    AGREEMENT_NO,
    LOST,
    MODIFY,
    PAY,
    PAYER,
    QUERY,
    SCENE,
    TRADE_QUERY,
    UNSIGN,
    Agreement,
    DeductingAlipay,
    DeductingShop,
    Payment,
    db,
    rejection,
)


def test_an_agreement_is_signed_by_a_link_with_its_rule(small_shop: DeductingShop) -> None:
    small_shop.subscribe(
        total_amount="360.00", total_payments=12, external_logon_id="anna", period=2
    )
    with small_shop.app.test_request_context(base_url="http://localhost"):
        agreement = db.session.scalar(select(Agreement))
        link = small_shop.alipay.sign_link(agreement)
    assert link.startswith("alipays://platformapi/startapp?appId=60000157&")
    query = unquote(link.partition("sign_params=")[2])
    params = small_shop.merchant.request_at(f"?{query}")
    assert params["method"] == "alipay.user.agreement.page.sign"
    assert params["notify_url"] == "http://localhost/alipay/notify"
    assert params["return_url"].startswith("http://localhost/alipay/sign/")
    assert json.loads(params["biz_content"]) == {
        "access_params": {"channel": "ALIPAYAPP"},
        "product_code": "GENERAL_WITHHOLDING",
        "personal_product_code": "CYCLE_PAY_AUTH_P",
        "sign_scene": SCENE,
        "external_agreement_no": "S1",
        "external_logon_id": "anna",
        "period_rule_params": {
            "period_type": "MONTH",
            "period": 2,
            "execute_time": "2026-12-05",
            "single_amount": "30.00",
            "total_amount": "360.00",
            "total_payments": 12,
        },
    }
    assert small_shop.agreement().sent_at is not None


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"period_type": "WEEK"}, "period_type"),
        ({"period_type": "DAY", "period": 6}, "period"),
        ({"period": 0}, "period"),
        ({"period": "1"}, "period"),
        ({"period": True}, "period"),
        ({"period": None}, "period"),
        ({"next_date": None}, "next_date"),
        ({"next_date": "2026-12-29"}, "next_date"),
        ({"next_date": "2026-11-30"}, "next_date"),
        ({"next_date": "5.12.2026"}, "next_date"),
        ({"next_date": datetime(2026, 12, 5, tzinfo=timezone.utc)}, "next_date"),
        ({"single_amount": None}, "single_amount"),
        ({"single_amount": "0"}, "single_amount"),
        ({"single_amount": "30.001"}, "single_amount"),
        ({"total_amount": "-1"}, "total_amount"),
        ({"total_payments": 0}, "total_payments"),
        ({"sign_scene": None}, "sign_scene"),
        ({"external_agreement_no": "S" * 33}, "external_agreement_no"),
        ({"external_agreement_no": "S 1"}, "external_agreement_no"),
        ({"period_type": None}, "period"),
        (
            {"period_type": None, "period": None, "next_date": None}
            | {"personal_product_code": "CYCLE_PAY_AUTH_P"},
            "period_type",
        ),
        ({"status": "NORMAL"}, "status"),
        ({"agreement_no": "1"}, "agreement_no"),
        ({"period_rule_params": {}}, "period_rule_params"),
        ({"access_params": {"channel": "FAX"}}, "access_params.channel"),
    ],
)
def test_an_invalid_agreement_is_not_created(
    small_shop: DeductingShop, changes: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        small_shop.subscribe(**changes)
    assert caught.value.parameter == parameter
    assert small_shop.contents() == []


def test_a_float_is_no_amount(small_shop: DeductingShop) -> None:
    with pytest.raises(TypeError):
        small_shop.subscribe(single_amount=30.0)


def test_a_generated_number_is_long_and_new(small_shop: DeductingShop) -> None:
    with small_shop.app.app_context():
        numbers = {
            small_shop.alipay.create_agreement(sign_scene=SCENE).external_agreement_no
            for _ in range(2)
        }
    assert len(numbers) == 2


def test_agreements_need_a_class(small_shop: DeductingShop) -> None:
    alipay = AlipayBlueprint(db, Payment)
    with pytest.raises(ConfigurationError):
        alipay.on_agreement_signed(print)
    with pytest.raises(ConfigurationError):
        alipay.on_agreement_ended(print)


@on_each_database
def test_a_query_finds_the_signature(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.subscribe()
    alipay.agreement = {
        "status": "NORMAL",
        "principal_id": PAYER,
        "sign_time": "2026-12-01 12:00:00",
        "invalid_time": "2115-02-01 00:00:00",
        "next_deduct_time": "2026-12-06",
    }
    agreement = shop.call("query_agreement")
    assert (agreement.status, agreement.agreement_no) == ("NORMAL", AGREEMENT_NO)
    assert (agreement.payer_user_id, agreement.next_date) == (PAYER, "2026-12-06")
    assert shop.events() == [("agreement_signed", "S1")]
    [(_, content, _)] = alipay.requests
    assert content == {
        "external_agreement_no": "S1",
        "personal_product_code": "CYCLE_PAY_AUTH_P",
        "sign_scene": SCENE,
    }
    before = shop.contents()
    shop.call("query_agreement")
    assert shop.contents() == before


def test_a_query_finds_no_signature_yet(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.subscribe()
    alipay.agreement = None
    before = shop.contents()
    assert shop.call("query_agreement").status == "TEMP"
    assert shop.contents() == before


@pytest.mark.parametrize("code", ["USER_AGREEMENT_NOT_EXIST", "AGREEMENT_HAS_UNSIGNED"])
def test_a_query_finds_the_end(small_shop: DeductingShop, code: str) -> None:
    small_shop.sign()
    small_shop.at_alipay.script[QUERY] = [rejection(code)] * 2
    for _ in range(2):
        assert small_shop.call("query_agreement").status == "UNSIGN"
    assert small_shop.events() == [("agreement_ended", "S1")]


def test_a_missing_agreement_proves_nothing_just_after_the_signature(
    small_shop: DeductingShop,
) -> None:
    small_shop.sign()
    small_shop.change(signed_at=small_shop.now - timedelta(minutes=1))
    small_shop.at_alipay.agreement = None
    assert small_shop.call("query_agreement").status == "NORMAL"


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (LOST, OutcomeUnknown),
        (rejection("AUTHOREE_IS_NOT_MATCH"), GatewayError),
        ({**DONE, "agreement_no": AGREEMENT_NO, "status": "ODD"}, OutcomeUnknown),
        ({**DONE, "agreement_no": "2", "status": "UNSIGN"}, OutcomeUnknown),
        (b"", OutcomeUnknown),
    ],
)
def test_a_query_without_a_result_changes_nothing(
    small_shop: DeductingShop, response: Any, error: type[GatewayError]
) -> None:
    small_shop.sign()
    before = small_shop.contents()
    small_shop.at_alipay.script[QUERY] = [response]
    with pytest.raises(error):
        small_shop.call("query_agreement")
    assert small_shop.contents() == before


def test_an_unsigned_rejection_does_not_end_an_agreement(small_shop: DeductingShop) -> None:
    small_shop.sign()
    node = json.dumps(rejection("USER_AGREEMENT_NOT_EXIST"))
    body = f'{{"alipay_user_agreement_query_response":{node}}}'.encode()
    small_shop.at_alipay.script[QUERY] = [body]
    with pytest.raises(GatewayError):
        small_shop.call("query_agreement")
    assert small_shop.agreement().status == "NORMAL"


def test_an_agreement_ends_by_its_time(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    alipay.agreement = {"status": "NORMAL", "invalid_time": "2026-12-01 10:00:00"}
    agreement = shop.call("query_agreement")
    assert agreement.status == "UNSIGN"
    assert agreement.ended_at == datetime(2026, 12, 1, 2, tzinfo=timezone.utc)
    assert shop.events() == [("agreement_ended", "S1")]


def test_an_agreement_is_ended_once(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    assert shop.call("end_agreement").status == "UNSIGN"
    assert shop.call("end_agreement").status == "UNSIGN"
    assert alipay.methods == [UNSIGN]
    assert shop.send("dut_user_unsign") == (200, "success")
    assert shop.events() == [("agreement_ended", "S1")]


def test_a_lost_end_is_followed_by_a_query(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()

    def lose(content: Any) -> Exception:
        alipay.agreement = None
        return LOST

    alipay.script[UNSIGN] = [lose]
    assert shop.call("end_agreement").status == "UNSIGN"
    assert alipay.methods == [UNSIGN, QUERY]


@pytest.mark.parametrize(
    ("response", "error"), [(LOST, OutcomeUnknown), (rejection("SYSTEM_ERROR"), GatewayError)]
)
def test_an_agreement_that_has_not_ended_stays_in_force(
    small_shop: DeductingShop, response: Any, error: type[GatewayError]
) -> None:
    small_shop.sign()
    before = small_shop.contents()
    small_shop.at_alipay.script[UNSIGN] = [response]
    with pytest.raises(error):
        small_shop.call("end_agreement")
    assert small_shop.contents() == before


def test_the_end_of_an_ended_agreement_is_recorded(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.at_alipay.agreement = None
    assert small_shop.call("end_agreement").status == "UNSIGN"
    assert small_shop.at_alipay.methods == [UNSIGN, QUERY]


def test_an_agreement_that_was_never_sent_ends_without_a_request(
    small_shop: DeductingShop,
) -> None:
    small_shop.subscribe()
    assert small_shop.call("end_agreement").status == "UNSIGN"
    assert small_shop.at_alipay.requests == []
    assert small_shop.events() == []
    assert small_shop.send("dut_user_sign") == (200, "success")  # signed nevertheless
    assert small_shop.events() == [("agreement_signed", "S1")]


def test_a_deduction_is_postponed(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    agreement = shop.call("change_plan", "S1", date(2026, 12, 28), "holiday")
    assert agreement.next_date == "2026-12-28"
    [(method, content, _)] = alipay.requests
    assert (method, content) == (
        MODIFY,
        {"agreement_no": AGREEMENT_NO, "deduct_time": "2026-12-28", "memo": "holiday"},
    )


@pytest.mark.parametrize(
    ("columns", "day", "error"),
    [
        ({}, "2026-12-05", InvalidParameter),
        ({}, "2026-12-04", InvalidParameter),
        ({}, "2026-12-29", InvalidParameter),
        ({}, "soon", InvalidParameter),
        ({"period_type": None}, "2026-12-28", InvalidParameter),
        ({"status": "UNSIGN"}, "2026-12-28", AgreementEnded),
        ({"charge_no": "P1"}, "2026-12-28", DeductionPending),
    ],
)
def test_an_invalid_change_of_the_plan_is_not_sent(
    small_shop: DeductingShop, columns: dict[str, Any], day: str, error: type[Exception]
) -> None:
    small_shop.sign()
    small_shop.change(**columns)
    before = small_shop.contents()
    with pytest.raises(error):
        small_shop.call("change_plan", "S1", day)
    assert small_shop.contents() == before
    assert small_shop.at_alipay.requests == []


@pytest.mark.parametrize("response", [LOST, rejection("ILLEGAL_EXECUTION_TIME")])
def test_a_rejected_change_of_the_plan_changes_nothing(
    small_shop: DeductingShop, response: Any
) -> None:
    small_shop.sign()
    before = small_shop.contents()
    small_shop.at_alipay.script[MODIFY] = [response]
    with pytest.raises(GatewayError):
        small_shop.call("change_plan", "S1", "2026-12-28")
    assert small_shop.contents() == before


@on_each_database
def test_a_response_older_than_a_deduction_does_not_change_the_plan(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.agreement = {"status": "NORMAL", "next_deduct_time": "2026-12-20"}

    def charge_meanwhile(method: str) -> None:
        alipay.before = lambda method: None
        shop.charge()

    alipay.before = charge_meanwhile
    shop.call("query_agreement")
    assert shop.agreement().next_date == "2027-01-05"


def test_an_agreement_is_signed_together_with_a_payment(small_shop: DeductingShop) -> None:
    small_shop.subscribe()
    with small_shop.app.test_request_context(base_url="http://localhost"):
        agreement = db.session.scalar(select(Agreement))
        payment = small_shop.alipay.create_payment(
            subject="茶",
            total_amount="1.00",
            out_trade_no="P1",
            product="app",
            agreement=agreement,
        )
        db.session.commit()
        order = small_shop.alipay.order_string(payment)
    content = json.loads(parse_qs(order)["biz_content"][0])
    assert content["product_code"] == "QUICK_MSECURITY_PAY"
    sign = content["agreement_sign_params"]
    assert (sign["external_agreement_no"], sign["sign_scene"]) == ("S1", SCENE)
    assert sign["period_rule_params"]["execute_time"] == "2026-12-05"
    body = small_shop.merchant.notification("P1", total_amount="1.00")
    assert small_shop.post(body) == (200, "success")
    agreement = small_shop.agreement()
    assert (agreement.status, agreement.charge_count) == ("TEMP", 0)  # paid is not signed
    assert agreement.sent_at is not None
    assert small_shop.send("dut_user_sign") == (200, "success")
    assert small_shop.events() == [("paid", "P1"), ("agreement_signed", "S1")]
    assert small_shop.agreement().next_date == "2026-12-05"


@pytest.mark.parametrize(
    ("columns", "arguments"),
    [
        ({}, {"product": None}),
        ({}, {"product": "page"}),
        ({}, {"product": "wap"}),
        ({"status": "NORMAL"}, {"product": "app"}),
        ({"auth_app_id": "2021000000000201"}, {"product": "app"}),
        ({}, {"product": "app", "agreement_sign_params": {}}),
    ],
)
def test_a_payment_that_cannot_sign_is_not_created(
    small_shop: DeductingShop, columns: dict[str, Any], arguments: dict[str, Any]
) -> None:
    small_shop.subscribe()
    small_shop.change(**columns)
    before = small_shop.contents()
    with small_shop.app.app_context(), pytest.raises((InvalidParameter, GatewayError)):
        small_shop.alipay.create_payment(
            subject="茶",
            total_amount="1.00",
            agreement=db.session.scalar(select(Agreement)),
            **arguments,
        )
    assert small_shop.contents() == before


def test_without_periods_a_page_signs_too(small_shop: DeductingShop) -> None:
    small_shop.subscribe(period_type=None, period=None, next_date=None)
    with small_shop.app.app_context():
        payment = small_shop.alipay.create_payment(
            subject="茶",
            total_amount="1.00",
            product="page",
            agreement=db.session.scalar(select(Agreement)),
        )
        sign = payment.details["agreement_sign_params"]
    assert "access_params" not in sign
    assert "period_rule_params" not in sign


def test_a_deduction_is_no_page_for_the_buyer(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.at_alipay.script |= {PAY: [LOST], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        small_shop.charge()
    with small_shop.app.test_request_context(base_url="http://localhost"):
        payment: Any = db.session.scalar(select(Payment))
        checkout, pay = small_shop.alipay.checkout_url(payment), small_shop.alipay.pay_url(payment)
        with pytest.raises(InvalidParameter):
            small_shop.alipay.gateway_url(payment)
    client = small_shop.app.test_client()
    for url in (checkout, pay):
        response = client.get(url, base_url="http://localhost")
        assert response.status_code == 303
        assert "/alipay/result/" in response.location


def test_a_payment_that_signs_is_closed_like_any_other(small_shop: DeductingShop) -> None:
    small_shop.subscribe()
    with small_shop.app.test_request_context(base_url="http://localhost"):
        payment = small_shop.alipay.create_payment(
            subject="茶",
            total_amount="1.00",
            out_trade_no="P1",
            product="app",
            agreement=db.session.scalar(select(Agreement)),
        )
        db.session.commit()
        small_shop.alipay.order_string(payment)
        assert small_shop.alipay.close(payment).trade_status == "TRADE_CLOSED"
    agreement = small_shop.agreement()
    assert (agreement.charge_no, agreement.failed_at) == (None, None)
    assert small_shop.events() == [("failed", "P1")]


@on_each_database
def test_an_agreement_that_is_signed_while_it_is_ended_ends_at_alipay(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.subscribe()
    shop.change(sent_at=shop.now)
    alipay.agreement = None

    def sign(method: str) -> None:
        if method == QUERY:
            alipay.before = lambda method: None
            thread = threading.Thread(target=shop.send, args=("dut_user_sign",))
            thread.start()
            thread.join()
            alipay.agreement = {"status": "NORMAL"}

    alipay.before = sign
    alipay.script[QUERY] = [rejection("USER_AGREEMENT_NOT_EXIST")]
    assert shop.call("end_agreement").status == "UNSIGN"
    assert alipay.methods == [UNSIGN, QUERY, UNSIGN]
    assert alipay.requests[-1][1] == {"agreement_no": AGREEMENT_NO}
    assert alipay.agreement is None
    assert shop.events() == [("agreement_signed", "S1"), ("agreement_ended", "S1")]


def test_an_agreement_is_created_in_a_task_with_the_simulator(tmp_path: Path) -> None:
    app = Flask("tea", root_path=str(tmp_path), instance_path=str(tmp_path))
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", ALIPAY_SIMULATOR=True, TESTING=True)
    app.config.update(SECRET_KEY="not a secret")
    alipay = AlipayBlueprint(db, Payment, Agreement=Agreement)
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():  # no request, and no configured host
        assert alipay.create_agreement(sign_scene=SCENE).status == "TEMP"
