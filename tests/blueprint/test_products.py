"""Payments without a browser at Alipay: in an app, by QR code, by barcode."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from flask_alipay.exceptions import (
    BadNotification,
    BadSignature,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    NotificationRefused,
    OutcomeUnknown,
    UnknownPayment,
    WrongAccount,
)
from flask_alipay.gateways.openapi import PollingPolicy
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.models import utc_now
from flask_alipay.signals import payment_paid

from ..doubles.merchant import APP_ID, PARTNER, Merchant, on_the_legacy_gateway
from ..doubles.openapi import LOST, answer
from ..doubles.shop import Notification, Payment, Shop, db
from .test_pages import assert_private, assert_strict, state

QR = "https://qr.alipay.com/bax03431ljhokirwl38f00a7"
AUTH_CODE = "281234567890123456"
AT_ONCE = PollingPolicy(seconds=0, interval=0, cancel_seconds=0)
NO = {"code": "40004", "msg": "Business Failed"}


class Platform:
    """Open platform with a chosen response to each method."""

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        self.requested: list[dict[str, str]] = []
        self.response: dict[str, Any] = {}
        #: Called while a method is performed.
        self.meanwhile: Callable[[], object] = lambda: None

    def post(self, url: str, params: Mapping[str, str]) -> bytes:
        self.requested.append(dict(params))
        self.meanwhile()
        response = self.response[params["method"].removeprefix("alipay.trade.")]
        if isinstance(response, Exception):
            raise response
        number = json.loads(params["biz_content"])["out_trade_no"]
        node = {"code": "10000", "msg": "Success", "out_trade_no": number, **response}
        return answer(params["method"], node, signer=self._merchant.signer)

    def methods(self) -> list[str]:
        return [params["method"].removeprefix("alipay.trade.") for params in self.requested]

    def amounts(self) -> list[str]:
        return [json.loads(params["biz_content"])["total_amount"] for params in self.requested]

    @property
    def content(self) -> Any:
        """The ``biz_content`` of the last request."""
        return json.loads(self.requested[-1]["biz_content"])


@pytest.fixture
def platform(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> Platform:
    platform = Platform(merchant)
    monkeypatch.setattr(
        HttpTransport, "post", lambda _, url, params, *more, **options: platform.post(url, params)
    )
    platform.response["precreate"] = {"qr_code": QR}
    return platform


@pytest.fixture
def call(shop: Shop) -> Callable[..., Any]:
    """Call a method of the blueprint with a payment, during a request of the shop."""

    def call(member: str, number: str, *args: Any, **options: Any) -> Any:
        with shop.app.test_request_context():
            payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
            found = getattr(shop.alipay, member)(payment, *args, **options)
            if isinstance(found, Payment):
                db.session.refresh(found)
                db.session.expunge(found)
            return found

    return call


# By QR code


def test_the_checkout_shows_the_code_to_scan(shop: Shop, platform: Platform) -> None:
    page = shop.look("checkout", shop.order(product="qr"))
    assert page.status_code == 200
    assert "<svg" in page.text
    assert "¥88.88" in page.text
    assert f'href="{QR}"' in page.text
    assert_strict(page)
    assert_private(page)


def test_the_request_contains_the_order(shop: Shop, platform: Platform) -> None:
    until = utc_now() + timedelta(minutes=30)
    number = shop.order(product="qr", expires_at=until, store_id="S1")
    shop.look("checkout", number)
    assert platform.content["out_trade_no"] == number
    assert platform.content["total_amount"] == "88.88"
    assert platform.content["store_id"] == "S1"
    assert platform.content["product_code"] == "FACE_TO_FACE_PAYMENT"
    assert "time_expire" in platform.content
    assert platform.requested[-1]["notify_url"] == "http://localhost/alipay/notify"


def test_a_code_is_requested_once_and_stored(shop: Shop, platform: Platform, call: Any) -> None:
    number = shop.order(product="qr")
    pages = [shop.look("checkout", number).text for _ in range(2)]
    assert call("qr_code", number) == QR
    assert platform.methods() == ["precreate"]
    assert all(f'href="{QR}"' in page for page in pages)


def test_a_kept_code_is_no_parameter_of_a_later_request(shop: Shop, platform: Platform) -> None:
    number = shop.order(product="qr", store_id="S1")
    shop.look("checkout", number)
    kept = shop.payment(number).details
    shop.change(number, details={**kept, "qr_code_until": utc_now().isoformat()})
    shop.look("checkout", number)
    assert platform.methods() == ["precreate"] * 2
    assert not {"qr_code", "qr_code_until", "qr_code_fen"} & platform.content.keys()
    assert platform.content["store_id"] == "S1"


def test_an_expired_code_is_requested_again(shop: Shop, platform: Platform) -> None:
    number = shop.order(product="qr", qr_code_timeout_express="1m")
    shop.look("checkout", number)
    until = shop.payment(number).details["qr_code_until"]
    assert until < (utc_now() + timedelta(minutes=1)).isoformat()
    old = (utc_now() - timedelta(seconds=1)).isoformat()
    shop.change(number, details={"qr_code": "https://old.invalid/", "qr_code_until": old})
    assert f'href="{QR}"' in shop.look("checkout", number).text


def test_two_concurrent_workers_show_the_first_code(
    shop: Shop, platform: Platform, call: Any
) -> None:
    number = shop.order(product="qr")
    other = {
        "qr_code": "https://qr.alipay.com/first",
        "qr_code_until": (utc_now() + timedelta(hours=1)).isoformat(),
        "qr_code_fen": 8888,
    }
    platform.meanwhile = lambda: shop.change(number, details=other)
    assert call("qr_code", number) == "https://qr.alipay.com/first"


def test_no_connection_is_held_during_a_request(shop: Shop, platform: Platform) -> None:
    number = shop.order(product="qr")

    def look() -> None:
        with shop.app.app_context():
            assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    platform.meanwhile = look
    assert shop.look("checkout", number).status_code == 200


def test_a_code_that_cannot_be_kept_is_shown_all_the_same(
    shop: Shop, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = shop.order(product="qr")
    url = shop.url("checkout", number)

    def break_down() -> None:
        def commit(self: Any) -> None:
            raise OperationalError("COMMIT", {}, Exception("gone"))

        monkeypatch.setattr("sqlalchemy.orm.Session.commit", commit)

    platform.meanwhile = break_down
    assert f'href="{QR}"' in shop.client.get(url).text
    monkeypatch.undo()
    assert "qr_code" not in shop.payment(number).details


def test_the_page_of_a_code_leads_to_the_result_once_it_is_paid(
    shop: Shop, merchant: Merchant, platform: Platform
) -> None:
    number = shop.order(product="qr")
    shop.look("checkout", number)
    assert shop.notify(merchant.notification(number)).data == b"success"
    answer = shop.look("checkout", number)
    assert answer.status_code == 303
    assert "/result/" in answer.location
    assert platform.methods() == ["precreate"]


def test_pay_leads_to_the_page_with_the_code(shop: Shop, platform: Platform) -> None:
    answer = shop.look("pay", shop.order(product="qr"))
    assert answer.status_code == 303
    assert "/alipay/checkout/" in answer.location
    assert platform.requested == []


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (LOST, 503),
        ({**NO, "sub_code": "ACQ.SYSTEM_ERROR"}, 503),
        ({**NO, "sub_code": "ACQ.ACCESS_FORBIDDEN"}, 502),
        ({**NO, "sub_code": "ACQ.TRADE_HAS_CLOSE"}, 409),
    ],
)
def test_without_a_code_from_alipay_the_buyer_sees_an_error_and_nothing_changes(
    shop: Shop, platform: Platform, response: Any, status: int
) -> None:
    number = shop.order(product="qr")
    platform.response["precreate"] = response
    before = shop.ledger()
    page = shop.look("checkout", number)
    assert page.status_code == status
    assert "<svg xmlns" not in page.text
    assert_strict(page)
    assert shop.ledger() == before
    assert shop.called == []


REJECTED = {"en": "Alipay does not accept this payment", "zh": "支付宝未受理该订单"}
UNREACHABLE = {"en": "Alipay cannot be reached", "zh": "暂时无法连接支付宝"}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("response", "title", "other"),
    [
        (LOST, UNREACHABLE, REJECTED),
        ({**NO, "sub_code": "ACQ.SYSTEM_ERROR"}, UNREACHABLE, REJECTED),
        ({**NO, "sub_code": "ACQ.CONTEXT_INCONSISTENT"}, REJECTED, UNREACHABLE),
        ({**NO, "sub_code": "ACQ.INVALID_PARAMETER"}, REJECTED, UNREACHABLE),
        (
            {**NO, "code": "40006", "sub_code": "isv.insufficient-isv-permissions"},
            REJECTED,
            UNREACHABLE,
        ),
    ],
    ids=["lost", "system error", "other amount", "parameter", "permission"],
)
def test_a_rejection_is_not_reported_as_an_unreachable_alipay(
    shop: Shop, platform: Platform, language: str, response: Any, title: Any, other: Any
) -> None:
    platform.response["precreate"] = response
    number = shop.order(product="qr")
    page = shop.look("checkout", number, headers={"Accept-Language": language})
    assert title[language] in page.text
    assert other[language] not in page.text


def test_a_code_of_another_amount_is_not_shown(shop: Shop, platform: Platform) -> None:
    number = shop.order(product="qr")
    shop.look("checkout", number)
    shop.change(number, total_fen=9999)
    platform.response["precreate"] = {"qr_code": "https://qr.alipay.com/newer"}
    page = shop.look("checkout", number)
    assert 'href="https://qr.alipay.com/newer"' in page.text
    assert QR not in page.text
    assert platform.amounts() == ["88.88", "99.99"]
    shop.look("checkout", number)
    assert platform.methods() == ["precreate", "precreate"]


def test_a_code_of_another_amount_is_not_shown_where_alipay_rejects_the_new_one(
    shop: Shop, platform: Platform
) -> None:
    number = shop.order(product="qr")
    shop.look("checkout", number)
    shop.change(number, total_fen=9999)
    platform.response["precreate"] = {**NO, "sub_code": "ACQ.CONTEXT_INCONSISTENT"}
    page = shop.look("checkout", number)
    assert (page.status_code, QR in page.text) == (502, False)


def test_a_code_stored_without_its_amount_is_requested_again(
    shop: Shop, platform: Platform
) -> None:
    number = shop.order(product="qr")
    shop.look("checkout", number)
    details = dict(shop.payment(number).details)
    del details["qr_code_fen"]
    shop.change(number, details=details)
    shop.look("checkout", number)
    assert platform.methods() == ["precreate", "precreate"]


def test_an_amount_changed_during_a_request_gets_another_code(
    shop: Shop, platform: Platform
) -> None:
    number = shop.order(product="qr")

    def change_it() -> None:
        platform.meanwhile = lambda: None
        shop.change(number, total_fen=9999)

    platform.meanwhile = change_it
    assert shop.look("checkout", number).status_code == 200
    assert platform.amounts() == ["88.88", "99.99"]
    assert shop.payment(number).details["qr_code_fen"] == 9999


def test_a_payment_paid_before_its_notification_is_queried(shop: Shop, platform: Platform) -> None:
    number = shop.order(product="qr")
    platform.response |= {
        "precreate": {**NO, "sub_code": "ACQ.TRADE_HAS_SUCCESS"},
        "query": LOST,
    }
    answer = shop.look("checkout", number)
    assert answer.status_code == 303
    assert state(shop.client.get(answer.location)) == "waiting"
    assert shop.called == []
    platform.response["query"] = paid(trade_status="TRADE_SUCCESS")
    answer = shop.look("checkout", number)
    assert state(shop.client.get(answer.location)) == "paid"
    assert shop.called == [("paid", number)]


def test_a_code_of_no_url_is_no_link(shop: Shop, platform: Platform) -> None:
    platform.response["precreate"] = {"qr_code": "javascript:alert(1)"}
    page = shop.look("checkout", shop.order(product="qr"))
    assert "<svg" in page.text
    assert "javascript:alert" not in page.text


@pytest.mark.parametrize("name", ["qr_code", "qr_code_until", "qr_code_fen"])
def test_a_code_is_not_the_callers_to_set(shop: Shop, name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{name} is set by this package: remove it"):
        shop.order(product="qr", **{name: "x"})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_code_is_in_the_buyers_language(
    shop: Shop, platform: Platform, language: str
) -> None:
    number = shop.order(product="qr")
    page = shop.look("checkout", number, headers={"Accept-Language": language})
    assert {"en": "Scan with Alipay", "zh": "请使用支付宝“扫一扫”付款"}[language] in page.text


# In an app


def test_an_order_string_is_signed_and_contains_the_order(
    shop: Shop, merchant: Merchant, call: Any
) -> None:
    number = shop.order(product="app", body="two cups")
    params = merchant.request_at(f"?{call('order_string', number)}")
    assert params["method"] == "alipay.trade.app.pay"
    assert params["notify_url"] == "http://localhost/alipay/notify"
    content = json.loads(params["biz_content"])
    assert content["product_code"] == "QUICK_MSECURITY_PAY"
    assert (content["out_trade_no"], content["total_amount"]) == (number, "88.88")
    assert content["body"] == "two cups"


def app_result(merchant: Merchant, number: str, **changes: Any) -> str:
    """Return the result that Alipay's SDK gives to an app."""
    node = {
        "code": "10000",
        "msg": "Success",
        "app_id": APP_ID,
        "auth_app_id": APP_ID,
        "charset": "utf-8",
        "timestamp": "2026-01-31 12:00:00",
        "out_trade_no": number,
        "total_amount": "88.88",
        "trade_no": "2026013122001400001234567890",
        "seller_id": PARTNER,
        **changes,
    }
    text = answer("alipay.trade.app.pay", node, signer=merchant.signer).decode()
    return f'{text[:-1]},"sign_type":"RSA2"}}'


def test_the_sdks_result_identifies_the_payment_and_settles_nothing(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order(product="app")
    before = shop.ledger()
    with shop.app.test_request_context():
        payment = shop.alipay.app_result(app_result(merchant, number))
        assert payment.out_trade_no == number
        assert payment.paid is False
    assert shop.ledger() == before
    assert shop.called == []


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda text: text.replace("88.88", "0.01"), BadSignature),
        (lambda text: text.partition(',"sign"')[0] + "}", BadSignature),
        (lambda text: "", BadNotification),
        (lambda text: "[" * 5000, BadNotification),
        (lambda text: "{}", BadNotification),
        (lambda text: text[:-40], BadNotification),
        (lambda text: None, BadNotification),
        (lambda text: text.replace("app_pay", "page_pay"), BadNotification),
    ],
)
def test_a_forged_result_of_the_sdk_is_rejected(
    shop: Shop, merchant: Merchant, spoil: Any, error: type[NotificationRefused]
) -> None:
    number = shop.order(product="app")
    before = shop.ledger()
    with shop.app.test_request_context(), pytest.raises(error):
        shop.alipay.app_result(spoil(app_result(merchant, number)))
    assert shop.ledger() == before
    assert shop.called == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"app_id": "2021000000009999"}, WrongAccount),
        ({"seller_id": "2088000000009999"}, WrongAccount),
        ({"out_trade_no": "nobodys"}, UnknownPayment),
    ],
)
def test_the_sdks_result_for_another_merchant_is_rejected(
    shop: Shop, merchant: Merchant, changes: Any, error: type[NotificationRefused]
) -> None:
    text = app_result(merchant, shop.order(product="app"), **changes)
    with shop.app.test_request_context(), pytest.raises(error):
        shop.alipay.app_result(text)
    assert shop.called == []


@pytest.mark.parametrize("product", ["app", "barcode"])
@pytest.mark.parametrize("kind", ["checkout", "pay"])
def test_a_payment_without_a_browser_leads_to_its_result(
    shop: Shop, kind: str, product: str
) -> None:
    answer = shop.look(kind, shop.order(product=product))
    assert answer.status_code == 303
    page = shop.client.get(answer.location)
    assert state(page) == "waiting"
    assert "/checkout/" not in page.text


# At the till


def paid(**changes: Any) -> dict[str, Any]:
    return {
        "trade_no": "2026013122001400001234567890",
        "total_amount": "88.88",
        "gmt_payment": "2026-01-31 12:00:01",
        "buyer_user_id": "2088999999999999",
        "fund_bill_list": [{"amount": "88.88", "fund_channel": "ALIPAYACCOUNT"}],
        **changes,
    }


def test_a_barcode_payment_is_settled_immediately(
    shop: Shop, platform: Platform, call: Any
) -> None:
    number = shop.order(product="barcode")
    platform.response["pay"] = paid()
    received: list[str] = []

    def receive(app: Any, payment: Any, **more: Any) -> None:
        received.append(payment.out_trade_no)

    with payment_paid.connected_to(receive, shop.app):
        assert call("pay_barcode", number, AUTH_CODE).paid is True
    assert received == [number]
    assert shop.called == [("paid", number)]
    found = shop.payment(number)
    assert (found.trade_status, found.trade_no) == (
        "TRADE_SUCCESS",
        "2026013122001400001234567890",
    )
    assert found.paid_at.isoformat() == "2026-01-31T04:00:01+00:00"
    assert platform.content["auth_code"] == AUTH_CODE
    assert shop.journal() == ["settled"]
    with shop.app.app_context():
        payload = db.session.scalar(select(Notification.payload))
    assert json.loads(payload["fund_bill_list"])[0]["amount"] == "88.88"


def test_the_notification_that_follows_is_no_second_sale(
    shop: Shop, merchant: Merchant, platform: Platform, call: Any
) -> None:
    number = shop.order(product="barcode")
    platform.response["pay"] = paid(trade_no=f"trade-{number}")
    call("pay_barcode", number, AUTH_CODE)
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert shop.called == [("paid", number)]
    assert shop.journal() == ["settled", "duplicate"]


def test_a_buyer_who_has_to_confirm_is_waited_for(
    shop: Shop, platform: Platform, call: Any
) -> None:
    number = shop.order(product="barcode")
    platform.response["pay"] = {"code": "10003", "msg": "order success pay inprocess"}
    platform.response["query"] = paid(trade_status="TRADE_SUCCESS")
    assert call("pay_barcode", number, AUTH_CODE, polling=AT_ONCE).paid is True
    assert shop.called == [("paid", number)]


@pytest.mark.parametrize(("action", "left"), [("close", 0), ("refund", 8888), (None, 0)])
def test_a_buyer_who_does_not_confirm_ends_the_payment(
    shop: Shop, merchant: Merchant, platform: Platform, call: Any, action: Any, left: int
) -> None:
    number = shop.order(product="barcode")
    platform.response |= {
        "pay": {"code": "10003", "msg": "order success pay inprocess"},
        "query": {**paid(), "trade_status": "WAIT_BUYER_PAY"},
        "cancel": {"retry_flag": "N", "trade_no": f"trade-{number}", "action": action},
    }
    ended = call("pay_barcode", number, AUTH_CODE, polling=AT_ONCE)
    assert (ended.trade_status, ended.paid) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]
    assert shop.payment(number).refunded_fen == left
    if action == "refund":
        # Late news of the sale that was taken back makes none of it.
        assert shop.notify(merchant.notification(number)).data == b"success"
        assert shop.called == [("failed", number)]


def test_an_unknown_outcome_is_no_failure_and_the_notification_decides(
    shop: Shop, merchant: Merchant, platform: Platform, call: Any
) -> None:
    number = shop.order(product="barcode")
    platform.response |= {"pay": LOST, "query": LOST, "cancel": LOST}
    before = shop.ledger()
    with pytest.raises(OutcomeUnknown):
        call("pay_barcode", number, AUTH_CODE, polling=AT_ONCE)
    assert shop.ledger() == before
    assert shop.called == []
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert shop.called == [("paid", number)]


def test_a_code_that_is_refused_changes_nothing(shop: Shop, platform: Platform, call: Any) -> None:
    number = shop.order(product="barcode")
    platform.response["pay"] = {**NO, "sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID"}
    before = shop.ledger()
    with pytest.raises(GatewayError) as caught:
        call("pay_barcode", number, AUTH_CODE, polling=AT_ONCE)
    assert caught.value.sub_code == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    assert shop.ledger() == before
    assert shop.called == []


def test_an_invalid_payment_code_is_not_sent(shop: Shop, platform: Platform, call: Any) -> None:
    number = shop.order(product="barcode")
    with pytest.raises(InvalidParameter, match=r"^auth_code "):
        call("pay_barcode", number, "4006381333931", polling=AT_ONCE)
    assert platform.requested == []


def test_another_amount_is_never_a_sale(shop: Shop, platform: Platform, call: Any) -> None:
    number = shop.order(product="barcode")
    platform.response |= {"pay": paid(total_amount="0.01"), "query": LOST, "cancel": LOST}
    before = shop.ledger()
    with pytest.raises(OutcomeUnknown):
        call("pay_barcode", number, AUTH_CODE, polling=AT_ONCE)
    assert shop.ledger() == before
    assert shop.called == []


def test_a_paid_payment_is_not_charged_again(shop: Shop, platform: Platform, call: Any) -> None:
    number = shop.order(product="barcode")
    platform.response["pay"] = paid()
    call("pay_barcode", number, AUTH_CODE)
    with pytest.raises(InvalidParameter, match="can no longer be paid: its state is paid"):
        call("pay_barcode", number, AUTH_CODE)
    assert platform.methods() == ["pay"]


# Whose they are

MEMBERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "order_string": ("app", ()),
    "qr_code": ("qr", ()),
    "pay_barcode": ("barcode", (AUTH_CODE,)),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_payment_of_another_product_is_refused(
    shop: Shop, platform: Platform, call: Any, member: str
) -> None:
    product, args = MEMBERS[member]
    with pytest.raises(InvalidParameter, match=f"is not of the product {product}"):
        call(member, shop.order(product="page"), *args)
    assert platform.requested == []


@pytest.mark.parametrize("member", MEMBERS)
@on_the_legacy_gateway
def test_the_legacy_gateway_has_none_of_them(shop: Shop, call: Any, member: str) -> None:
    _, args = MEMBERS[member]
    with pytest.raises(ConfigurationError, match="needs the open platform"):
        call(member, shop.order(), *args)


def test_no_browser_is_sent_to_alipay_with_them(shop: Shop) -> None:
    number = shop.order(product="qr")
    with pytest.raises(InvalidParameter, match=r"^product must be one of page, wap"):
        shop.url("gateway", number)


def test_the_return_of_an_order_string_is_a_query(shop: Shop, call: Any) -> None:
    text = call("order_string", shop.order(product="app"))
    assert dict(parse_qsl(text, strict_parsing=True))["app_id"] == APP_ID
    assert " " not in text
    assert "+" not in text
