"""The shop's own order number in the operator pages, however the class of payments keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask_admin import Admin
from flask_babel import Babel

from flask_alipay.admin import add_alipay_views

from ..cli.test_references import KINDS, NUMBER, OTHER, make, sell, with_proxy


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """One way to keep the number."""
    found: Callable[[Any], Any] = request.param
    return found


@pytest.fixture
def search(kind: Callable[[Any], Any]) -> Callable[[str], str]:
    """Search the payments of a shop, of which one is for its order T1221."""
    shop = make(kind)
    Babel(shop.app)
    add_alipay_views(Admin(shop.app), shop.alipay, is_accessible=lambda: True)
    sell(shop, NUMBER, "T1221", subject="Tea")
    sell(shop, OTHER, "T9", subject="Coffee")
    client = shop.app.test_client()
    return lambda query: client.get(f"/admin/alipay/payments/{query}").text


def test_a_payment_is_found_by_the_shops_number(search: Callable[[str], str]) -> None:
    for query in ("?q=T1221", "?q=T1221&since=2020-01-01", "?q=T1221&status=WAIT_BUYER_PAY"):
        page = search(query)
        assert NUMBER in page
        assert OTHER not in page
    assert "No payment matches." in search("?q=T1221&status=TRADE_SUCCESS")
    assert "No payment matches." in search("?q=t1221")


def test_a_payment_is_found_by_the_beginning_of_the_shops_number(
    search: Callable[[str], str], kind: Callable[[Any], Any]
) -> None:
    page = search("?q=T122")
    assert (NUMBER in page) is (kind is not with_proxy)
    assert OTHER not in page


def test_the_pages_show_the_shops_number(search: Callable[[str], str]) -> None:
    assert "T1221" in search("")
    assert "T1221" in search(NUMBER)
    assert "T1221" in search(f"{NUMBER}/query")
    assert "T1221" in search("export.csv")
