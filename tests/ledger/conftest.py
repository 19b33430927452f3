"""Shops on each database. Creating tables takes longer than most tests, so those of servers are
kept for all tests, and each test empties them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import StaticPool

from ..services import new_mariadb, new_postgresql
from .shop import Shop


def _opened(shop: Shop) -> Iterator[Shop]:
    shop.open()
    yield shop
    shop.engine.dispose()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("mariadb", marks=pytest.mark.service),
    ]
)
def shop(request: pytest.FixtureRequest) -> Shop:
    """Return a shop on SQLite, PostgreSQL and MariaDB in turn."""
    each: Shop = request.getfixturevalue(f"{request.param}_shop")
    return each


@pytest.fixture
def small_shop() -> Iterator[Shop]:
    """Open a shop on SQLite in memory, for tests that do not depend on the database."""
    yield from _opened(Shop("sqlite://", poolclass=StaticPool))


@pytest.fixture(scope="module")
def open_shop() -> Iterator[Shop]:
    """Open a shop in memory for a whole module: each example of a property has its own order."""
    yield from _opened(Shop("sqlite://", poolclass=StaticPool))


@pytest.fixture
def sqlite_shop(sqlite_url: str) -> Iterator[Shop]:
    yield from _opened(Shop(sqlite_url))


@pytest.fixture
def postgresql_shop(_postgresql: str) -> Iterator[Shop]:
    yield from _kept(_postgresql)


@pytest.fixture
def mariadb_shop(_mariadb: str) -> Iterator[Shop]:
    yield from _kept(_mariadb)


def _kept(url: str) -> Iterator[Shop]:
    shop = Shop(url)
    yield shop
    shop.engine.dispose()
    Shop(url).clear()


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[str]:
    for url in new_postgresql():
        yield from _with_tables(url)


@pytest.fixture(scope="session")
def _mariadb() -> Iterator[str]:
    for url in new_mariadb():
        yield from _with_tables(url)


def _with_tables(url: str) -> Iterator[str]:
    shop = Shop(url)
    shop.open()
    shop.engine.dispose()
    yield url
