"""Affected-row counts, with connections that the application creates."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from .shop import Shop, report
from .test_refund_answers import apply_response
from .test_refund_batches import DONE, PAID, REQUESTED, request_refund, rows, sale


@pytest.fixture
def connected_shop(mariadb_shop: Shop) -> Iterator[Shop]:
    """Open a shop on connections created by the application, as Google's connector for Cloud SQL
    does: they count the rows that an ``UPDATE`` has changed, not those that it has found.
    """
    url = mariadb_shop.engine.url

    def connect() -> pymysql.Connection:
        return pymysql.connect(
            host=url.host,
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            database=url.database,
        )

    shop = Shop("mysql+pymysql://", creator=connect)
    yield shop
    shop.engine.dispose()


def test_refunds_are_requested_and_reported(connected_shop: Shop) -> None:
    shop = connected_shop
    sale(shop)
    request_refund(shop, 1000, "R1")
    assert rows(shop) == [("R1", 1000, REQUESTED)]
    assert apply_response(shop, "R1", 1000) == ("settled", ("refunded",))
    assert apply_response(shop, "R1", 1000) == ("duplicate", ())
    request_refund(shop, 2000, "R2")
    batch = report(refunded_fen=3000, out_request_no="R2", notify_id="n2")
    assert shop.settle(batch) == ("settled", ("refunded",))
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE)]
    assert shop.status() == (PAID, True, 3000)
