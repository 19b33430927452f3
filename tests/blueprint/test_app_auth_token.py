"""Third-party applications: every call about a payment sends the token of its merchant.

The simulator knows a trade only to the merchant whose token ordered it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from flask_alipay.exceptions import ConfigurationError, GatewayError, InvalidParameter
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.testing import AlipaySimulator

from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Payment, Refund, Shop, db
from ..sampled import sampled

OpenShop = Callable[..., Shop]

TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"
OTHER = "202611BBeff9351ad1874306903e96b91d248A99"
CODE = "289123456789012345"

#: The token stands with the payment, in the setting, or in both: then the payment's wins.
PLACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "payment": ({}, {"app_auth_token": TOKEN}),
    "setting": ({"APP_AUTH_TOKEN": TOKEN}, {}),
    "both": ({"APP_AUTH_TOKEN": OTHER}, {"app_auth_token": TOKEN}),
}


class Authorized:
    """Shop whose payments are for the merchant who issued the token."""

    def __init__(self, shop: Shop, details: dict[str, Any]) -> None:
        self.shop = shop
        self.details = details
        simulator = AlipaySimulator.of(shop.app)
        assert simulator is not None
        self.simulator = simulator

    def order(self, **details: Any) -> str:
        return self.shop.order(**self.details, **details)

    def paid_without_notification(self, **details: Any) -> str:
        """Return a payment that is paid at Alipay, and whose notification is lost."""
        number = self.order(product="page", **details)
        self.simulator.inject_fault("drop")
        self.simulator.pay(number)
        assert not self.shop.payment(number).paid
        return number

    def call(self, verb: str, number: str, *args: Any, **options: Any) -> Any:
        with self.shop.app.test_request_context():
            payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
            return getattr(self.shop.alipay, verb)(payment, *args, **options)


COMBINATIONS = {f"{v}-{p}": (v, p) for v in ("v2", "v3") for p in PLACES}
SAMPLE = sampled(COMBINATIONS, "v2-payment", "v3-setting", "v2-both")


@pytest.fixture(params=SAMPLE.values(), ids=SAMPLE.keys())
def authorized(request: pytest.FixtureRequest, open_shop: OpenShop) -> Authorized:
    version, place = request.param
    settings, details = PLACES[place]
    shop = open_shop({"SIMULATOR": True, "API_VERSION": version, **settings})
    return Authorized(shop, details)


def test_a_query_finds_the_trade_of_the_payments_merchant(authorized: Authorized) -> None:
    number = authorized.paid_without_notification()
    authorized.call("query", number)
    assert authorized.shop.payment(number).paid


def test_reconcile_settles_a_paid_payment_instead_of_closing_it(authorized: Authorized) -> None:
    number = authorized.paid_without_notification()
    ago = utc_now() - timedelta(hours=1)
    authorized.shop.change(number, created_at=ago, expires_at=ago)
    with authorized.shop.app.app_context():
        assert authorized.shop.alipay.reconcile(timedelta(0)).paid == 1
    assert authorized.shop.payment(number).paid


def test_a_waiting_trade_is_closed_at_alipay(authorized: Authorized) -> None:
    number = authorized.order(product="page")
    authorized.shop.client.get(
        authorized.shop.client.get(authorized.shop.url("gateway", number)).location
    )
    authorized.call("close", number)
    assert authorized.simulator.trade(number).status == "TRADE_CLOSED"


def test_a_cancel_refunds_the_payment(authorized: Authorized) -> None:
    number = authorized.paid_without_notification()
    authorized.call("cancel", number)
    assert authorized.simulator.trade(number).refunded_fen == 8888


def test_a_refund_is_made_and_found_again(authorized: Authorized) -> None:
    number = authorized.paid_without_notification()
    authorized.call("query", number)
    authorized.simulator.inject_fault("system-error-done", method="alipay.trade.refund")
    with pytest.raises(GatewayError):
        authorized.call("refund", number, "8.88", out_request_no="R1")
    with authorized.shop.app.app_context():  # the refund query finds it
        db.session.execute(update(Refund).values(created_at=utc_now() - timedelta(hours=1)))
        db.session.commit()
        assert authorized.shop.alipay.reconcile(timedelta(0)).refunded == 1
    assert authorized.shop.payment(number).refunded_fen == 888
    assert authorized.simulator.trade(number).refunded_fen == 888


def test_a_barcode_payment_is_charged_and_settled(authorized: Authorized) -> None:
    number = authorized.order(product="barcode")
    authorized.call("pay_barcode", number, CODE)
    assert authorized.shop.payment(number).paid


def test_a_qr_code_is_made_for_the_payments_merchant(authorized: Authorized) -> None:
    number = authorized.order(product="qr")
    assert authorized.call("qr_code", number)
    assert authorized.simulator.trade(number).order.app_auth_token == TOKEN


def test_an_order_string_carries_the_token(authorized: Authorized) -> None:
    assert f"app_auth_token={TOKEN}" in authorized.call(
        "order_string", authorized.order(product="app")
    )


def test_any_other_call_about_a_payment_can_send_the_token(authorized: Authorized) -> None:
    number = authorized.paid_without_notification()
    authorized.call("query", number)
    trade_no = authorized.shop.payment(number).trade_no
    royalty = {"trans_in": "2088000000000003", "amount": "1.00"}
    gateway = authorized.call("gateway_for", number)
    with authorized.shop.app.app_context():
        settled = gateway.trade_order_settle(
            out_request_no="S1", trade_no=trade_no, royalty_parameters=[royalty]
        )
    assert settled.trade_no == trade_no


def test_a_merchants_bill_holds_the_trades_of_that_merchant_alone(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    Authorized(shop, {"app_auth_token": TOKEN}).paid_without_notification()
    queried = {"bill_type": "trade", "bill_date": format_china_time(utc_now())[:10]}
    with shop.app.test_request_context():
        gateway: Any = shop.alipay.gateway
        assert gateway.acting_for(TOKEN).data_dataservice_bill_downloadurl_query(**queried)
        with pytest.raises(GatewayError) as caught:
            gateway.data_dataservice_bill_downloadurl_query(**queried)
    assert caught.value.sub_code == "BILL_NOT_EXIST"


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(kind, marks=pytest.mark.service) for kind in ("postgresql", "mariadb")),
    ]
)
def sellers(request: pytest.FixtureRequest, open_shop: OpenShop) -> Callable[..., Shop]:
    """Open a shop in which two merchants and the application itself have payments."""
    url = request.getfixturevalue(f"{request.param}_url")

    def sell(*tokens: str | None, **settings: Any) -> Shop:
        shop = open_shop({"SIMULATOR": True, **settings}, SQLALCHEMY_DATABASE_URI=url)
        for token in tokens:
            details = {} if token is None else {"app_auth_token": token}
            authorized = Authorized(shop, details)
            for _ in range(2):
                authorized.simulator.pay(authorized.order(product="page"))
            number = authorized.order(product="page")
            authorized.simulator.pay(number)
            authorized.call("refund", number, "1")
        return shop

    return sell


def bill(shop: Shop, *options: str) -> Any:
    month = format_china_time(utc_now())[:7]
    return shop.app.test_cli_runner().invoke(args=["alipay", "bill", month, *options])


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_bills_of_all_merchants_are_compared(sellers: Any, version: str) -> None:
    shop = sellers(TOKEN, None, OTHER, API_VERSION=version, APP_AUTH_TOKEN=OTHER)
    result = bill(shop)
    assert (result.exit_code, result.output) == (0, "The bill and the ledger agree.\n")


def test_an_application_that_only_sells_for_others_needs_no_bill_for_itself(sellers: Any) -> None:
    result = bill(sellers(TOKEN, OTHER))
    assert (result.exit_code, result.output) == (0, "The bill and the ledger agree.\n")


def test_a_difference_in_one_of_several_bills_is_listed(sellers: Any) -> None:
    shop = sellers(TOKEN, OTHER)
    with shop.app.app_context():
        last = db.session.scalars(select(Payment).order_by(Payment.id.desc())).first()
        assert last is not None
        number = last.out_trade_no
        db.session.execute(update(Payment).where(Payment.id == last.id).values(total_fen=9999))
        db.session.commit()
    result = bill(shop, "--json")
    assert result.exit_code == 1
    (difference,) = map(json.loads, result.output.splitlines())
    assert (difference["difference"], difference["out_trade_no"]) == ("payment_amount", number)


def test_a_merchant_whose_bill_is_rejected_is_named_by_a_payment(
    sellers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = sellers(None, TOKEN)
    query = OpenApiGateway.data_dataservice_bill_downloadurl_query

    def refuse(gateway: Any, **fields: Any) -> Any:
        if gateway._app_auth_token == TOKEN:
            raise GatewayError("rejected", sub_code="isv.invalid-app-auth-token", signed=True)
        return query(gateway, **fields)

    monkeypatch.setattr(OpenApiGateway, "data_dataservice_bill_downloadurl_query", refuse)
    result = bill(shop)
    with shop.app.app_context():
        payments = db.session.scalars(select(Payment))
        numbers = [one.out_trade_no for one in payments if "app_auth_token" in one.details]
    assert result.exit_code == 2
    assert f"The bill of the merchant of payment {min(numbers)}: " in result.output
    assert TOKEN not in result.output


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_without_the_token_the_trade_does_not_exist(open_shop: OpenShop, version: str) -> None:
    shop = open_shop({"SIMULATOR": True, "API_VERSION": version})
    authorized = Authorized(shop, {"app_auth_token": TOKEN})
    number = authorized.paid_without_notification()
    with shop.app.app_context(), pytest.raises(GatewayError) as caught:
        shop.alipay.gateway.trade_query(out_trade_no=number)  # type: ignore[union-attr]
    assert caught.value.sub_code == "ACQ.TRADE_NOT_EXIST"


def test_the_token_is_in_no_log_repr_or_error(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop = open_shop({"SIMULATOR": True, "APP_AUTH_TOKEN": OTHER})
    authorized = Authorized(shop, {"app_auth_token": TOKEN})
    number = authorized.paid_without_notification()
    authorized.call("query", number)
    with shop.app.app_context():
        gateway = shop.alipay.gateway_for(shop.payment(number))
        text = f"{shop.alipay.config!r} {gateway!r} {shop.payment(number)!r} {caplog.text}"
    assert TOKEN not in text
    assert OTHER not in text


def test_the_token_is_in_no_command_output(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    number = Authorized(shop, {"app_auth_token": TOKEN}).paid_without_notification()
    runner = shop.app.test_cli_runner()
    for words in (["query", number], ["show", number, "--json", "--show-params"], ["payments"]):
        result = runner.invoke(args=["alipay", *words])
        assert result.exit_code == 0
        assert TOKEN not in result.output


def test_the_journal_does_not_keep_the_token(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    authorized = Authorized(shop, {"app_auth_token": TOKEN})
    authorized.call("query", authorized.paid_without_notification())
    with shop.app.app_context():
        rows = db.session.scalars(select(shop.alipay.models.Notification))
        assert [TOKEN in str(row.payload) for row in rows] == [False]


@on_the_legacy_gateway
def test_the_legacy_gateway_rejects_a_token(shop: Shop) -> None:
    with pytest.raises(InvalidParameter, match="no third-party applications") as caught:
        shop.order(app_auth_token=TOKEN)
    assert caught.value.parameter == "app_auth_token"
    assert shop.ledger() == []


@on_the_legacy_gateway
def test_the_legacy_gateway_rejects_the_setting(merchant: Merchant, open_shop: OpenShop) -> None:
    with pytest.raises(ConfigurationError, match="no third-party applications") as caught:
        open_shop({**merchant.settings, "APP_AUTH_TOKEN": TOKEN})
    assert caught.value.key == "ALIPAY_APP_AUTH_TOKEN"
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["a" * 41, "a b", "a\nb", "茶", "a&b=c"])
def test_a_setting_that_is_no_token_is_rejected_without_its_value(
    merchant: Merchant, open_shop: OpenShop, token: str
) -> None:
    with pytest.raises(ConfigurationError, match="'ALIPAY_APP_AUTH_TOKEN' must be") as caught:
        open_shop({**merchant.settings, "APP_AUTH_TOKEN": token})
    assert token not in str(caught.value)


def test_a_token_of_another_merchant_excludes_a_fixed_seller(shop: Shop) -> None:
    # The payment's notifications name that merchant as the seller, and would be rejected.
    with pytest.raises(InvalidParameter, match="ALIPAY_SELLER_ID"):
        shop.order(app_auth_token=TOKEN)
    assert shop.ledger() == []


def test_a_method_that_issues_tokens_is_called_without_a_token(
    merchant: Merchant, open_shop: OpenShop
) -> None:
    shop = open_shop({**merchant.settings, "APP_AUTH_TOKEN": TOKEN})
    sent: list[dict[str, str]] = []

    class Line:
        def post(self, url: str, params: Any, charset: str, *, repeatable: bool) -> bytes:
            sent.append(dict(params))
            return b'{"error_response":{"code":"40002"}}'

    with shop.app.app_context():
        gateway: Any = shop.alipay.gateway
        gateway._transport = Line()
        for method in ("alipay.open.auth.token.app", "alipay.some.method"):
            with pytest.raises(GatewayError):
                gateway.call(method, {})
    assert [params.get("app_auth_token") for params in sent] == [None, TOKEN]
