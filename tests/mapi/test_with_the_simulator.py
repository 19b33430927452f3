"""Every service, driven through the simulator: each side reads what the other wrote.

In process, in UTF-8 and GBK, signed with MD5, RSA and RSA2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask

from flask_alipay.blueprint.embedded_simulator import InProcessTransport
from flask_alipay.exceptions import GatewayError, InvalidParameter
from flask_alipay.gateways.mapi import MapiGateway, RefundEntry, TransferEntry, new_batch_no
from flask_alipay.protocol.batch_notification import (
    RefundBatchNotification,
    TransferBatchNotification,
)
from flask_alipay.protocol.notification import Notification, verified_params
from flask_alipay.protocol.signed_request import SignedRequest
from flask_alipay.protocol.wap_notification import is_wap_notification, verify_wap, wap_signer
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint

NOTIFY_URL = "https://shop.example/notify"
RETURN_URL = "https://shop.example/return"
URLS = {"notify_url": NOTIFY_URL, "return_url": RETURN_URL}
SUBJECT = "龙井茶 <1> & 100% +"


class Clock:
    """Tells the time; what is due later is done when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def call_later(self, delay: timedelta, callback: Callable[[], object]) -> None:
        self.due.append(callback)

    def run(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


@dataclass
class Shop:
    """The merchant's side: its gateway, and the notifications that came."""

    charset: str
    sign_type: str
    bodies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.simulator = Simulator(protocol="mapi", post=self._post, clock=self.clock)
        app = Flask(__name__)
        app.register_blueprint(simulator_blueprint(self.simulator), url_prefix="/alipay")
        self.browser = app.test_client()
        self.gateway = MapiGateway(
            self.simulator.merchant.partner,
            self.signer,
            seller_email=self.simulator.merchant.seller_email,
            charset=self.charset,
            gateway_url="/alipay/gateway.do",
            wap_gateway_url="/alipay/service/rest.htm",
            show_url="https://shop.example/",
            transport=InProcessTransport(app, "/notify"),
        )

    @property
    def signer(self) -> Signer:
        account = self.simulator.merchant
        pair = (account.private_key, account.alipay_private_key.public_key())
        return {
            "MD5": lambda: Md5Signer(account.md5_key),
            "RSA": lambda: RsaSigner(*pair),
            "RSA2": lambda: Rsa2Signer(*pair),
        }[self.sign_type]()

    def _post(self, url: str, body: bytes, headers: Any) -> tuple[int, str]:
        self.bodies.append(body)
        return 200, "success"

    def open(self, request: SignedRequest) -> str:
        """Goes where a redirect leads; returns the page's address."""
        response = self.browser.get(request.url)
        assert response.status_code == 303, response.text
        return str(response.location)

    def press(self, page: str, button: str) -> str:
        response = self.browser.post(f"{page}/{button}")
        return str(response.location)

    def params(self) -> dict[str, str]:
        """What was told last, proven."""
        self.clock.run()
        return verified_params(self.bodies[-1], self.signer, self.charset)

    def notification_params(self) -> Notification:
        return Notification.from_params(self.params())

    def paid(self, out_trade_no: str = "A1", product: str = "page", **details: Any) -> str:
        """Has a payment made; returns Alipay's number of it."""
        request = self.gateway.pay(
            product,
            **{
                "out_trade_no": out_trade_no,
                "subject": SUBJECT,
                "total_amount": "88.88",
                **URLS,
                **details,
            },
        )
        self.press(self.open(request), "pay")
        return str(self.simulator.trades.by_out_trade_no(out_trade_no).trade_no)  # type: ignore[union-attr]


@pytest.fixture(params=["utf-8", "gbk"])
def charset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["MD5", "RSA", "RSA2"])
def shop(request: pytest.FixtureRequest, charset: str) -> Shop:
    return Shop(charset, request.param)


@pytest.fixture(params=["MD5", "RSA"])
def wap_shop(request: pytest.FixtureRequest, charset: str) -> Shop:
    """On the older WAP gateway there is no RSA2."""
    return Shop(charset, request.param)


def test_an_instant_payment(shop: Shop) -> None:
    shop.paid()
    notification_params = shop.notification_params()
    assert (notification_params.trade_status, notification_params.total_fen) == (
        "TRADE_SUCCESS",
        8888,
    )
    assert notification_params.params["subject"] == SUBJECT
    assert shop.gateway.notify_verify(notification_params.notify_id or "")
    assert not shop.gateway.notify_verify("another")


@pytest.mark.parametrize("product", ["escrow", "dual"])
def test_an_escrow_trade_from_payment_to_receipt(shop: Shop, product: str) -> None:
    request = shop.gateway.pay(
        product, out_trade_no="A1", subject=SUBJECT, total_amount="88.88", **URLS
    )
    cashier = shop.open(request)
    shop.clock.run()
    assert shop.notification_params().trade_status == "WAIT_BUYER_PAY"
    shop.press(cashier, "deposit")
    notification_params = shop.notification_params()
    assert (notification_params.trade_status, notification_params.total_fen) == (
        "WAIT_SELLER_SEND_GOODS",
        8888,
    )
    sent = shop.gateway.send_goods_confirm_by_platform(
        trade_no=notification_params.trade_no or "",
        logistics_name="顺丰速运",
        transport_type="EXPRESS",
        invoice_no="SF1",
    )
    assert (sent.out_trade_no, sent.trade_status) == ("A1", "WAIT_BUYER_CONFIRM_GOODS")
    assert shop.notification_params().trade_status == "WAIT_BUYER_CONFIRM_GOODS"
    shop.press(cashier, "confirm")
    assert shop.notification_params().trade_status == "TRADE_FINISHED"


def test_logistics_that_the_buyer_pays_are_in_the_total(shop: Shop) -> None:
    request = shop.gateway.pay(
        "escrow",
        out_trade_no="A1",
        subject=SUBJECT,
        total_amount="88.88",
        quantity=2,
        logistics_type="EMS",
        logistics_fee="8.88",
        logistics_payment="BUYER_PAY",
        **URLS,
    )
    shop.press(shop.open(request), "deposit")
    notification_params = shop.notification_params()
    assert notification_params.total_fen == 8888
    assert (notification_params.params["price"], notification_params.params["quantity"]) == (
        "40.00",
        "2",
    )


def test_goods_of_an_unpaid_trade_are_not_shipped(shop: Shop) -> None:
    trade_no = shop.paid()
    with pytest.raises(GatewayError) as caught:
        shop.gateway.send_goods_confirm_by_platform(
            trade_no=trade_no, logistics_name="顺丰", transport_type="EXPRESS"
        )
    assert caught.value.code


def test_a_phones_payment(shop: Shop) -> None:
    if shop.charset != "utf-8":
        with pytest.raises(InvalidParameter, match=r"^_input_charset "):
            shop.paid(product="wap")
        return
    shop.paid(product="wap")
    assert shop.notification_params().trade_status == "TRADE_SUCCESS"


def test_a_trade_is_queried(shop: Shop) -> None:
    trade_no = shop.paid()
    for requested in ({"out_trade_no": "A1"}, {"trade_no": trade_no}):
        answer = shop.gateway.single_trade_query(**requested)
        assert (answer.out_trade_no, answer.trade_no) == ("A1", trade_no)
        assert (answer.trade_status, answer.total_fen) == ("TRADE_SUCCESS", 8888)
        assert answer.params["subject"] == SUBJECT
        assert answer.paid_at is not None
    with pytest.raises(GatewayError) as caught:
        shop.gateway.single_trade_query(out_trade_no="A2")
    assert caught.value.code == "TRADE_NOT_EXIST"


def test_a_trade_is_closed(shop: Shop) -> None:
    request = shop.gateway.pay(
        "page", out_trade_no="A1", subject=SUBJECT, total_amount="88.88", **URLS
    )
    shop.open(request)
    shop.gateway.close_trade(out_order_no="A1")
    assert shop.gateway.single_trade_query(out_trade_no="A1").trade_status == "TRADE_CLOSED"
    with pytest.raises(GatewayError) as caught:
        shop.gateway.close_trade(out_order_no="A1")
    assert caught.value.code == "TRADE_STATUS_NOT_AVAILD"


def result(shop: Shop, notify_type: str) -> dict[str, str]:
    shop.clock.run()
    notified = [verified_params(body, shop.signer, shop.charset) for body in shop.bodies]
    [found] = [params for params in notified if params.get("notify_type") == notify_type]
    return found


def test_refunds_that_the_merchant_confirms(shop: Shop) -> None:
    numbers = [shop.paid("A1"), shop.paid("A2")]
    batch_no = new_batch_no()
    request = shop.gateway.refund_fastpay_by_platform_pwd(
        [RefundEntry(numbers[0], "8.88", "坏了"), RefundEntry(numbers[1], "88.88", "迟到")],
        batch_no=batch_no,
        notify_url=NOTIFY_URL,
    )
    shop.press(shop.open(request), "confirm")
    batch = RefundBatchNotification.from_params(result(shop, "batch_refund_notify"))
    assert batch.batch_no == batch_no
    assert [(one.trade_no, one.refund_fen, one.code) for one in batch.results] == [
        (numbers[0], 888, "SUCCESS"),
        (numbers[1], 8888, "SUCCESS"),
    ]
    part = shop.gateway.single_trade_query(out_trade_no="A1")
    assert (part.trade_status, part.refunded_fen) == ("TRADE_SUCCESS", 888)
    assert part.refund_status == "REFUND_SUCCESS"
    assert shop.gateway.single_trade_query(out_trade_no="A2").trade_status == "TRADE_CLOSED"


def test_refunds_without_a_password(shop: Shop) -> None:
    trade_no = shop.paid()
    batch_no = new_batch_no()
    entries = [RefundEntry(trade_no, "1.00", "退款")]
    shop.gateway.refund_fastpay_by_platform_nopwd(entries, batch_no=batch_no, notify_url=NOTIFY_URL)
    batch = RefundBatchNotification.from_params(result(shop, "batch_refund_notify"))
    assert (batch.batch_no, batch.results[0].refund_fen) == (batch_no, 100)
    with pytest.raises(GatewayError) as caught:
        shop.gateway.refund_fastpay_by_platform_nopwd(
            [RefundEntry(trade_no, "2.00", "退款")], batch_no=batch_no, notify_url=NOTIFY_URL
        )
    assert caught.value.code == "DUPLICATE_BATCH_NO"


def test_transfers(shop: Shop) -> None:
    batch_no = new_batch_no()
    request = shop.gateway.batch_trans_notify(
        [
            TransferEntry("S1", "wang@example.com", "王", "0.1", "谢谢"),
            TransferEntry("S2", "nobody@example.com", "李", "0.2"),
        ],
        batch_no=batch_no,
        account_name="茶店",
        email=shop.simulator.merchant.seller_email,
        notify_url=NOTIFY_URL,
    )
    assert request.params["batch_fee"] == "0.30"
    shop.press(shop.open(request), "confirm")
    batch = TransferBatchNotification.from_params(result(shop, "batch_trans_notify"))
    assert batch.batch_no == batch_no
    assert [(one.serial, one.amount_fen, one.succeeded) for one in batch.results] == [
        ("S1", 10, True),
        ("S2", 20, False),
    ]


@pytest.mark.parametrize("product", ["forex", "forex_wap"])
def test_a_payment_in_yen(shop: Shop, product: str) -> None:
    shop.paid(product=product, currency="JPY", total_amount="1700.00")
    notification_params = shop.notification_params()
    assert (
        notification_params.trade_status,
        notification_params.total_fen,
        notification_params.currency,
    ) == ("TRADE_FINISHED", 1700, "JPY")
    answer = shop.gateway.single_trade_query(out_trade_no="A1")
    assert (answer.total_fen, answer.currency) == (1700, "JPY")
    shop.gateway.forex_refund(
        out_return_no="R1", out_trade_no="A1", currency="JPY", return_amount=700, reason="退货"
    )
    assert shop.gateway.single_trade_query(out_trade_no="A1").refunded_fen == 700
    with pytest.raises(GatewayError) as caught:
        shop.gateway.forex_refund(
            out_return_no="R2", out_trade_no="A1", currency="JPY", return_amount=1700, reason="退货"
        )
    assert caught.value.code == "RETURN_AMOUNT_EXCEED"


def test_a_payment_in_yuan_that_is_paid_out_in_dollars(shop: Shop) -> None:
    shop.paid(product="forex", settlement_currency="USD")
    notification_params = shop.notification_params()
    assert notification_params.currency == "USD"
    assert ("CNY", 8888) in notification_params.amounts


def test_the_rates_of_the_day(shop: Shop) -> None:
    rates = shop.gateway.forex_rate_file()
    assert {"USD", "JPY"} <= {rate.currency for rate in rates}
    assert all(rate.rate > 0 for rate in rates)


def test_the_account_page_by_page(shop: Shop) -> None:
    for number in ("A1", "A2", "A3"):
        shop.paid(number)
    now = datetime.now(timezone.utc)
    times = {
        "gmt_start_time": now - timedelta(hours=1),
        "gmt_end_time": now + timedelta(hours=1),
    }
    found, page_no = [], 1
    while page_no is not None:
        page = shop.gateway.account_page_query(page_no=page_no, page_size=2, **times)
        found += page.rows
        page_no = page.next_page  # type: ignore[assignment]
    assert [row.merchant_out_order_no for row in found] == ["A1", "A2", "A3"]
    assert {row.income_fen for row in found} == {8888}
    assert found[0].params["goods_title"] == SUBJECT
    [row] = shop.gateway.account_page_query(merchant_out_order_no="A2").rows
    assert row.trade_no == found[1].trade_no


def test_a_key_against_phishing_is_good_once(shop: Shop) -> None:
    key = shop.gateway.query_timestamp().encrypt_key
    shop.paid(anti_phishing_key=key)
    again = shop.gateway.pay(
        "page", out_trade_no="A2", subject="茶", total_amount=1, anti_phishing_key=key, **URLS
    )
    assert "ILLEGAL_ANTI_PHISHING_KEY" in shop.browser.get(again.url).text


GOOD = {
    "trade_type": "1",
    "need_address": "F",
    "goods_info": {"id": "10001", "name": "龙井茶", "price": "11.23"},
    "notify_url": NOTIFY_URL,
}
STORE = {
    "address": "No.278, Road YinCheng",
    "country_code": "CN",
    "currency": "USD",
    "secondary_merchant_id": "xxx001",
    "secondary_merchant_industry": "7011",
    "secondary_merchant_name": "茶店",
    "store_id": "0001",
    "store_name": "茶店一号",
    "trans_currency": "USD",
}


def test_the_code_of_a_good(shop: Shop) -> None:
    made = shop.gateway.alipay_mobile_qrcode_manage(method="add", biz_type=10, biz_data=GOOD)
    assert made.qrcode
    for method, data in (("modify", GOOD), ("stop", None), ("restart", None)):
        shop.gateway.alipay_mobile_qrcode_manage(
            method=method, biz_type=10, biz_data=data, qrcode=made.qrcode
        )
    with pytest.raises(GatewayError) as caught:
        shop.gateway.alipay_mobile_qrcode_manage(method="stop", biz_type=10, qrcode="another")
    assert caught.value.code


def test_the_code_of_a_shop_abroad(shop: Shop) -> None:
    made = shop.gateway.alipay_commerce_qrcode_create(
        biz_type="OVERSEASHOPQRCODE", biz_data=STORE, notify_url=NOTIFY_URL
    )
    assert made.qrcode
    shop.gateway.alipay_commerce_qrcode_modify(
        qr_code=made.qrcode, biz_type="OVERSEASHOPQRCODE", biz_data=STORE
    )
    with pytest.raises(GatewayError) as caught:
        shop.gateway.alipay_commerce_qrcode_modify(
            qr_code="https://qr.alipay.com/other", biz_type="OVERSEASHOPQRCODE", biz_data=STORE
        )
    assert caught.value.code


def test_a_trade_abroad(shop: Shop) -> None:
    shop.paid()
    trade = shop.gateway.alipay_acquire_overseas_query(partner_trans_id="A1")
    assert (trade.trade_status, trade.total_fen) == ("TRADE_SUCCESS", 8888)
    assert trade.paid_at is not None
    with pytest.raises(GatewayError) as caught:
        shop.gateway.alipay_acquire_overseas_query(partner_trans_id="A2")
    assert caught.value.code == "TRADE_NOT_EXIST"


def test_a_refund_abroad(shop: Shop) -> None:
    shop.paid(product="forex", currency="USD")
    for _ in range(2):  # the same number again is the same refund
        answer = shop.gateway.alipay_acquire_overseas_spot_refund(
            partner_trans_id="A1",
            partner_refund_id="R1",
            currency="USD",
            refund_amount="8.88",
            refund_reason="退货",
            is_sync="Y",
        )
        assert (answer.refund_fen, answer.currency) == (888, "USD")
    with pytest.raises(GatewayError) as caught:
        shop.gateway.alipay_acquire_overseas_spot_refund(
            partner_trans_id="A1", partner_refund_id="R2", currency="EUR", refund_amount="1"
        )
    assert caught.value.code == "CURRENCY_NOT_SAME"


def test_the_older_wap_gateway(wap_shop: Shop) -> None:
    shop = wap_shop
    token = shop.gateway.alipay_wap_trade_create_direct(
        subject=SUBJECT,
        out_trade_no="A1",
        total_fee="88.88",
        call_back_url=RETURN_URL,
        notify_url=NOTIFY_URL,
    )
    cashier = shop.open(shop.gateway.alipay_wap_auth_authAndExecute(token))
    back = shop.press(cashier, "pay")
    shop.clock.run()
    body = shop.bodies[-1]
    assert is_wap_notification(body)
    params = verify_wap(body, wap_signer(shop.signer), shop.charset)
    notification_params = Notification.from_params(params)
    assert (
        notification_params.out_trade_no,
        notification_params.trade_status,
        notification_params.total_fen,
    ) == ("A1", "TRADE_SUCCESS", 8888)
    assert params["subject"] == SUBJECT
    assert shop.gateway.notify_verify(notification_params.notify_id or "")
    query = urlsplit(back).query.encode("ascii")
    assert verified_params(query, wap_signer(shop.signer), shop.charset)["result"] == "success"


def test_the_older_wap_gateway_states_the_reason(wap_shop: Shop) -> None:
    with pytest.raises(GatewayError) as caught:
        wap_shop.gateway.alipay_wap_trade_create_direct(
            subject=SUBJECT,
            out_trade_no="A1",
            total_fee="88.88",
            call_back_url=RETURN_URL,
            seller_account_name="other@shop.example",
        )
    assert caught.value.code == "0009"


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_payment_in_an_app(charset: str) -> None:
    shop = Shop(charset, "RSA")
    order = shop.gateway.mobile_securitypay_pay(
        out_trade_no="A1", subject=SUBJECT, total_fee="88.88", body="茶", notify_url=NOTIFY_URL
    )
    notified = shop.browser.post("/alipay/mobile/pay", data=order.encode()).text
    result = shop.gateway.check_mobile_result(notified)
    assert (result.status, result.success) == ("9000", True)
    assert result.params["out_trade_no"] == "A1"
    assert shop.notification_params().trade_status == "TRADE_SUCCESS"
    again = shop.browser.post("/alipay/mobile/cancel", data=order.encode()).text
    assert not shop.gateway.check_mobile_result(again).success


def test_a_wrong_key_is_rejected_with_alipays_code(charset: str) -> None:
    shop = Shop(charset, "MD5")
    shop.gateway._signer = Md5Signer("f" * 32)
    with pytest.raises(GatewayError) as caught:
        shop.gateway.close_trade(out_order_no="A1")
    assert caught.value.code == "ILLEGAL_SIGN"


def test_a_form_is_accepted_like_a_redirect(shop: Shop) -> None:
    from html import unescape
    from urllib.parse import urlencode

    from ..test_signed_request import Form

    form = shop.gateway.pay(
        "escrow", out_trade_no="A1", subject=SUBJECT, total_amount="88.88", **URLS
    ).form()
    data = urlencode(Form(form, shop.charset).fields, encoding=shop.charset)
    action = unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
    assert dict(parse_qsl(urlsplit(action).query)) == {"_input_charset": shop.charset}
    response = shop.browser.post(
        action, data=data, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 303
