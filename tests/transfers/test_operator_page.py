"""The operator page about transfers."""

from __future__ import annotations

import pytest
from flask import request
from flask_admin import Admin
from flask_babel import Babel
from werkzeug.test import TestResponse

from flask_alipay.admin import add_alipay_views
from flask_alipay.exceptions import GatewayError

from .conftest import OpenShop
from .shop import TRANSFER, PayingShop, rejection


def add_pages(shop: PayingShop, *, accessible: bool = True) -> None:
    """Add the operator pages in the language of the browser."""
    Babel(shop.app, locale_selector=lambda: request.accept_languages.best_match(("zh", "en")))
    admin = Admin(shop.app, name="Tea")
    add_alipay_views(admin, shop.alipay, is_accessible=lambda: accessible)


@pytest.fixture
def operated(open_shop: OpenShop, database_url: str) -> PayingShop:
    """A shop with operator pages and three transfers."""
    shop = open_shop(database_url)
    add_pages(shop)
    shop.pay("12.50", "PAID0001")
    shop.at_alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    with pytest.raises(GatewayError):
        shop.pay("8.88", "LOST0001")
    shop.at_alipay.status = "DEALING"
    shop.pay("1", "WAIT0001")
    return shop


def get(shop: PayingShop, path: str = "", language: str = "en") -> TestResponse:
    headers = {"Accept-Language": language}
    return shop.app.test_client().get(f"/admin/alipay/transfers/{path}", headers=headers)


def test_transfers_are_listed_with_the_newest_first(operated: PayingShop) -> None:
    page = get(operated).text
    places = [page.index(number) for number in ("WAIT0001", "LOST0001", "PAID0001")]
    assert places == sorted(places)
    assert "PAYEE_NOT_EXIST · 不行" in page
    assert "12.50" in page
    assert "Result unknown, or on its way" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=PAID", {"PAID0001"}),
        ("?status=FAIL", {"LOST0001"}),
        ("?status=DEALING", {"WAIT0001"}),
        ("?since=2020-01-01", {"PAID0001", "LOST0001", "WAIT0001"}),
        ("?until=2020-01-01", set()),
    ],
)
def test_transfers_are_found(operated: PayingShop, query: str, found: set[str]) -> None:
    page = get(operated, query).text
    assert {number for number in ("PAID0001", "LOST0001", "WAIT0001") if number in page} == found


def test_the_payee_is_masked_until_it_is_requested(operated: PayingShop) -> None:
    assert "anna@example.org" not in get(operated).text
    assert "an***" in get(operated).text
    assert "anna@example.org" in get(operated, "?reveal=1").text


def test_transfers_are_exported_with_masked_payees(operated: PayingShop) -> None:
    lines = get(operated, "export.csv").text.splitlines()
    assert len(lines) == 4
    assert "Transfer number" in lines[0]
    assert "anna" not in "".join(lines)


def test_the_page_is_translated(operated: PayingShop) -> None:
    page = get(operated, language="zh").text
    assert "转账成功" in page
    assert "收款方" in page


def test_a_shop_without_transfers_has_no_page(open_shop: OpenShop) -> None:
    shop = open_shop()
    shop.alipay._models = shop.alipay.models._replace(Transfer=None)
    add_pages(shop)
    assert get(shop).status_code == 404


def test_a_stranger_is_refused(open_shop: OpenShop) -> None:
    shop = open_shop()
    add_pages(shop, accessible=False)
    assert get(shop).status_code == 403
    assert get(shop, "export.csv").status_code == 403
