"""Shops with operator pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .shop import LOST, Shop, close, make_shop

OpenShop = Callable[..., Shop]


@pytest.fixture
def open_shop(tmp_path: Any) -> Iterator[OpenShop]:
    """Open shops, each with its own database, and close them after the test."""
    shops: list[Shop] = []

    def make(url: str = "", **options: Any) -> Shop:
        place = f"sqlite:///{tmp_path / f'shop{len(shops)}.sqlite'}"
        shops.append(make_shop(url or place, **options))
        return shops[-1]

    yield make
    # In a thread of its own: Flask-SQLAlchemy-Lite closes sessions by an event loop, and a browser
    # that another test has opened runs one in this thread.
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(close, shops))


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()


@pytest.fixture
def deaf_shop(open_shop: OpenShop) -> Shop:
    """A shop that Alipay's notifications do not reach."""
    return open_shop(config={"ALIPAY_NOTIFY_URL": LOST})
