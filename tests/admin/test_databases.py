"""The operator pages on each database, and on Flask-SQLAlchemy-Lite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import pytest

from flask_alipay.models import utc_now

from .conftest import OpenShop
from .test_lists import numbers, table

PAGES = ("payments/", "refunds/", "notifications/", "takings/", "takings/?by=week")


@pytest.mark.parametrize("lite", [False, True], ids=["Flask-SQLAlchemy", "Lite"])
def test_a_case_is_resolved_on_each_database(
    open_shop: OpenShop, database_url: str, lite: bool
) -> None:
    # In a thread of its own, see the fixture.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_resolve, open_shop, database_url, lite).result()


def _resolve(open_shop: OpenShop, database_url: str, lite: bool) -> None:
    shop = open_shop(database_url, lite=lite)
    number, other = shop.sold(reference="T1001"), shop.order(reference="T1002")
    shop.act(f"payments/{other}/close")
    shop.refund(number, "10.00", "包装破损")
    assert shop.payment(number).refunded_fen == 1000
    day = utc_now().date() - timedelta(days=1)
    for path in (*PAGES, f"payments/{number}", "notifications/1", f"payments/?since={day}"):
        assert shop.get(path).status_code == 200, path
    assert numbers(shop.get("payments/").text) == [other, number]
    for query in (
        f"q={number}",
        f"q={number[:20]}",
        "q=T1001",
        f"since={day}&subject={quote('龙井')}",
    ):
        assert number in numbers(shop.get(f"payments/?{query}").text), query
    assert "¥177.76" in shop.get(f"payments/?since={day}").text
    assert [line[0] for line in table(shop, "payments/export.csv")[1:]] == [
        f"{other}\t",
        f"{number}\t",
    ]
    assert "Sales ¥88.88, refunds ¥10.00, net ¥78.88" in shop.get("takings/").text
    assert len(shop.actions()) == 4
    assert shop.called == [("paid", number), ("failed", other), ("refunded", number)]
