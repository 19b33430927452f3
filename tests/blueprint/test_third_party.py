"""Third-party applications: one function supplies the tokens, the merchant of a payment is matched.

Every rejection is checked for its response, the unchanged ledger, and that no callback is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import (
    AppAuthTokenError,
    ConfigurationError,
    InvalidParameter,
    PaymentMismatch,
)
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.simulator.simulator import SIMULATORS, Simulator
from flask_alipay.testing import AlipaySimulator

from ..doubles.merchant import APP_ID, Merchant, on_the_legacy_gateway
from ..doubles.shop import Payment, Refund, Shop, db

OpenShop = Callable[..., Shop]

SELLER = "9021000000000777"
TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"
QUERY = "alipay.trade.query"


class Platform:
    """A third-party application with the tokens of its merchants."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        (simulator,) = shop.app.extensions[SIMULATORS].values()
        self.simulator: Simulator = simulator
        control = AlipaySimulator.of(shop.app)
        assert control is not None
        self.control = control
        #: What the function returns for each merchant; an exception is raised.
        self.tokens: dict[str, Any] = {}
        self.loaded: list[str] = []
        shop.alipay.app_auth_token_loader(self.load)

    def load(self, auth_app_id: str) -> str | None:
        self.loaded.append(auth_app_id)
        found = self.tokens.get(auth_app_id)
        if isinstance(found, Exception):
            raise found
        token: str | None = found
        return token

    def authorize(self, number: int = 0) -> str:
        """Authorise the application as one of the merchants; returns the ``auth_app_id``."""
        auth_app_id = self.simulator.merchant.authorizers[number][0]
        store, now = self.simulator.dialects.openapi.authorizations, self.simulator.clock.now()
        code = store.app_code(auth_app_id, now)
        with self.shop.app.test_request_context():
            gateway: Any = self.shop.alipay.gateway
            (token,) = gateway.open_auth_token_app(code=code).tokens
        assert token.auth_app_id == auth_app_id
        self.tokens[auth_app_id] = token.app_auth_token
        self.refresh_token = token.app_refresh_token
        return auth_app_id

    def withdraw(self, auth_app_id: str) -> None:
        now = self.simulator.clock.now()
        assert self.simulator.dialects.openapi.authorizations.withdraw(auth_app_id, now)

    def paid_without_notification(self, auth_app_id: str) -> str:
        number = self.shop.order(product="page", auth_app_id=auth_app_id)
        self.control.inject_fault("drop")
        self.control.pay(number)
        assert not self.shop.payment(number).paid
        return number

    def call(self, name: str, number: str, *args: Any, **options: Any) -> Any:
        with self.shop.app.test_request_context():
            payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
            return getattr(self.shop.alipay, name)(payment, *args, **options)

    def refused(self, name: str, number: str, *args: Any, **options: Any) -> AppAuthTokenError:
        """A call that must fail; nothing changes, except the record of a query."""
        before, called = self.state(), [*self.shop.called]
        with pytest.raises(AppAuthTokenError) as caught:
            self.call(name, number, *args, **options)
        assert self.state() == before
        assert self.shop.called == called
        return caught.value

    def state(self) -> list[Any]:
        with self.shop.app.app_context():
            columns = (Payment.trade_status, Payment.paid, Payment.refunded_fen, Payment.trade_no)
            return [tuple(row) for row in db.session.execute(select(*columns))]


@pytest.fixture(params=["v2", "v3"])
def platform(request: pytest.FixtureRequest, open_shop: OpenShop) -> Platform:
    return Platform(open_shop({"SIMULATOR": "third_party", "API_VERSION": request.param}))


# Each call sends the token of the payment's merchant


def test_a_sale_for_a_merchant_is_recorded(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.shop.order(product="page", auth_app_id=seller)
    location = platform.shop.client.get(platform.shop.url("pay", number)).location
    assert f"app_auth_token={platform.tokens[seller]}" in location
    platform.control.pay(number)
    assert platform.shop.called == [("paid", number)]
    payment = platform.shop.payment(number)
    assert (payment.paid, payment.auth_app_id) == (True, seller)
    assert platform.tokens[seller] not in json.dumps(payment.details)


def test_each_payment_has_the_token_of_its_own_merchant(platform: Platform) -> None:
    sellers = [platform.authorize(number) for number in range(2)]
    numbers = [platform.paid_without_notification(seller) for seller in sellers]
    for number in numbers:
        platform.call("query", number)
    assert platform.shop.called == [("paid", number) for number in numbers]
    tokens = [platform.control.trade(number).order.app_auth_token for number in numbers]
    assert tokens == [platform.tokens[seller] for seller in sellers]


def test_a_refund_and_a_reconciliation_send_the_token(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.paid_without_notification(seller)
    with platform.shop.app.app_context():
        assert platform.shop.alipay.reconcile(timedelta(0)).paid == 1
    platform.call("refund", number, "8.88")
    assert platform.control.trade(number).refunded_fen == 888
    assert platform.shop.payment(number).refunded_fen == 888


def test_a_refreshed_token_keeps_the_trades(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.paid_without_notification(seller)
    with platform.shop.app.test_request_context():
        gateway: Any = platform.shop.alipay.gateway
        (token,) = gateway.open_auth_token_app(refresh_token=platform.refresh_token).tokens
    assert token.app_auth_token != platform.tokens[seller]
    platform.tokens[seller] = token.app_auth_token
    platform.call("query", number)
    assert platform.shop.called == [("paid", number)]


def test_other_calls_for_a_merchant_have_a_gateway(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.paid_without_notification(seller)
    with platform.shop.app.app_context():
        gateway: Any = platform.shop.alipay.gateway_of(seller)
        assert gateway.trade_query(out_trade_no=number).trade_status == "TRADE_SUCCESS"
        query = platform.shop.alipay.gateway.open_auth_token_app_query  # type: ignore[union-attr]
        found = query(app_auth_token=platform.tokens[seller])
    assert (found.auth_app_id, found.valid) == (seller, True)


def test_a_mini_program_trade_is_the_merchants(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.shop.order(product="jsapi", auth_app_id=seller)
    buyer = platform.simulator.merchant.buyer_id
    trade_no = platform.call("mini_program_trade", number, buyer_id=buyer)
    assert platform.control.trade(number).trade_no == trade_no
    assert platform.control.trade(number).order.app_auth_token == platform.tokens[seller]


def test_a_merchants_bill_is_compared(platform: Platform) -> None:
    seller = platform.authorize()
    platform.control.pay(platform.shop.order(product="page", auth_app_id=seller))
    month = format_china_time(utc_now())[:7]
    run = platform.shop.app.test_cli_runner().invoke
    result = run(args=["alipay", "bill", month])
    assert (result.exit_code, result.output) == (0, "The bill and the ledger agree.\n")
    del platform.tokens[seller]
    result = run(args=["alipay", "bill", month])
    assert result.exit_code == 2
    assert f"no app_auth_token for the merchant {seller}" in result.output


def test_the_merchant_is_displayed(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.shop.order(product="page", auth_app_id=seller)
    run = platform.shop.app.test_cli_runner().invoke
    for words in (["show", number], ["payments", "--csv"], ["payments", "--json"]):
        assert seller in run(args=["alipay", *words]).output


# No token, or one that Alipay rejects


def test_a_merchant_without_a_token_is_rejected_before_a_call(platform: Platform) -> None:
    number = platform.shop.order(product="page", auth_app_id=SELLER)
    error = platform.refused("query", number)
    assert str(error) == f"there is no app_auth_token for the merchant {SELLER}"
    assert (error.code, error.retryable) == (None, False)
    assert platform.loaded == [SELLER]


def test_a_withdrawn_token_is_rejected_by_alipay(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.paid_without_notification(seller)
    platform.withdraw(seller)
    error = platform.refused("query", number)
    code = "invalid-app-auth-token"
    assert error.sub_code == f"aop.{code}" or error.code == code
    # After a new authorisation by the merchant the payment goes on.
    platform.authorize()
    platform.call("query", number)
    assert platform.shop.called == [("paid", number)]


def test_a_refund_with_a_withdrawn_token_is_not_made(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.shop.order(product="page", auth_app_id=seller)
    platform.control.pay(number)
    platform.withdraw(seller)
    platform.refused("refund", number, "8.88")
    assert platform.control.trade(number).refunded_fen == 0


def test_a_refund_without_a_token_is_not_recorded(platform: Platform) -> None:
    seller = platform.authorize()
    number = platform.shop.order(product="page", auth_app_id=seller)
    platform.control.pay(number)
    del platform.tokens[seller]
    platform.refused("refund", number, "8.88")
    with platform.shop.app.app_context():
        assert db.session.scalars(select(Refund)).all() == []


def test_an_application_that_acts_for_itself_is_rejected(platform: Platform) -> None:
    number = platform.shop.order(product="page")
    error = platform.refused("query", number)
    assert "self-invoke-forbidden" in (error.sub_code or error.code or "")


@pytest.mark.parametrize("token", ["a b", "a&b=c", "x" * 41])
def test_a_function_that_returns_no_token_is_found_out(platform: Platform, token: str) -> None:
    platform.tokens[SELLER] = token
    number = platform.shop.order(product="page", auth_app_id=SELLER)
    error = platform.refused("query", number)
    assert SELLER in str(error)
    assert token not in str(error)


def test_a_failure_of_the_function_names_neither_its_message_nor_the_token(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.tokens[SELLER] = KeyError(TOKEN)
    number = platform.shop.order(product="page", auth_app_id=SELLER)
    error = platform.refused("query", number)
    assert error.retryable
    assert str(error).endswith("was not loaded: KeyError")
    assert TOKEN not in caplog.text


def test_reconciliation_goes_on_after_a_merchant_without_a_token(platform: Platform) -> None:
    seller = platform.authorize()
    lost = [platform.shop.order(product="page", auth_app_id=SELLER) for _ in range(12)]
    number = platform.paid_without_notification(seller)
    platform.tokens.pop(SELLER, None)
    with platform.shop.app.app_context():
        report = platform.shop.alipay.reconcile(timedelta(0))
    assert (report.paid, report.aborted) == (1, False)
    assert [item.out_trade_no for item in report.failures] == lost
    assert {type(item.error) for item in report.failures} == {AppAuthTokenError}
    assert platform.shop.called == [("paid", number)]


def test_a_notification_that_needs_a_query_without_a_token_is_retried(
    platform: Platform,
) -> None:
    seller = platform.authorize()
    number = platform.paid_without_notification(seller)
    platform.shop.change(number, trade_status="TRADE_CLOSED")  # a query has to prove the sale
    before, token = platform.state(), platform.tokens.pop(seller)
    platform.control.resend_notification(number)
    assert platform.state() == before
    assert platform.shop.called == []
    assert platform.control.deliveries[-1].attempts[-1].status == 503
    platform.tokens[seller] = token
    platform.control.resend_notification(number)
    assert platform.shop.called == [("paid", number)]


def test_a_buyer_whose_merchant_has_no_token_sees_an_error(platform: Platform) -> None:
    for product in ("page", "qr"):
        number = platform.shop.order(product=product, auth_app_id=SELLER)
        url = platform.shop.url("pay", number)
        response = platform.shop.client.get(url, follow_redirects=True)
        assert response.status_code == 502
        assert SELLER not in response.text
    assert platform.shop.called == []


# Notifications


@pytest.fixture
def sold(merchant: Merchant, open_shop: OpenShop) -> Shop:
    """A third-party application at the real gateway."""
    shop = open_shop({**merchant.settings, "SELLER_ID": ""})
    shop.alipay.app_auth_token_loader(lambda _: TOKEN)
    return shop


def test_a_notification_of_the_merchant_is_settled(merchant: Merchant, sold: Shop) -> None:
    number = sold.order(auth_app_id=SELLER)
    body = merchant.notification(number, auth_app_id=SELLER, seller_id="2088000000000202")
    assert sold.notify(body).data == b"success"
    assert sold.called == [("paid", number)]


def test_a_notification_for_another_merchant_is_rejected(
    merchant: Merchant, sold: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    number = sold.order(auth_app_id=SELLER)
    before = sold.ledger()
    response = sold.notify(merchant.notification(number, auth_app_id="9021000000000203"))
    assert (response.status_code, response.data) == (409, b"fail")
    assert sold.ledger() == before
    assert sold.called == []
    assert sold.journal() == ["mismatched"]
    assert f"auth_app_id is 9021000000000203 at Alipay and {SELLER} in the ledger" in caplog.text


def test_a_return_for_another_merchant_pays_nothing(merchant: Merchant, sold: Shop) -> None:
    number = sold.order(auth_app_id=SELLER)
    before = sold.ledger()
    sold.come_back(merchant.come_back(number))
    found = [(row[0], *row[1:]) for row in sold.ledger()]
    assert len(found) == len(before)
    assert not sold.payment(number).paid
    assert sold.called == []


def test_a_payment_without_a_merchant_is_not_compared(merchant: Merchant, sold: Shop) -> None:
    number = sold.order(app_auth_token=TOKEN)
    assert sold.notify(merchant.notification(number, auth_app_id=SELLER)).data == b"success"
    assert sold.called == [("paid", number)]


def test_an_own_sale_is_not_paid_by_a_notification_for_a_merchant(
    merchant: Merchant, sold: Shop
) -> None:
    number = sold.order()
    before = sold.ledger()
    response = sold.notify(merchant.notification(number, auth_app_id=SELLER))
    assert (response.status_code, response.data) == (409, b"fail")
    assert (sold.ledger(), sold.called, sold.journal()) == (before, [], ["mismatched"])
    body = merchant.notification(number, auth_app_id=SELLER)
    with sold.app.app_context(), pytest.raises(PaymentMismatch):
        sold.alipay.replay(body, dry_run=True)


def test_with_a_configured_token_alone_merchants_are_not_compared(
    merchant: Merchant, open_shop: OpenShop
) -> None:
    shop = open_shop({**merchant.settings, "APP_AUTH_TOKEN": TOKEN, "SELLER_ID": ""})
    number = shop.order()
    body = merchant.notification(number, auth_app_id=SELLER)
    with shop.app.app_context():
        assert shop.alipay.replay(body, dry_run=True).outcome == "settled"
    assert shop.notify(body).data == b"success"
    assert shop.called == [("paid", number)]


def test_a_repeated_number_with_another_amount_is_rejected(merchant: Merchant, sold: Shop) -> None:
    number = sold.order(auth_app_id=SELLER)
    before = sold.ledger()
    body = merchant.notification(number, auth_app_id=SELLER, total_amount="1.00")
    assert sold.notify(body).status_code == 409
    assert (sold.ledger(), sold.called) == (before, [])


def test_the_configured_merchant_is_compared(merchant: Merchant, open_shop: OpenShop) -> None:
    settings = {"APP_AUTH_TOKEN": TOKEN, "AUTH_APP_ID": SELLER, "SELLER_ID": "2088000000000202"}
    shop = open_shop({**merchant.settings, **settings})
    number = shop.order()
    assert shop.payment(number).auth_app_id == SELLER
    other = merchant.notification(number, auth_app_id=APP_ID, seller_id="2088000000000202")
    assert shop.notify(other).status_code == 409
    assert not shop.payment(number).paid
    with shop.app.app_context():
        assert shop.alipay.gateway_of(SELLER) is shop.alipay.gateway
    right = merchant.notification(
        number, auth_app_id=SELLER, seller_id="2088000000000202", notify_id="n2"
    )
    assert shop.notify(right).data == b"success"


# Arguments and settings


def test_the_application_itself_is_no_merchant(merchant: Merchant, sold: Shop) -> None:
    number = sold.order(auth_app_id=APP_ID)
    assert sold.payment(number).auth_app_id is None


@pytest.mark.parametrize("auth_app_id", ["", "902100000000020", "2" * 17, "茶", 9021000000000202])
def test_what_is_no_app_id_is_rejected(sold: Shop, auth_app_id: Any) -> None:
    with pytest.raises(InvalidParameter, match="APPID of 16 digits") as caught:
        sold.order(auth_app_id=auth_app_id)
    assert caught.value.parameter == "auth_app_id"
    assert sold.ledger() == []


def test_a_merchant_needs_a_token_or_the_function(merchant: Merchant, open_shop: OpenShop) -> None:
    shop = open_shop({**merchant.settings, "SELLER_ID": ""})
    with pytest.raises(InvalidParameter, match="app_auth_token_loader") as caught:
        shop.order(auth_app_id=SELLER)
    assert caught.value.parameter == "auth_app_id"
    number = shop.order(auth_app_id=SELLER, app_auth_token=TOKEN)
    with shop.app.app_context():
        assert shop.alipay.gateway_for(shop.payment(number)) is not shop.alipay.gateway


def test_a_merchant_excludes_a_fixed_seller(merchant: Merchant, open_shop: OpenShop) -> None:
    shop = open_shop(merchant)
    shop.alipay.app_auth_token_loader(lambda _: TOKEN)
    with pytest.raises(InvalidParameter, match="ALIPAY_SELLER_ID") as caught:
        shop.order(auth_app_id=SELLER)
    assert caught.value.parameter == "auth_app_id"
    assert shop.ledger() == []


@on_the_legacy_gateway
def test_the_legacy_gateway_has_no_merchants(merchant: Merchant, open_shop: OpenShop) -> None:
    shop = open_shop(merchant)
    shop.alipay.app_auth_token_loader(lambda _: TOKEN)
    with pytest.raises(InvalidParameter, match="open platform only"):
        shop.order(auth_app_id=SELLER)
    with shop.app.app_context(), pytest.raises(AppAuthTokenError):
        shop.alipay.gateway_of(SELLER)
    with pytest.raises(ConfigurationError, match="ALIPAY_APP_AUTH_TOKEN"):
        open_shop({**merchant.settings, "AUTH_APP_ID": SELLER})
    assert shop.ledger() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"AUTH_APP_ID": SELLER}, "'ALIPAY_APP_AUTH_TOKEN'"),
        ({"AUTH_APP_ID": "202", "APP_AUTH_TOKEN": TOKEN}, "must be an APPID of 16 digits"),
    ],
)
def test_a_wrong_setting_is_rejected(
    merchant: Merchant, open_shop: OpenShop, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_shop({**merchant.settings, **settings})
    assert caught.value.key == "ALIPAY_AUTH_APP_ID"


def test_an_async_function_is_rejected(sold: Shop) -> None:
    async def load(auth_app_id: str) -> str:
        return TOKEN

    with pytest.raises(TypeError, match="async"):
        sold.alipay.app_auth_token_loader(load)  # type: ignore[type-var]


def test_the_function_that_was_registered_last_is_called(sold: Shop) -> None:
    other = TOKEN.lower()
    sold.alipay.app_auth_token_loader(lambda auth_app_id: other)
    with sold.app.app_context():
        gateway: Any = sold.alipay.gateway_of(SELLER)
    assert gateway._app_auth_token == other


# Applications that sell for themselves alone


def test_without_merchants_the_function_is_never_called(
    merchant: Merchant, open_shop: OpenShop
) -> None:
    shop = open_shop(merchant)

    def load(auth_app_id: str) -> str:
        raise AssertionError

    shop.alipay.app_auth_token_loader(load)
    number = shop.order()
    assert shop.notify(merchant.notification(number, auth_app_id=APP_ID)).data == b"success"
    assert shop.called == [("paid", number)]
    with shop.app.app_context():
        assert shop.alipay.gateway_for(shop.payment(number)) is shop.alipay.gateway
