from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from flask_alipay.gateways.transport import HttpTransport

from ..conftest import Keys
from ..doubles.merchant import BUYER_DATA, MD5_KEY, OPENAPI, Merchant
from ..doubles.shop import Shop, db, new_app, new_blueprint

OpenShop = Callable[..., Shop]


class Confirmations:
    """Stand-in for Alipay's ``notify_verify``, which records requests."""

    def __init__(self) -> None:
        self.requested: list[dict[str, str]] = []
        self.answer: bytes | Exception = b"true"

    def get(self, url: str, params: Mapping[str, str]) -> bytes:
        self.requested.append(dict(params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def confirmations(monkeypatch: pytest.MonkeyPatch) -> Confirmations:
    """Replace ``notify_verify``: no test calls the real Alipay."""
    stub = Confirmations()
    monkeypatch.setattr(HttpTransport, "get", lambda _, url, params, *more: stub.get(url, params))
    return stub


@pytest.fixture
def merchant(request: pytest.FixtureRequest, keys: Keys) -> Merchant:
    """Return a merchant, on the open platform unless the test is parametrized."""
    protocol, sign_type, charset = getattr(request, "param", OPENAPI)
    return Merchant(protocol, sign_type, charset, keys)


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[OpenShop]:
    """Open shops, each with a separate database, and close them after the test."""
    shops: list[Shop] = []

    def make(
        settings: Mapping[str, Any] | Merchant,
        *,
        url_prefix: str | None = "/alipay",
        alipay: Any = None,
        **config: Any,
    ) -> Shop:
        place = tmp_path / f"shop{len(shops)}"
        place.mkdir()
        app = new_app(place, getattr(settings, "settings", settings), **config)
        alipay = alipay or new_blueprint()
        app.register_blueprint(alipay, url_prefix=url_prefix)
        shops.append(Shop(app, alipay))
        return shops[-1]

    yield make
    for shop in shops:
        shop.close()


@pytest.fixture
def shop(open_shop: OpenShop, merchant: Merchant) -> Shop:
    """Open the merchant's shop."""
    return open_shop(merchant)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """Return the package's log records of the test's call so far."""
    caplog.set_level(logging.INFO, "flask_alipay")
    return lambda: [record for record in caplog.records if record.name == "flask_alipay"]


class Refusals:
    """Sends requests that must be rejected, and checks that they changed nothing."""

    def __init__(self, shop: Shop, log: Callable[[], list[logging.LogRecord]]) -> None:
        self._shop = shop
        self._log = log

    def of(self, body: bytes, *, lines: int = 1, **options: Any) -> TestResponse:
        """Send a request, check the three properties of a rejection, and return the response."""
        before, called, logged = self._shop.ledger(), [*self._shop.called], len(self._log())
        answer = self._shop.notify(body, **options)
        assert answer.data == b"fail"
        assert answer.content_type == "text/plain; charset=utf-8"
        assert 400 <= answer.status_code < 500 or answer.status_code == 503
        assert self._shop.ledger() == before
        assert self._shop.called == called
        # A simulator of another test may be retrying a notification in its own thread.
        here = threading.get_ident()
        records = [record for record in self._log()[logged:] if record.thread == here]
        assert len(records) == lines
        for record in records:
            assert_discreet(logging.Formatter().format(record), body)
        return answer

    @property
    def reason(self) -> str:
        """Reason of the last rejection, from the log."""
        args = self._log()[-1].args
        assert isinstance(args, tuple)
        return str(args[0])


def assert_discreet(text: str, body: bytes = b"") -> None:
    """Assert that a text contains neither buyer data nor a key nor the signature."""
    fields = dict(parse_qsl(body.decode("latin-1")))
    private = [*BUYER_DATA, MD5_KEY, "PRIVATE KEY", fields.get("sign", "")]
    assert [value for value in private if len(value) > 8 and value in text] == []


@pytest.fixture
def refusals(shop: Shop, log: Callable[[], list[logging.LogRecord]]) -> Refusals:
    return Refusals(shop, log)


@pytest.fixture
def connections(shop: Shop) -> Iterator[list[object]]:
    """Record each checkout of a database connection."""
    taken: list[object] = []
    with shop.app.app_context():
        engine = db.engine

    def checkout(*args: object) -> None:
        taken.append(args)

    event.listen(engine, "checkout", checkout)
    yield taken
    event.remove(engine, "checkout", checkout)
