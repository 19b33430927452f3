"""Fixtures that all tests share. What needs a server or a browser is in ``services``."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import settings

from flask_alipay.gateways.background import BackgroundTasks
from flask_alipay.keys import generate_private_key
from flask_alipay.simulator.clock import SystemClock

from .bytecode import import_in_turn
from .compiled import compile_once
from .requirements import missing
from .services import _kept_postgresql as _kept_postgresql
from .services import browser as browser
from .services import database_url as database_url
from .services import kept_databases as kept_databases
from .services import mariadb_url as mariadb_url
from .services import postgresql_url as postgresql_url
from .services import sqlite_url as sqlite_url
from .vectors import VARIABLE, Vector

# What the command line says is in the reader's language.
os.environ["LANGUAGE"] = "en"

_EXAMPLES = 100 if os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1" else 30
settings.register_profile("development", deadline=None, max_examples=_EXAMPLES)
settings.register_profile("integration", deadline=None, derandomize=True)
settings.register_profile("again", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("integration" if os.environ.get("CI") else "development")


compile_once()


def pytest_collection(session: pytest.Session) -> None:
    import_in_turn(session.config)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers: two for each core, since many tests wait for a page."""
    return 2 * (os.cpu_count() or 1)


# Thousands of tests stay in memory, and the garbage collector looks at all of them again and again:
# it took a fifth of the time.
gc.disable()


#: They wait for processes or for an answer that does not come, some of them for ten seconds.
_LONG = (
    "tests/docs/test_html.py",
    "tests/docs/test_offline.py",
    "tests/docs/test_sdks.py",
    "tests/docs/test_translations.py",
    "tests/end_to_end/test_confirmation.py",
    "tests/examples/test_worker.py",
    "tests/ledger/test_migrations.py",
    "tests/openapi/test_every_method.py",
    "tests/openapi/test_over_http.py",
    "tests/oracles/",
    "tests/test_pytest_plugin.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the long tests before the others, so that no worker is alone with them at the end.

    A worker begins with a part of the list as it is: half of the long tests are in the first part,
    half in the one in the middle, and the workers between have work for the processor.

    With ``FLASK_ALIPAY_TEST_SHARE`` set to ``1/3`` only every third test remains, from the first.
    """
    share = os.environ.get("FLASK_ALIPAY_TEST_SHARE")
    if share:
        number, count = map(int, share.split("/"))
        kept = items[number - 1 :: count]
        config.hook.pytest_deselected(items=list(set(items) - set(kept)))
        items[:] = kept
    long = [item for item in items if item.nodeid.startswith(_LONG)]
    others = [item for item in items if not item.nodeid.startswith(_LONG)]
    half, middle = len(long) // 2, len(others) // 2
    items[:] = [*long[:half], *others[:middle], *long[half:], *others[middle:]]


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection, and collect garbage less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Collect the garbage of the last tests once, for its warnings.

    pytest does it five times, and Python as the process ends: seconds for each worker.
    """
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Keys:
    """Key pairs of the merchant and of Alipay, 2048 bits each."""

    merchant: RSAPrivateKey
    alipay: RSAPrivateKey


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Generate the keys once: it is slow."""
    return Keys(merchant=generate_private_key(), alipay=generate_private_key())


@pytest.fixture(scope="session")
def small_keys() -> Keys:
    """Generate keys of 1024 bits, for thousands of signatures: each takes a fifth of the time."""
    return Keys(merchant=generate_private_key(1024), alipay=generate_private_key(1024))


@pytest.fixture(autouse=True)
def no_running_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide the event loop of a browser that other tests in this process use.

    Playwright's loop counts as running in this thread until the session ends, and async callbacks
    and sessions refuse to run in such a thread.
    """
    loop = None if "browser" in request.fixturenames else asyncio._get_running_loop()
    if loop is None:
        yield
        return
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


_CALL_LATER = SystemClock.call_later
_CLOCKS = pytest.StashKey[list[SystemClock]]()


@pytest.fixture(autouse=True)
def no_late_deliveries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note the clocks of a test's simulators, so that their work ends with the test.

    They retry an unacknowledged notification minutes later, in the middle of another test.
    """
    clocks = request.node.stash[_CLOCKS] = []

    def call_later(clock: SystemClock, delay: timedelta, callback: Callable[[], object]) -> None:
        clocks.append(clock)
        _CALL_LATER(clock, delay, callback)

    monkeypatch.setattr(SystemClock, "call_later", call_later)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Drop what a test's simulators still have to do, and wait for what they have begun.

    This comes before the fixtures end: a shop that closes its database in the middle of a
    notification would leave a connection open.
    """
    for clock in {id(clock): clock for clock in item.stash.get(_CLOCKS, [])}.values():
        with clock._changed:
            clock._due.clear()
        clock._workers.cancel_pending()
        end = time.monotonic() + 5
        while clock._workers._running and time.monotonic() < end:
            time.sleep(0.01)


@pytest.fixture
def vector(request: pytest.FixtureRequest) -> Vector:
    """Return one published payload, see :func:`tests.vectors.with_vectors`."""
    if request.param is None:
        missing(f"{VARIABLE} does not name a folder with vectors of this kind")
    found: Vector = request.param
    return found


Background = list[Callable[[], object]]

_SUBMIT = BackgroundTasks.submit


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> Background:
    """Collect the queries that requests submit to the background; a test runs them itself."""
    tasks: Background = []

    def submit(_: BackgroundTasks, key: object, task: Callable[[], object]) -> bool:
        tasks.append(task)
        return True

    monkeypatch.setattr(BackgroundTasks, "submit", submit)
    return tasks


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch, background: Background) -> None:
    """Send background queries from threads, as outside of tests."""
    monkeypatch.setattr(BackgroundTasks, "submit", _SUBMIT)
