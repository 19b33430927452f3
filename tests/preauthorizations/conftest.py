"""Fixtures: the shop that holds deposits, on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Keys
from ..services import ANY_DATABASE, KeptDatabases
from .shop import DepositShop, FreezingAlipay
from .simulated import SimulatedShop

OpenShop = Callable[..., DepositShop]


@pytest.fixture
def open_shop(tmp_path: Path, keys: Keys) -> Iterator[OpenShop]:
    shops: list[DepositShop] = []

    def make(url: str | None = None, **settings: Any) -> DepositShop:
        place = tmp_path / f"shop{len(shops)}"
        place.mkdir()
        shops.append(DepositShop(place, keys, url, **settings))
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
def shop(open_shop: OpenShop, database_url: str) -> DepositShop:
    """On the database of the test."""
    return open_shop(database_url)


@pytest.fixture
def small_shop(open_shop: OpenShop) -> DepositShop:
    """On SQLite: for behaviour that does not depend on the database."""
    return open_shop()


@pytest.fixture
def alipay(shop: DepositShop) -> FreezingAlipay:
    return shop.at_alipay


@pytest.fixture
def open_simulated(tmp_path: Path, keys: Keys) -> Iterator[Callable[..., SimulatedShop]]:
    shops: list[SimulatedShop] = []

    def make(url: str | None = None, **settings: Any) -> SimulatedShop:
        place = tmp_path / f"simulated{len(shops)}"
        place.mkdir()
        shops.append(SimulatedShop(place, keys, url, **settings))
        return shops[-1]

    yield make
    for each in shops:
        each.close()


@pytest.fixture
def simulated(open_simulated: Callable[..., SimulatedShop], database_url: str) -> SimulatedShop:
    """With the simulator, on the database of the test."""
    return open_simulated(database_url)


@pytest.fixture(params=["v2", "v3", "v3, encrypted, with certificates"])
def small_simulated(
    request: pytest.FixtureRequest, open_simulated: Callable[..., SimulatedShop]
) -> SimulatedShop:
    """With the simulator, on SQLite: for behaviour that depends on the gateway's version."""
    version, _, more = request.param.partition(", ")
    simulator = "certificates, encrypted" if more else True
    return open_simulated(API_VERSION=version, SIMULATOR=simulator)
