"""Settings of the pages: the shop's appearance, the items, the QR code beside the button, help."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.models import utc_now
from flask_alipay.protocol.page_settings import PageSettings

from ..doubles.merchant import Merchant, on_each_gateway, on_the_legacy_gateway
from ..doubles.shop import Payment, Shop, new_blueprint
from .conftest import OpenShop
from .test_pages import PHONE, state

PAGES = ("checkout", "result", "help")
SHOP = {
    "SHOP_NAME": "Cloud & Leaf 云叶茶舍",
    "SHOP_LOGO": "https://cdn.example/logo.svg",
    "SHOP_COLOR": "#1f6b4a",
    "SHOP_CONTACT": "400-000-0000, tea@shop.example",
}


def look(shop: Shop, kind: str, number: str, **options: Any) -> Any:
    if kind != "help":
        return shop.look(kind, number, **options)
    with shop.app.test_request_context():
        url = shop.alipay.link("help", shop.payment(number))
    return shop.client.get(url, **options)


@pytest.fixture
def branded(open_shop: OpenShop, merchant: Merchant) -> Shop:
    return open_shop(merchant.settings | SHOP)


@pytest.mark.parametrize("kind", PAGES)
def test_the_pages_have_the_shops_name_logo_colour_and_contact(branded: Shop, kind: str) -> None:
    answer = look(branded, kind, branded.order())
    assert answer.status_code == 200
    assert "Cloud &amp; Leaf 云叶茶舍" in answer.text
    assert '<img src="https://cdn.example/logo.svg"' in answer.text
    assert "--accent: #1f6b4a" in answer.text
    assert "400-000-0000, tea@shop.example" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "img-src 'self' data: https://cdn.example;" in policy


@pytest.mark.parametrize("kind", PAGES)
def test_without_settings_the_pages_are_alipays(shop: Shop, kind: str) -> None:
    answer = look(shop, kind, shop.order())
    assert "<img" not in answer.text
    assert "img-src 'self' data:;" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOP_NAME", "x" * 41),
        ("SHOP_NAME", "two\nlines"),
        ("SHOP_CONTACT", "x" * 201),
        ("SHOP_COLOR", "green"),
        ("SHOP_COLOR", "#1f6b4a; } body { display: none"),
        ("SHOP_LOGO", "javascript:alert(1)"),
        ("SHOP_LOGO", "//evil.example/logo.svg"),
        ("SHOP_LOGO", "https://cdn.example/logo.svg; script-src *"),
        ("SHOP_LOGO", "logo.svg"),
        ("CHECKOUT_QR", "perhaps"),
        ("SKIP_CHECKOUT", "perhaps"),
    ],
)
def test_a_setting_that_cannot_be_shown_is_rejected(
    open_shop: OpenShop, merchant: Merchant, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_shop(merchant.settings | {name: value})
    assert caught.value.key == f"ALIPAY_{name}"
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "color", ["#000000", "#ffffff", "#777777", "#ff0000", "#1677ff", "#ffd700"]
)
def test_the_text_on_every_colour_can_be_read(color: str) -> None:
    def luminance(value: str) -> float:
        from flask_alipay.protocol.page_settings import _luminance

        return _luminance(value if len(value) == 7 else f"#{value[1:] * 2}")

    one, two = luminance(color), luminance(PageSettings(color=color).text_color)
    assert (max(one, two) + 0.05) / (min(one, two) + 0.05) >= 4.5


def test_the_settings_are_known(
    open_shop: OpenShop, merchant: Merchant, log: Callable[[], list[logging.LogRecord]]
) -> None:
    open_shop(merchant.settings | SHOP | {"CHECKOUT_QR": True, "SKIP_CHECKOUT": False})
    assert log() == []


# Items


def test_the_checkout_lists_the_items_of_the_applications_class(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [
        {"name": "Dragon Well <50 g>", "quantity": 2, "amount": Decimal("80.88")},
        {"name": "Postage", "amount": "8"},
        {"quantity": 1},
        "nothing",
    ]
    monkeypatch.setattr(Payment, "checkout_items", items, raising=False)
    page = shop.look("checkout", shop.order()).text
    assert "Dragon Well &lt;50 g&gt;" in page
    assert "× 2" in page
    assert "¥80.88" in page
    assert "¥8.00" in page
    assert page.count("<li><span>") == 2


def test_without_them_it_lists_the_goods_that_alipay_is_sent(shop: Shop) -> None:
    goods = [{"goods_id": "1", "goods_name": "龙井", "quantity": 3, "price": "29.60"}]
    page = shop.look("checkout", shop.order(goods_detail=goods)).text
    assert "龙井" in page
    assert "× 3" in page


def test_an_order_without_items_has_no_list(shop: Shop) -> None:
    assert 'class="items"' not in shop.look("checkout", shop.order()).text


# The QR code beside the button


@pytest.fixture
def with_qr(open_shop: OpenShop, merchant: Merchant) -> Shop:
    return open_shop(merchant.settings | {"CHECKOUT_QR": True})


@on_each_gateway
def test_the_checkout_has_a_frame_for_alipays_qr_code(with_qr: Shop, merchant: Merchant) -> None:
    number = with_qr.order()
    page = with_qr.look("checkout", number)
    assert "data-src=" in page.text
    url = page.text.split('data-src="')[1].split('"')[0].replace("&amp;", "&")
    answer = with_qr.client.get(url)
    assert answer.status_code == 303
    request = str(merchant.request_at(answer.location))
    assert "qr_pay_mode" in request
    assert "'qr_pay_mode': '4'" in request or '"qr_pay_mode":"4"' in request.replace(" ", "")
    host = answer.location.split("/")[2]
    assert f"https://{host}" in page.headers["Content-Security-Policy"].split("frame-src")[1]


def test_without_the_setting_there_is_none(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    page = shop.look("checkout", number)
    assert "<iframe" not in page.text
    assert "frame-src 'none'" in page.headers["Content-Security-Policy"]
    answer = shop.client.get(f"{shop.url('pay', number)}?frame=qr")
    assert "qr_pay_mode" not in str(merchant.request_at(answer.location))


@pytest.mark.parametrize(
    "details", [{"product": "wap"}, {"qr_pay_mode": "2"}, {"body": "茶" * 128}]
)
def test_a_payment_that_has_no_such_page_has_none(with_qr: Shop, details: dict[str, str]) -> None:
    if "body" in details:
        with with_qr.app.app_context():
            object.__setattr__(with_qr.alipay.config, "max_url_length", 100)
    assert "<iframe" not in with_qr.look("checkout", with_qr.order(**details)).text


def test_a_phone_has_none(with_qr: Shop) -> None:
    assert "<iframe" not in with_qr.look("checkout", with_qr.order(), headers=PHONE).text


# One way to pay


def test_an_order_with_one_way_to_pay_may_skip_the_checkout(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant.settings | {"SKIP_CHECKOUT": True})
    answer = shop.look("checkout", shop.order())
    assert answer.status_code == 303
    assert answer.location.startswith("/alipay/pay/")
    assert merchant.request_at(shop.client.get(answer.location).location)


@on_the_legacy_gateway
def test_an_order_with_several_ways_does_not(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop(merchant.settings | {"SKIP_CHECKOUT": True})
    assert shop.look("checkout", shop.order()).status_code == 200


# Help


def test_the_dialog_leads_to_our_help_page(shop: Shop) -> None:
    number = shop.order()
    page = shop.look("checkout", number).text
    (url,) = re.findall(r'class="button quiet" href="(/alipay/checkout/[^"]+problem=1)"', page)
    answer = shop.client.get(url, headers={"Accept-Language": "zh-CN"})
    assert answer.status_code == 200
    assert "支付遇到问题" in answer.text
    assert "/alipay/checkout/" in answer.text
    assert "/alipay/result/" in answer.text
    assert number in answer.text.replace("<wbr>", "")


def test_the_dialog_leads_to_the_shops_page(open_shop: OpenShop, merchant: Merchant) -> None:
    blueprint = new_blueprint(problem_endpoint="problem")
    shop = open_shop(merchant, alipay=blueprint)
    shop.app.add_url_rule("/problem/<out_trade_no>", "problem", lambda out_trade_no: "")
    number = shop.order()
    assert f'href="/problem/{number}"' in shop.look("checkout", number).text


def test_a_buyer_who_has_paid_needs_no_help(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    answer = look(shop, "help", number)
    assert answer.status_code == 303
    assert state(shop.client.get(answer.location)) == "paid"


@pytest.mark.parametrize("token", ["bad", "bad.token.here"])
def test_help_is_behind_a_token(shop: Shop, token: str) -> None:
    assert shop.client.get(f"/alipay/checkout/{token}?problem=1").status_code == 404
    number = shop.order()
    result = shop.url("result", number).rsplit("/", 1)[1]
    assert shop.client.get(f"/alipay/checkout/{result}?problem=1").status_code == 404


# The way back


def test_a_result_without_a_shop_url_leads_to_the_home_page(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant)
    shop.app.add_url_rule("/", "home", lambda: "")
    number = shop.order()
    shop.notify(merchant.notification(number))
    assert '<a class="button " href="/">Back to the shop</a>' in shop.look("result", number).text


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
def test_without_a_home_page_a_result_may_be_closed(
    shop: Shop, merchant: Merchant, status: str
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status=status))
    assert "You can close this page." in shop.look("result", number).text


def test_a_long_order_number_breaks_only_between_groups(shop: Shop) -> None:
    number = "".join(f"{digit:04}" for digit in range(16))
    shop.order(out_trade_no=number)
    page = shop.look("result", number).text
    assert "0000<wbr>0001<wbr>0002" in page
    assert "0015</dd>" in page


def test_an_expired_payment_has_a_separate_page(shop: Shop) -> None:
    number = shop.order(expires_at=utc_now() - timedelta(seconds=1))
    assert "You can close this page." in shop.look("result", number).text
