"""Shops on each database. Creating tables takes longer than most tests, so those of servers are
kept for all tests, and each test empties them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, MetaData, StaticPool, create_engine

from ..compiled import create_tables
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


class KeptTables:
    """A database whose tables stay from one test to the next, as long as the classes are the same.

    :param url: of an empty database.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self._metadata = MetaData()

    def open(self, metadata: MetaData) -> Engine:
        """Return an engine for the empty tables of some classes."""
        if metadata is not self._metadata:
            self._metadata.drop_all(self._engine)
            create_tables(metadata, self._engine)
            self._metadata = metadata
        return self._engine

    def empty(self) -> None:
        """Empty the tables."""
        with self._engine.begin() as connection:
            for table in reversed(self._metadata.sorted_tables):
                connection.execute(table.delete())

    def close(self) -> None:
        self._engine.dispose()


def _kept_tables(urls: Iterator[str]) -> Iterator[KeptTables]:
    for url in urls:
        kept = KeptTables(url)
        yield kept
        kept.close()


@pytest.fixture(scope="session")
def _sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptTables]:
    yield from _kept_tables(iter([f"sqlite:///{tmp_path_factory.mktemp('kept')}/test.sqlite"]))


@pytest.fixture(scope="session")
def _postgresql_tables() -> Iterator[KeptTables]:
    yield from _kept_tables(new_postgresql())


@pytest.fixture(scope="session")
def _mariadb_tables() -> Iterator[KeptTables]:
    yield from _kept_tables(new_mariadb())


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("mariadb", marks=pytest.mark.service),
    ]
)
def with_tables(request: pytest.FixtureRequest) -> Iterator[Callable[[MetaData], Engine]]:
    """Return engines for the empty tables of some classes, on each kind of database in turn."""
    kept: KeptTables = request.getfixturevalue(f"_{request.param}_tables")
    yield kept.open
    kept.empty()
