"""Agreements: signing, query, end, change of the plan, and their messages."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL
from .agreements import MODIFY, NAMED, OPEN, PAGE_SIGN, QUERY, RULE, SIGN, UNSIGN, Signing

GATEWAY_URL = "https://shop.example/messages"


@pytest.fixture
def signing(server):
    return Signing(server)


@pytest.fixture
def agreement_no(signing):
    return signing.signed()


def test_a_signed_agreement_is_reported_to_the_notify_url(signing, merchant, shop):
    number = signing.signed()
    fields = shop.fields()
    assert fields["notify_type"] == "dut_user_sign"
    assert (fields["agreement_no"], fields["external_agreement_no"]) == (number, "S1")
    assert (fields["status"], fields["sign_scene"]) == ("NORMAL", SIGN["sign_scene"])
    assert fields["sign_time"] == fields["valid_time"] == "2026-01-31 12:00:00"
    assert fields["invalid_time"] == "2115-02-01 00:00:00"
    assert fields["external_logon_id"] == "amy"
    assert fields["alipay_user_id"] == merchant.account.buyer_id
    assert "***" in fields["alipay_logon_id"]
    content = sign_content(fields)
    assert merchant.signer("RSA2").verify(content, fields["sign"])


def test_the_buyer_returns_with_a_signed_answer(signing, merchant):
    location = urlsplit(signing.sign().location)
    fields = {name: values[0] for name, values in parse_qs(location.query).items()}
    assert (location.netloc, location.path) == ("shop.example", "/signed")
    assert fields["external_agreement_no"] == "S1"
    assert merchant.signer("RSA2").verify(sign_content(fields), fields["sign"])


def test_the_page_says_what_how_often_and_how_much(signing):
    rule = {**RULE, "total_amount": "360.00", "total_payments": 12}
    biz = {**SIGN, "period_rule_params": rule, "sign_validity_period": "13m"}
    text = signing.client.get(signing.page(biz)).text
    for shown in ("Every month", "¥30.00", "¥360.00", "At most 12", "2026-02-05", "13 months"):
        assert shown in text
    assert "amy" in text


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ({"period_type": "MONTH", "period": 3}, "Every 3 months"),
        ({"period_type": "DAY", "period": 7, "execute_time": "2026-02-28"}, "Every 7 days"),
    ],
)
def test_the_page_says_how_long_a_period_is(signing, rule, shown):
    page = signing.page({**SIGN, "period_rule_params": {**RULE, **rule}})
    assert shown in signing.client.get(page).text


def test_a_product_without_periods_has_no_limits(signing):
    text = signing.client.get(signing.page(OPEN)).text
    assert "Whenever the shop charges you" in text
    assert "No limit in the agreement" in text


def test_a_buyer_who_refuses_signs_nothing(signing, shop):
    page = signing.page()
    assert "You did not sign" in signing.client.post(page, data={"decision": "refuse"}).text
    assert shop.bodies == []
    assert signing.server.refused(QUERY, NAMED) == "USER_AGREEMENT_NOT_EXIST"


def test_an_agreement_is_signed_once(signing, shop):
    page = signing.page()
    for _ in range(2):
        signing.client.post(page, data={"decision": "sign"})
    assert len(shop.bodies) == 1
    assert "Agreement signed" in signing.client.get(signing.page()).text


def test_a_request_that_comes_again_before_the_signature_replaces_the_first(signing):
    first = signing.page()
    rule = {**RULE, "single_amount": "40.00"}
    assert signing.page({**SIGN, "period_rule_params": rule}) == first
    assert "¥40.00" in signing.client.get(first).text


def test_the_wallet_opens_the_link_for_phones(signing, server):
    query = urlsplit_query(server.params(PAGE_SIGN, SIGN))
    link = f"/alipay/platformapi/startapp?appId=60000157&sign_params={quote(query, safe='')}"
    response = server.client.get(link)
    assert response.status_code == 303
    assert "/sign/" in response.location
    assert server.client.get(link.replace("60000157", "1")).status_code == 400


def urlsplit_query(params):
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params.items())


def test_a_request_is_signed_in_time(signing, clock):
    page = signing.page({**SIGN, "effect_time": "300"})
    clock.advance(seconds=300)
    assert signing.client.get(page).status_code == 410
    signing.client.post(page, data={"decision": "sign"})
    assert signing.server.refused(QUERY, NAMED) == "USER_AGREEMENT_NOT_EXIST"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"personal_product_code": None}, "personal_product_code"),
        ({"personal_product_code": "X"}, "personal_product_code"),
        ({"access_params": None}, "access_params"),
        ({"access_params": '{"channel":"ALIPAYAPP"}'}, "access_params"),
        ({"access_params": {"channel": "FAX"}}, "channel"),
        ({"sign_scene": None}, "sign_scene"),
        ({"sign_scene": "DEFAULT|DEFAULT"}, "sign_scene"),
        ({"sign_scene": "tea"}, "sign_scene"),
        ({"external_agreement_no": "S" * 33}, "external_agreement_no"),
        ({"external_agreement_no": "S 1"}, "external_agreement_no"),
        ({"sign_validity_period": "1y"}, "sign_validity_period"),
        ({"effect_time": "soon"}, "effect_time"),
        ({"period_rule_params": None}, "period_rule_params"),
        ({"period_rule_params": {**RULE, "period_type": "YEAR"}}, "period_type"),
        ({"period_rule_params": {**RULE, "period": 0}}, "period"),
        ({"period_rule_params": {**RULE, "period_type": "DAY", "period": 6}}, "period"),
        ({"period_rule_params": {**RULE, "execute_time": "2026-02-30"}}, "execute_time"),
        ({"period_rule_params": {**RULE, "execute_time": "2026-03-29"}}, "execute_time"),
        ({"period_rule_params": {**RULE, "single_amount": "0"}}, "single_amount"),
        ({"period_rule_params": {**RULE, "total_payments": "0"}}, "total_payments"),
    ],
)
def test_an_invalid_request_is_rejected_with_the_name_of_the_field(signing, change, name):
    biz = {key: value for key, value in {**SIGN, **change}.items() if value is not None}
    response = signing.open(biz)
    page = response.data.decode("gbk")
    assert "INVALID_PARAMETER" in page
    assert name in page
    assert signing.client.get("/alipay/agreements").json == []


def test_a_query_by_alipays_number_states_the_plan(signing, agreement_no, merchant):
    node = signing.server.call(QUERY, {"agreement_no": agreement_no})
    assert (node["status"], node["agreement_no"]) == ("NORMAL", agreement_no)
    assert node["principal_id"] == merchant.account.buyer_id
    assert node["pricipal_type"] == "CARD"
    assert (node["next_deduct_time"], node["single_quota"]) == ("2026-02-05", "30.00")
    assert "external_agreement_no" not in node


def test_a_query_by_the_merchants_number_repeats_it(signing, agreement_no):
    node = signing.server.call(QUERY, NAMED)
    assert (node["agreement_no"], node["external_agreement_no"]) == (agreement_no, "S1")
    assert node["external_logon_id"] == "amy"


def test_a_query_by_the_buyer_names_the_product(signing, agreement_no, merchant):
    by = {"alipay_user_id": merchant.account.buyer_id, "personal_product_code": "CYCLE_PAY_AUTH_P"}
    assert signing.server.call(QUERY, by)["agreement_no"] == agreement_no
    by["alipay_user_id"] = "2088000000000099"
    assert signing.server.refused(QUERY, by) == "USER_AGREEMENT_NOT_EXIST"


@pytest.mark.parametrize(
    "biz",
    [{}, {"external_agreement_no": "S1"}, {**NAMED, "sign_scene": ""}],
    ids=["nothing", "the number alone", "no scene"],
)
def test_a_query_that_names_no_agreement_is_invalid(signing, agreement_no, biz):
    assert signing.server.refused(QUERY, biz) == "INVALID_PARAMETER"


def test_another_scene_is_another_agreement(signing, agreement_no):
    biz = {**NAMED, "sign_scene": "INDUSTRY|OTHER"}
    assert signing.server.refused(QUERY, biz) == "USER_AGREEMENT_NOT_EXIST"


def test_the_merchant_ends_an_agreement(signing, agreement_no, shop, clock):
    url = "https://shop.example/unsigned"
    node = signing.server.call(UNSIGN, NAMED, notify_url=url)
    assert set(node) == {"code", "msg"}
    clock.advance(seconds=1)
    fields = shop.fields()
    assert (fields["notify_type"], fields["status"]) == ("dut_user_unsign", "UNSIGN")
    assert (fields["agreement_no"], fields["external_agreement_no"]) == (agreement_no, "S1")
    assert fields["unsign_time"] == "2026-01-31 12:00:00"
    assert "sign_time" not in fields
    assert signing.server.refused(QUERY, NAMED) == "AGREEMENT_HAS_UNSIGNED"


def test_an_agreement_ends_once(signing, agreement_no, shop, clock):
    signing.server.call(UNSIGN, {"agreement_no": agreement_no})
    again = signing.server.refused(UNSIGN, {"agreement_no": agreement_no})
    assert again == "USER_AGREEMENT_STATUS_NOT_NORMAL"
    clock.advance(seconds=1)
    assert [b"dut_user_unsign" in body for body in shop.bodies] == [False, True]


def test_what_does_not_exist_cannot_be_ended(signing):
    assert signing.server.refused(UNSIGN, {"agreement_no": "20265001"}) == "AGREEMENT_NOT_EXIST"


def test_the_buyer_ends_an_agreement_in_the_wallet(signing, agreement_no, simulator, shop):
    simulator.messages.default_url = GATEWAY_URL
    wallet = signing.client.get("/alipay/wallet").text
    assert "S1" in wallet
    signing.client.post(f"/alipay/wallet/{agreement_no}/end")
    assert shop.fields()["notify_type"] == "dut_user_unsign"
    assert simulator.deliverer.deliveries[-1].notice.url == GATEWAY_URL
    assert "ended by you" in signing.client.get("/alipay/wallet").text
    assert signing.server.refused(QUERY, NAMED) == "AGREEMENT_HAS_UNSIGNED"


def test_without_notify_url_the_application_gateway_is_told(signing, simulator):
    simulator.messages.default_url = GATEWAY_URL
    number = signing.signed(notify_url=None)
    signing.server.call(UNSIGN, {"agreement_no": number}, notify_url=None)
    simulator.clock.advance(seconds=1)
    urls = [delivery.notice.url for delivery in simulator.deliverer.deliveries]
    assert urls == [GATEWAY_URL, GATEWAY_URL]


def test_nobody_is_told_that_the_time_of_an_agreement_is_over(signing, shop, clock):
    number = signing.signed({**SIGN, "sign_validity_period": "1m"})
    assert shop.fields()["invalid_time"] == "2026-02-28 12:00:00"
    clock.advance(days=29)
    assert signing.server.refused(QUERY, {"agreement_no": number}) == "USER_AGREEMENT_NOT_EXIST"
    assert "expired" in signing.client.get("/alipay/wallet").text
    assert len(shop.bodies) == 1


def test_a_buyer_who_signs_again_gets_another_number(signing, agreement_no):
    signing.server.call(UNSIGN, {"agreement_no": agreement_no})
    again = signing.signed()
    assert again != agreement_no
    assert signing.server.call(QUERY, NAMED)["agreement_no"] == again


def test_the_next_deduction_is_postponed(signing, agreement_no):
    biz = {"agreement_no": agreement_no, "deduct_time": "2026-02-20", "memo": "pause"}
    node = signing.server.call(MODIFY, biz)
    assert (node["agreement_no"], node["deduct_time"]) == (agreement_no, "2026-02-20")
    assert signing.server.call(QUERY, NAMED)["next_deduct_time"] == "2026-02-20"


@pytest.mark.parametrize("day", ["2026-02-05", "2026-02-04", "2026-03-29"])
def test_a_plan_moves_later_only_and_to_a_day_of_every_month(signing, agreement_no, day):
    biz = {"agreement_no": agreement_no, "deduct_time": day}
    assert signing.server.refused(MODIFY, biz) == "ILLEGAL_EXECUTION_TIME"
    assert signing.server.call(QUERY, NAMED)["next_deduct_time"] == "2026-02-05"


def test_a_plan_needs_a_rule_and_an_agreement_in_force(signing):
    without_rule = {"agreement_no": signing.signed(OPEN), "deduct_time": "2026-03-05"}
    assert signing.server.refused(MODIFY, without_rule) == "ILLEGAL_AGREEMENT"
    unknown = {"agreement_no": "20265001", "deduct_time": "2026-03-05"}
    assert signing.server.refused(MODIFY, unknown) == "ILLEGAL_AGREEMENT"
    bad = {"agreement_no": "20265001", "deduct_time": "5 March"}
    assert signing.server.refused(MODIFY, bad) == "INVALID_PARAMETER"


def test_the_notification_goes_where_the_request_says(signing, simulator):
    signing.signed()
    assert simulator.deliverer.deliveries[-1].notice.url == NOTIFY_URL
