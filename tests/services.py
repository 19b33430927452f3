"""Database servers and a browser, for the tests that need the real thing.

Each database has a name that nobody else uses, and is dropped at the end: a server with other
people's databases is safe. PostgreSQL takes long to create one, so a worker keeps one for all tests
and drops what is in it. Where a folder has many tests of the same tables, it keeps a database for
all of them and empties the tables.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import NullPool, create_engine, inspect, make_url, table, text
from sqlalchemy.exc import OperationalError

from .requirements import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, LocatorAssertions

# Without TLS: for each connection, PyMySQL reads all the certificates of the machine.
POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres?sslmode=disable"
MARIADB = "mysql+pymysql://root@127.0.0.1:3306/?ssl_disabled=1"

DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.service),
    pytest.param("mariadb", marks=pytest.mark.service),
]
#: For behaviour that depends on the database only through statements that other tests execute on
#: each kind: SQLite, and each kind with ``FLASK_ALIPAY_TEST_ALL=1``.
ANY_DATABASE = DATABASES if os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1" else DATABASES[:1]
#: Run a test on each kind, in a folder whose ``database_url`` is of any kind.
on_each_database = pytest.mark.parametrize("database_url", DATABASES, indirect=True)

# The shell is the same browser without a window's furniture, and takes half the time.
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# A browser that stays off the network by itself, so that a test sees only its own requests.
_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Runs in each page before its own scripts.
_HASTE = """
for (const name of ["setTimeout", "setInterval"]) {
  const wait = window[name];
  window[name] = (act, delay = 0, ...more) => wait(act, delay / 5, ...more);
}
"""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def postgresql_url(_kept_postgresql: str) -> Iterator[str]:
    yield _kept_postgresql
    _drop_schemas(_kept_postgresql)


@pytest.fixture(scope="session")
def _kept_postgresql() -> Iterator[str]:
    yield from new_postgresql()


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    yield from new_mariadb()


def new_postgresql() -> Iterator[str]:
    """Create an empty database, and drop it at the end."""
    yield from _database(
        "FLASK_ALIPAY_POSTGRESQL", POSTGRESQL, drop="DROP DATABASE {} WITH (FORCE)"
    )


def new_mariadb() -> Iterator[str]:
    """Likewise."""
    yield from _database("FLASK_ALIPAY_MARIADB", MARIADB, drop="DROP DATABASE {}")


class KeptDatabases:
    """Databases on servers whose tables stay from one test to the next: MariaDB takes a second to
    create them.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._urls: dict[tuple[str, str], str] = {}

    def url(self, kind: str, tables: str) -> Iterator[str]:
        """Yield the URL of a database, and empty its tables then.

        :param kind: ``postgresql`` or ``mariadb``.
        :param tables: a name for the tables that those who use the database create, if it has none.
        """
        if (kind, tables) not in self._urls:
            create = {"postgresql": new_postgresql, "mariadb": new_mariadb}[kind]
            self._urls[kind, tables] = self._stack.enter_context(contextmanager(create)())
        url = self._urls[kind, tables]
        yield url
        _empty_tables(url)


@pytest.fixture(scope="session")
def kept_databases() -> Iterator[KeptDatabases]:
    with ExitStack() as stack:
        yield KeptDatabases(stack)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window. A test opens its own context: ``browser.new_context()``."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed")
    found = os.environ.get("FLASK_ALIPAY_CHROMIUM") or next(
        filter(None, map(shutil.which, _CHROMIUM)), None
    )
    if found is None:
        missing("there is no Chromium (FLASK_ALIPAY_CHROMIUM names one)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=_CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


def expect(element: Locator) -> LocatorAssertions:
    """Return assertions that wait until the page fulfils them, at most 20 seconds.

    A click returns before the page that it opens is there: what an element tells at once
    may be about the page before.
    """
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)
    return expect(element)


def follow(element: Locator, key: str = "") -> None:
    """Click on a link or a form's button, or press a key there; wait for the next page."""
    with element.page.expect_navigation():
        element.press(key) if key else element.click()


def hurry(context: BrowserContext) -> None:
    """Shorten the pages' pauses between queries to a fifth."""
    context.add_init_script(_HASTE)


def _database(variable: str, default: str, *, drop: str) -> Iterator[str]:
    server = make_url(os.environ.get(variable) or default)
    name = f"flask_alipay_test_{uuid.uuid4().hex[:16]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        connection = engine.connect()
    except OperationalError:
        missing(f"no server answers at {server.render_as_string()} ({variable} names another)")
    with connection:
        if engine.dialect.name == "mysql":
            # Rather fail than wait a day for a connection that a test left open.
            connection.execute(text("SET SESSION lock_wait_timeout = 10"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        if engine.dialect.name == "postgresql":
            # No test cuts the power.
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(text(drop.format(name)))


def _empty_tables(url: str) -> None:
    """Empty all tables, in any order; fail rather than wait for a test's lock."""
    engine = create_engine(url, poolclass=NullPool)
    settings = {
        "postgresql": ("lock_timeout = 10000", "session_replication_role = replica"),
        "mysql": ("innodb_lock_wait_timeout = 10", "foreign_key_checks = 0"),
    }
    with engine.begin() as connection:
        for setting in settings[engine.dialect.name]:
            connection.execute(text(f"SET {setting}"))
        for name in inspect(connection).get_table_names():
            connection.execute(table(name).delete())


def _drop_schemas(url: str) -> None:
    """Drop all that a database on PostgreSQL contains, and close the connections to it."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        schemas = inspect(connection).get_schema_names()  # without PostgreSQL's own, except one
        for schema in set(schemas) - {"information_schema"}:
            connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
        connection.execute(text("CREATE SCHEMA public"))
