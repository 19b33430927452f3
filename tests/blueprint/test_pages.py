"""Pages of the buyer, found by a token alone, and data that they never show."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask_babel import Babel
from itsdangerous import TimestampSigner
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time

from ..doubles.merchant import (
    PARTNER,
    SELLER_EMAIL,
    Merchant,
    on_each_gateway,
    on_the_legacy_gateway,
    with_the_shared_key,
)
from ..doubles.shop import Shop, new_blueprint
from ..looped import for_each
from .conftest import OpenShop, assert_discreet

DAY = 24 * 60 * 60
PAGES = ("checkout", "pay", "result", "status")
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148"}


def state(page: TestResponse) -> str:
    """Return the state shown by a result page."""
    (found,) = re.findall(r'<article class="card (\w+)">', page.text)
    return str(found)


def token_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Advance the tokens' clock by some seconds."""
    now = TimestampSigner.get_timestamp

    def move(seconds: int) -> None:
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now(self) + seconds)

    return move


# Headers


class Markup(HTMLParser):
    """Elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_private(answer: TestResponse) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


def policy_of(page: TestResponse) -> dict[str, list[str]]:
    parts = (part.split() for part in page.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


def assert_strict(page: TestResponse) -> None:
    """Assert that the policy allows the page's style and script, and that it has no others."""
    policy = policy_of(page)
    (nonce,) = re.findall(r"'nonce-([\w-]{16,})'", policy["script-src"][0])
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == [f"'nonce-{nonce}'"]
    markup = Markup(page.text)
    for tag, attributes in markup.tags:
        if tag in ("script", "style"):
            assert attributes.get("nonce") == nonce
        assert [name for name in attributes if name == "style" or name.startswith("on")] == []
        assert tag not in ("form", "iframe", "object", "embed", "base", "img")
        assert "src" not in attributes
        assert tag != "link" or (attributes["href"] or "").startswith("data:image/svg+xml,")
        assert not (attributes.get("href") or "").lower().startswith("javascript:")


@pytest.fixture
def every_response(shop: Shop, merchant: Merchant, later: Any) -> dict[str, TestResponse]:
    """Return one of each kind of response that a buyer can get."""
    number, paid = shop.order(), shop.order()
    shop.notify(merchant.notification(paid))
    stale = shop.url("result", number)
    responses = {
        "checkout": shop.look("checkout", number),
        "checkout of a paid payment": shop.look("checkout", paid),
        "pay": shop.look("pay", number),
        "pay with a bad bank": shop.client.get(f"{shop.url('pay', number)}?bank=%00"),
        "result": shop.look("result", number),
        "result of a paid payment": shop.look("result", paid),
        "status": shop.look("status", number),
        "return": shop.come_back(merchant.come_back(number)),
        "forged return": shop.come_back("a=b"),
        "return of nobody": shop.come_back(merchant.come_back("nobody")),
        "bad token": shop.client.get("/alipay/result/bad"),
        "notify": shop.notify(merchant.notification(number)),
        "refused notify": shop.notify(b"a=b"),
    }
    later(2 * DAY)
    return responses | {"expired token": shop.client.get(stale)}


@on_each_gateway
def test_every_response_is_private(every_response: dict[str, TestResponse]) -> None:
    for answer in every_response.values():
        assert_private(answer)


@on_each_gateway
def test_every_page_has_a_strict_policy(every_response: dict[str, TestResponse]) -> None:
    pages = [a for a in every_response.values() if a.mimetype == "text/html" and not a.location]
    assert len(pages) >= 8
    for page in pages:
        assert_strict(page)


@on_each_gateway
def test_no_response_contains_confidential_data(
    every_response: dict[str, TestResponse],
) -> None:
    for answer in every_response.values():
        if "gateway.do" in (answer.location or ""):
            continue
        assert_discreet(answer.text + str(answer.headers))


def test_no_two_pages_have_the_same_nonce(shop: Shop) -> None:
    url = shop.url("checkout", shop.order())
    policies = {shop.client.get(url).headers["Content-Security-Policy"] for _ in range(5)}
    assert len(policies) == 5


def test_the_shops_pages_keep_their_headers(shop: Shop) -> None:
    shop.app.add_url_rule("/", "home", lambda: "home")
    assert "Cache-Control" not in shop.client.get("/").headers


@on_each_gateway
def test_texts_of_the_shop_are_escaped(open_shop: OpenShop, merchant: Merchant) -> None:
    subject = "<script>alert(1)</script>'\"</style>"
    shop = open_shop(merchant)
    number = shop.order(subject=subject)
    for kind in ("checkout", "result"):
        page = shop.look(kind, number)
        assert "<script>alert" not in page.text
        assert_strict(page)


# Tokens


@for_each("kind", PAGES)
def test_a_link_opens_its_page(shop: Shop, kind: str) -> None:
    assert shop.look(kind, shop.order()).status_code in (200, 303)


@for_each("kind", PAGES)
@for_each("other", PAGES)
def test_a_token_opens_only_its_page(shop: Shop, kind: str, other: str) -> None:
    number = shop.order()
    token = token_of(shop.url(other, number))
    answer = shop.client.get(f"/alipay/{kind}/{token}")
    if kind == other:
        assert answer.status_code in (200, 303)
    else:
        assert answer.status_code == 404
        assert number not in answer.text


@for_each("kind", PAGES)
@for_each(
    "token", ["bad", "a.b.c", ".", "..", "%00", "中", "x" * 4096, "IjEi.aaaaaa.bbbb", "=", "null"]
)
def test_a_token_that_is_none_is_not_found(shop: Shop, kind: str, token: str) -> None:
    assert shop.client.get(f"/alipay/{kind}/{token}").status_code == 404


@for_each("kind", PAGES)
def test_a_token_that_was_tampered_with_is_not_found(shop: Shop, kind: str) -> None:
    url = shop.url(kind, shop.order())
    start = len(f"/alipay/{kind}/")
    for at in range(start, len(url) - 1, 7):
        other = "A" if url[at] != "A" else "B"
        assert shop.client.get(url[:at] + other + url[at + 1 :]).status_code == 404


@for_each("kind", PAGES)
def test_a_bare_number_is_not_found(shop: Shop, kind: str) -> None:
    assert shop.client.get(f"/alipay/{kind}/{shop.order()}").status_code == 404


@pytest.mark.parametrize("kind", PAGES)
def test_a_token_of_another_merchant_is_not_found(
    open_shop: OpenShop, keys: Any, kind: str
) -> None:
    """Even where both apps have the same secret key."""
    first_shop = open_shop(Merchant("openapi", "RSA2", "utf-8", keys))
    second_shop = open_shop(Merchant("openapi", "RSA2", "utf-8", keys, number="9021000000000002"))
    first_shop.order(out_trade_no="T1")
    second_shop.order(out_trade_no="T1")
    assert first_shop.client.get(second_shop.url(kind, "T1")).status_code == 404


@pytest.mark.parametrize("kind", PAGES)
def test_a_token_made_with_another_secret_key_is_not_found(
    open_shop: OpenShop, merchant: Merchant, kind: str
) -> None:
    first_shop, second_shop = open_shop(merchant), open_shop(merchant, SECRET_KEY="another")
    first_shop.order(out_trade_no="T1")
    second_shop.order(out_trade_no="T1")
    assert first_shop.client.get(second_shop.url(kind, "T1")).status_code == 404


@pytest.mark.parametrize("kind", PAGES)
def test_a_link_works_for_a_day(shop: Shop, later: Any, kind: str) -> None:
    url = shop.url(kind, shop.order())
    later(DAY - 5)
    assert shop.client.get(url).status_code in (200, 303)


@pytest.mark.parametrize("kind", PAGES)
def test_after_a_day_a_link_is_gone(shop: Shop, later: Any, kind: str) -> None:
    number = shop.order()
    url = shop.url(kind, number)
    later(DAY + 5)
    answer = shop.client.get(url)
    assert answer.status_code == 410
    assert number not in answer.text


def test_how_long_links_work_can_be_configured(
    open_shop: OpenShop, merchant: Merchant, later: Any
) -> None:
    shop = open_shop(merchant.settings | {"RESULT_MAX_AGE": 60})
    url = shop.url("result", shop.order())
    later(65)
    assert shop.client.get(url).status_code == 410


def test_links_outlive_a_change_of_the_secret_key(open_shop: OpenShop, merchant: Merchant) -> None:
    alipay = new_blueprint()
    old = open_shop(merchant, alipay=alipay, SECRET_KEY="older")
    new = open_shop(
        merchant, alipay=alipay, SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old", "older"]
    )
    for shop in (old, new):
        shop.order(out_trade_no="T1")
    assert new.client.get(old.url("result", "T1")).status_code == 200
    assert old.client.get(new.url("result", "T1")).status_code == 404


def test_a_payment_that_is_gone_is_not_found(shop: Shop) -> None:
    url = shop.url("result", shop.order(out_trade_no="T1"))
    shop.change("T1", out_trade_no="T2")
    assert shop.client.get(url).status_code == 404


# Checkout


@on_each_gateway
def test_the_checkout_shows_the_order(shop: Shop) -> None:
    number = shop.order(subject="Dragon Well")
    page = shop.look("checkout", number).text
    assert "Dragon Well" in page
    assert "¥88.88" in page
    assert number in page


def test_the_checkout_offers_alipay_in_a_new_tab(shop: Shop) -> None:
    page = shop.look("checkout", shop.order())
    (link,) = [a for tag, a in Markup(page.text).tags if tag == "a" and "data-pay" in a]
    assert link["target"] == "_blank"
    assert link["rel"] == "noopener"
    assert shop.client.get(link["href"] or "").status_code == 303


@on_the_legacy_gateway
def test_the_legacy_checkout_offers_banks(shop: Shop, merchant: Merchant) -> None:
    page = shop.look("checkout", shop.order())
    links = [a["href"] for tag, a in Markup(page.text).tags if tag == "a" and "data-pay" in a]
    assert len(links) > 5
    params = merchant.request_at(shop.client.get(links[1] or "").location)
    assert params["paymethod"] == "bankPay"
    assert params["defaultbank"]


@for_each("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
def test_the_checkout_of_an_ended_payment_leads_to_the_result(
    shop: Shop, merchant: Merchant, status: str
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status=status))
    answer = shop.look("checkout", number)
    assert answer.status_code == 303
    assert answer.location.startswith("/alipay/result/")


# Pay


@on_each_gateway
def test_pay_leads_to_the_gateway_with_a_good_signature(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    answer = shop.look("pay", number)
    assert answer.status_code == 303
    params = merchant.request_at(answer.location)
    if merchant.protocol == "openapi":
        assert answer.location.startswith("https://openapi.alipay.com/gateway.do?")
        assert params["method"] == "alipay.trade.page.pay"
        assert f'"out_trade_no":"{number}"' in params["biz_content"]
        assert '"total_amount":"88.88"' in params["biz_content"]
    else:
        assert answer.location.startswith("https://mapi.alipay.com/gateway.do?")
        assert params["service"] == "create_direct_pay_by_user"
        assert (params["out_trade_no"], params["total_fee"]) == (number, "88.88")


def test_a_phone_gets_the_phones_way_to_pay(shop: Shop, merchant: Merchant) -> None:
    answer = shop.look("pay", shop.order(), headers=PHONE)
    assert merchant.request_at(answer.location)["method"] == "alipay.trade.wap.pay"


def test_a_product_that_was_chosen_is_not_changed_for_a_phone(
    shop: Shop, merchant: Merchant
) -> None:
    answer = shop.look("pay", shop.order(product="page"), headers=PHONE)
    assert merchant.request_at(answer.location)["method"] == "alipay.trade.page.pay"


@on_the_legacy_gateway
def test_a_phone_is_sent_on_where_there_is_no_phones_way(shop: Shop, merchant: Merchant) -> None:
    answer = shop.look("pay", shop.order(), headers=PHONE)
    assert merchant.request_at(answer.location)["service"] == "create_direct_pay_by_user"


@on_each_gateway
@for_each("status,shown", [("TRADE_SUCCESS", "paid"), ("TRADE_CLOSED", "failed")])
def test_an_ended_payment_is_not_paid_again(
    shop: Shop, merchant: Merchant, status: str, shown: str
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status=status))
    answer = shop.look("pay", number)
    assert answer.status_code == 303
    assert answer.location.startswith("/alipay/result/")
    assert state(shop.client.get(answer.location)) == shown


def test_an_expired_payment_is_not_redirected_to_alipay(shop: Shop) -> None:
    number = shop.order(expires_at=utc_now() - timedelta(seconds=1))
    assert shop.look("pay", number).location.startswith("/alipay/result/")


@on_the_legacy_gateway
def test_a_bank_is_sent_along(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    answer = shop.client.get(shop.url("pay", number, bank="CMB"))
    params = merchant.request_at(answer.location)
    assert (params["paymethod"], params["defaultbank"]) == ("bankPay", "CMB")


@on_each_gateway
@for_each(
    "bank", ["", "icbc", "A" * 2000 + "!", "%00", "%E4%B8%AD", "CMB&x=y", "CMB%26total_fee%3D1"]
)
def test_a_bank_that_is_none_is_refused(shop: Shop, merchant: Merchant, bank: str) -> None:
    answer = shop.client.get(f"{shop.url('pay', shop.order())}?bank={bank}")
    if bank == "CMB&x=y" and merchant.protocol == "mapi":
        assert "x" not in merchant.request_at(answer.location)
    else:
        assert answer.status_code == 400


def test_a_bank_cannot_be_chosen_on_the_open_platform(shop: Shop) -> None:
    assert shop.client.get(f"{shop.url('pay', shop.order())}?bank=CMB").status_code == 400


@on_each_gateway
def test_the_browser_cannot_name_an_amount(shop: Shop, merchant: Merchant) -> None:
    url = shop.url("pay", shop.order())
    answer = shop.client.get(f"{url}?total_amount=0.01&total_fee=0.01&price=0.01")
    assert "0.01" not in str(merchant.request_at(answer.location))


@on_each_gateway
@for_each("host", ["ev il.example", "é.example", "a/b", "a@b", "[::1", "x:99999", ""])
def test_an_invalid_host_causes_no_server_error(shop: Shop, host: str) -> None:
    # Without the test client: that of Werkzeug 3.1.7 raises over such a host itself.
    environ = create_environ(shop.url("pay", shop.order()), headers={"Host": host})
    _, status, _ = run_wsgi_app(shop.app, environ)
    assert status[:3] in ("303", "400")


# Result


def test_the_result_needs_no_cookie_and_no_session(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    url = shop.url("result", number)
    shop.notify(merchant.notification(number))
    stranger = shop.app.test_client(use_cookies=False)
    assert state(stranger.get(url)) == "paid"


@pytest.mark.parametrize("host", ["www.shop.example", "shop.example:8443", "127.0.0.1"])
def test_the_result_is_there_under_another_host_name(shop: Shop, host: str) -> None:
    shop.app.config["TRUSTED_HOSTS"] = None
    answer = shop.look("result", shop.order(), base_url=f"https://{host}")
    assert state(answer) == "waiting"


def test_an_unreported_payment_is_waiting(shop: Shop) -> None:
    page = shop.look("result", shop.order())
    assert state(page) == "waiting"
    assert "/alipay/checkout/" in page.text
    assert "/alipay/status/" in page.text


@for_each(
    "notification_params,shown",
    [
        ({"trade_status": "WAIT_BUYER_PAY"}, "waiting"),
        ({"trade_status": "TRADE_PENDING"}, "waiting"),
        ({"trade_status": "TRADE_SUCCESS"}, "paid"),
        ({"trade_status": "TRADE_FINISHED"}, "paid"),
        ({"trade_status": "TRADE_SUCCESS", "refund_fee": "88.00"}, "partly_refunded"),
        ({"trade_status": "TRADE_SUCCESS", "refund_fee": "88.88"}, "refunded"),
        ({"trade_status": "TRADE_CLOSED"}, "failed"),
    ],
)
def test_the_result_is_the_ledgers(
    shop: Shop, merchant: Merchant, notification_params: dict[str, str], shown: str
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, **notification_params))
    assert state(shop.look("result", number)) == shown


def test_a_refunded_sale_is_shown_as_refunded(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    shop.notify(merchant.notification(number, trade_status="TRADE_CLOSED", refund_fee="88.88"))
    assert state(shop.look("result", number)) == "refunded"


def test_a_payment_after_its_time_limit_has_expired(shop: Shop) -> None:
    number = shop.order(expires_at=utc_now() - timedelta(seconds=1))
    page = shop.look("result", number)
    assert state(page) == "expired"
    assert "/alipay/pay/" not in page.text
    assert "/alipay/checkout/" not in page.text


def test_a_payment_at_the_last_second_is_shown(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(expires_at=utc_now() - timedelta(seconds=1))
    shop.notify(merchant.notification(number))
    assert state(shop.look("result", number)) == "paid"


@on_each_gateway
def test_only_a_settled_payment_is_shown_as_paid(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    fields = merchant.notification_params(number)
    shop.notify(merchant.encoded(fields | {"sign": "x"}))
    shop.notify(merchant.notification(number, **{merchant.amount: "0.01"}))
    shop.come_back(merchant.come_back(number))
    shop.client.get(f"{shop.url('result', number)}?trade_status=TRADE_SUCCESS&paid=true")
    assert state(shop.look("result", number)) == "confirming"


def test_the_result_links_to_the_shop(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop(merchant.settings | {"SHOW_URL": "https://shop.example/tea"})
    assert 'href="https://shop.example/tea"' in shop.look("result", shop.order()).text


# Status


@on_each_gateway
def test_the_status_has_three_values(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    answer = shop.look("status", number)
    assert answer.mimetype == "application/json"
    assert answer.json == {
        "out_trade_no": number,
        "trade_status": "WAIT_BUYER_PAY",
        "paid": False,
    }
    shop.notify(merchant.notification(number))
    assert shop.look("status", number).json == {
        "out_trade_no": number,
        "trade_status": "TRADE_SUCCESS",
        "paid": True,
    }


# Coming back


@on_each_gateway
def test_a_returning_buyer_is_redirected_to_the_result(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    answer = shop.come_back(merchant.come_back(number))
    assert answer.status_code == 303
    assert re.fullmatch(r"/alipay/result/[\w.-]+", answer.location)
    assert state(shop.client.get(answer.location)) == "confirming"


@on_each_gateway
def test_no_value_of_the_return_is_repeated(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    query = merchant.come_back(number)
    answer = shop.come_back(query)
    page = shop.client.get(answer.location)
    for value in (f"trade-{number}", PARTNER, SELLER_EMAIL, "RqPnCoPT"):
        assert value not in answer.text + answer.location + page.text
    assert_discreet(answer.text + answer.location + page.text, query.encode())


@on_each_gateway
def test_a_return_settles_nothing(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    assert shop.come_back(merchant.come_back(number)).status_code == 303
    payment = shop.payment(number)
    assert (payment.trade_status, payment.paid, payment.trade_no) == ("WAIT_BUYER_PAY", False, None)
    assert (shop.called, shop.journal()) == ([], [])


@on_each_gateway
def test_a_buyer_who_returns_after_the_notification_sees_it_paid(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    answer = shop.come_back(merchant.come_back(number))
    assert state(shop.client.get(answer.location)) == "paid"


@on_each_gateway
@pytest.mark.parametrize(
    "forge",
    [
        lambda query: query.replace("88.88", "88.89"),
        lambda query: query.replace("88.88", "88.89") + "&utm_source=mail",
        lambda query: query + "&out_trade_no=2",
        lambda query: query + "&utm_source=" + "a" * 16384,
        lambda query: re.sub("&sign=[^&]*", "", query),
        lambda query: re.sub("sign=[^&]*", "sign=", query),
        lambda query: f"{query}&{query}",
        lambda query: "",
        lambda query: "x",
        lambda query: "sign=%FF&out_trade_no=1",
    ],
    ids=range(10),
)
def test_a_forged_return_is_refused_and_shows_nothing(
    shop: Shop, merchant: Merchant, forge: Callable[[str], str], log: Any
) -> None:
    number = shop.order()
    query = forge(merchant.come_back(number))
    answer = shop.come_back(query)
    assert answer.status_code == 400
    assert number not in answer.text
    assert len(log()) == 1
    assert_discreet(log()[0].getMessage(), query.encode())


@on_each_gateway
@for_each(
    "add",
    [
        lambda query: f"{query}&utm_source=mail&utm_source=again",
        lambda query: f"s=alipay/return&{query}",
        lambda query: f"{query}&",
        lambda query: f"&{query}&&flag",
        lambda query: f"{query}&x=%00",
        lambda query: f"{query}&x=%E4%B8",
        lambda query: f"{query}%A0",
        lambda query: f"{query}%EF%BC%8C",
        lambda query: re.sub("(sign=[^&]*)(.*)", r"\1%A0\2&utm_source=mail", query),
        lambda query: re.sub("(sign=[^&]*)", r"\1?utm_source=mail", query),
        lambda query: re.sub("(sign=[^&]*)", r"\1;jsessionid=A1", query),
        lambda query: f"{query}&v=2&service=mail",
        lambda query: query + "".join(f"&x{number}=1" for number in range(300)),
    ],
)
def test_foreign_arguments_of_a_return_do_not_prevent_the_result(
    shop: Shop, merchant: Merchant, add: Callable[[str], str]
) -> None:
    number = shop.order()
    answer = shop.come_back(add(merchant.come_back(number)))
    assert answer.status_code == 303
    assert state(shop.client.get(answer.location)) == "confirming"


def test_a_buyer_who_gave_up_is_sent_to_the_shop_whatever_was_added(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant.settings | {"SHOW_URL": "https://shop.example/tea"})
    assert shop.come_back("utm_source=mail").location == "https://shop.example/tea"


@on_each_gateway
def test_a_return_for_an_unknown_payment_is_not_found(shop: Shop, merchant: Merchant) -> None:
    assert shop.come_back(merchant.come_back("20260102000000000001")).status_code == 404


def test_a_return_of_another_application_is_not_found(shop: Shop, merchant: Merchant) -> None:
    query = merchant.come_back(shop.order(), app_id="9021000000000666")
    assert shop.come_back(query).status_code == 404


@with_the_shared_key
@for_each("seller_id", ["2088111111111111", None])
def test_a_return_of_another_seller_is_not_found(
    shop: Shop, merchant: Merchant, seller_id: str | None
) -> None:
    """Alipay's key is the same for all merchants there, and order numbers may be."""
    email = None if seller_id is None else "mallory@example.net"
    query = merchant.come_back(shop.order(), seller_id=seller_id, seller_email=email)
    answer = shop.come_back(query)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@on_each_gateway
def test_an_old_return_is_gone(shop: Shop, merchant: Merchant) -> None:
    then = format_china_time(utc_now() - timedelta(days=1, seconds=5))
    name = "timestamp" if merchant.protocol == "openapi" else "notify_time"
    query = merchant.come_back(shop.order(), **{name: then})
    assert shop.come_back(query).status_code == 410


@on_each_gateway
def test_a_return_without_a_time_is_as_old_as_the_payment(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    name = "timestamp" if merchant.protocol == "openapi" else "notify_time"
    query = merchant.come_back(number, **{name: None})
    assert shop.come_back(query).status_code == 303
    shop.change(number, created_at=utc_now() - timedelta(days=1, seconds=5))
    assert shop.come_back(query).status_code == 410


@pytest.mark.parametrize("arguments", ["from=alipay", "from=", "from", "from=a%26b"])
def test_the_shops_arguments_of_the_return_url_are_not_signed(
    open_shop: OpenShop, merchant: Merchant, arguments: str
) -> None:
    address = f"https://shop.example/alipay/return?{arguments}"
    shop = open_shop(merchant.settings | {"RETURN_URL": address})
    query = merchant.come_back(shop.order())
    assert shop.come_back(f"{arguments}&{query}").status_code == 303
    assert shop.come_back(f"{query}&{arguments}").status_code == 303
    assert shop.come_back(f"{query}&{arguments}&x=1").status_code == 303


def test_a_buyer_who_aborts_at_alipay_is_redirected_to_the_shop(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant.settings | {"SHOW_URL": "https://shop.example/tea"})
    assert shop.come_back("").location == "https://shop.example/tea"


def test_a_result_page_of_the_shop_is_shown_instead(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, alipay=new_blueprint(result_endpoint="order"))
    shop.app.add_url_rule("/order/<out_trade_no>", "order", lambda out_trade_no: out_trade_no)
    number = shop.order()
    assert shop.url("result", number) == f"/order/{number}"
    assert shop.come_back(merchant.come_back(number)).location == f"/order/{number}"


# Words


@for_each(
    "accepted,shown",
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.1", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("*", None),
        ("", "en"),
        ("zh;q=x,,;;", None),
    ],
)
def test_pages_are_in_the_buyers_language(shop: Shop, accepted: str, shown: str | None) -> None:
    page = shop.look("result", shop.order(), headers={"Accept-Language": accepted})
    (found,) = re.findall('<html lang="([^"]+)"', page.text)
    assert found == (shown or found)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("en", "Payment not found"), ("zh_Hans_CN", "没有找到该订单"), ("fr", "Payment not found")],
)
def test_pages_are_in_the_language_that_flask_babel_chooses(
    shop: Shop, chosen: str, words: str
) -> None:
    Babel(shop.app, locale_selector=lambda: chosen)
    headers = {"Accept-Language": "en" if chosen.startswith("zh") else "zh"}
    assert words in shop.client.get("/alipay/result/bad", headers=headers).text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Payment not found"), ("zh", "没有找到该订单")]
)
def test_errors_are_in_the_buyers_language(shop: Shop, language: str, words: str) -> None:
    page = shop.client.get("/alipay/result/bad", headers={"Accept-Language": language})
    assert words in page.text


@pytest.mark.parametrize("kind", ["checkout", "result"])
def test_chinese_pages_are_in_chinese(shop: Shop, kind: str) -> None:
    page = shop.look(kind, shop.order(), headers={"Accept-Language": "zh-CN"})
    assert "支付宝" in page.text
    assert "Pay with" not in page.text
    assert "Not paid yet" not in page.text


@pytest.fixture
def redecorated(open_shop: OpenShop, merchant: Merchant, tmp_path: Path) -> Shop:
    """Open a shop with a template of the app."""
    folder = tmp_path / "shop0" / "templates" / "alipay"
    shop = open_shop(merchant)
    folder.mkdir(parents=True)
    (folder / "result.html").write_text("{{ state }} {{ payment.out_trade_no }} {{ total }}")
    (folder / "error.html").write_text("{{ status }} {{ title }}")
    return shop


def test_a_template_of_the_app_takes_precedence(redecorated: Shop) -> None:
    number = redecorated.order()
    assert redecorated.look("result", number).text == f"waiting {number} 88.88"


def test_a_template_of_the_app_gets_error_texts(redecorated: Shop) -> None:
    answer = redecorated.client.get("/alipay/result/bad")
    assert (answer.status_code, answer.text) == (404, "404 Payment not found")
