"""Fixtures: the shop that deducts, on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Keys
from ..services import ANY_DATABASE, KeptDatabases
from .shop import DeductingAlipay, DeductingShop

OpenShop = Callable[..., DeductingShop]


@pytest.fixture
def open_shop(tmp_path: Path, keys: Keys) -> Iterator[OpenShop]:
    shops: list[DeductingShop] = []

    def make(url: str | None = None, **settings: Any) -> DeductingShop:
        place = tmp_path / f"shop{len(shops)}"
        place.mkdir()
        shops.append(DeductingShop(place, keys, url, **settings))
        return shops[-1]

    yield make
    for each in shops:
        each.close()


@pytest.fixture
def postgresql_url(kept_databases: KeptDatabases) -> Iterator[str]:
    yield from kept_databases.url("postgresql", __name__)


@pytest.fixture
def mariadb_url(kept_databases: KeptDatabases) -> Iterator[str]:
    yield from kept_databases.url("mariadb", __name__)


@pytest.fixture(params=ANY_DATABASE)
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database, by default on SQLite.

    A test whose behaviour depends on transactions, locks or the database's SQL is marked with
    ``on_each_database``.
    """
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def shop(open_shop: OpenShop, database_url: str) -> DeductingShop:
    """On the database of the test."""
    return open_shop(database_url)


@pytest.fixture
def small_shop(open_shop: OpenShop) -> DeductingShop:
    """On SQLite: for behaviour that does not depend on the database."""
    return open_shop()


@pytest.fixture
def alipay(shop: DeductingShop) -> DeductingAlipay:
    return shop.at_alipay
