"""How many rows a statement changed, and whether there is one, whoever made the connection."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from .shop import Shop, news
from .test_refund_answers import answered
from .test_refund_batches import ASKED, DONE, PAID, ask, rows, sale


@pytest.fixture
def connected_shop(mariadb_shop: Shop) -> Iterator[Shop]:
    """On connections of the app's own making, as Google's connector for Cloud SQL makes them: they
    count the rows that an ``UPDATE`` has changed, and not those that it has found.
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


def test_refunds_are_asked_for_and_told_of(connected_shop: Shop) -> None:
    shop = connected_shop
    sale(shop)
    ask(shop, 1000, "R1")
    assert rows(shop) == [("R1", 1000, ASKED)]
    assert answered(shop, "R1", 1000) == ("settled", ("refunded",))
    assert answered(shop, "R1", 1000) == ("duplicate", ())
    ask(shop, 2000, "R2")
    told = news(refunded_fen=3000, out_request_no="R2", notify_id="n2")
    assert shop.settle(told) == ("settled", ("refunded",))
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE)]
    assert shop.standing() == (PAID, True, 3000)
