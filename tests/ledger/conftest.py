"""A shop on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import StaticPool

from .shop import Shop


def _opened(shop: Shop) -> Iterator[Shop]:
    shop.open()
    yield shop
    shop.engine.dispose()


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """On SQLite, PostgreSQL and MariaDB in turn."""
    yield from _opened(Shop(database_url))


@pytest.fixture
def small_shop() -> Iterator[Shop]:
    """On SQLite in memory: for what is not the database's business."""
    yield from _opened(Shop("sqlite://", poolclass=StaticPool))


@pytest.fixture(scope="module")
def open_shop() -> Iterator[Shop]:
    """The same, kept for a module: each example of a property has an order of its own."""
    yield from _opened(Shop("sqlite://", poolclass=StaticPool))


@pytest.fixture
def postgresql_shop(postgresql_url: str) -> Iterator[Shop]:
    yield from _opened(Shop(postgresql_url))


@pytest.fixture
def mariadb_shop(mariadb_url: str) -> Iterator[Shop]:
    yield from _opened(Shop(mariadb_url))
