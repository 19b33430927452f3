"""Buyers who wait while no notification arrives, in front of real servers and workers."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from flask_alipay.keys import private_pem, public_pem

from ..chaos.workers import Workers
from ..conftest import Keys
from ..doubles.gateways import trade
from ..doubles.local_server import LocalServer, Request
from ..doubles.merchant import OPENAPI, Merchant
from ..doubles.openapi import answer
from ..doubles.shop import Shop, new_app, new_blueprint

pytestmark = pytest.mark.service

#: So many tabs wait for the same payment.
TABS = 10
#: A buyer sees "paid" so many seconds after Alipay's confirmation, on a busy machine.
SOON = 20.0
#: What a request to the shop may take there, whatever Alipay does.
AT_ONCE = 4.0

_APP = "tests.end_to_end.confirming_app:create_app()"
_KINDS = {
    "sync": ("-k", "sync", "-w", "2"),
    "gthread": ("-k", "gthread", "-w", "2", "--threads", "4"),
}
_DATABASES = ("sqlite", "postgresql", "mariadb")
#: Each start of gunicorn takes a second of the processor.
_ALL = os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1"


def on(database: str) -> pytest.MarkDecorator:
    """Run a test on one kind of database, on all with ``FLASK_ALIPAY_TEST_ALL=1``."""
    databases = _DATABASES if _ALL else [database]
    return pytest.mark.parametrize("database_url", databases, indirect=True)


@dataclass
class Gateway:
    """Alipay's gateway: it is only queried, and notifies nobody."""

    merchant: Merchant
    trade_status: str = "WAIT_BUYER_PAY"
    #: Set: it responds. Cleared: it hangs.
    responds: threading.Event = field(default_factory=threading.Event)
    #: When each query came, by the monotonic clock.
    queries: list[float] = field(default_factory=list)
    #: How many queries it had at the same time, at most.
    max_open: int = 0

    def __post_init__(self) -> None:
        self._lock, self._open = threading.Lock(), 0
        self.responds.set()
        self._server = LocalServer(self._handle)
        self.url = self._server.url

    def stop(self) -> None:
        self.responds.set()
        self._server.close()

    def respond(self, params: dict[str, str]) -> bytes:
        number = json.loads(params["biz_content"])["out_trade_no"]
        with self._lock:
            self.queries.append(time.monotonic())
            self._open += 1
            self.max_open = max(self.max_open, self._open)
        self.responds.wait(30)
        time.sleep(0.2)
        node = trade(self.trade_status, out_trade_no=number, trade_no=f"T{number}")
        with self._lock:
            self._open -= 1
        return answer(params["method"], node, signer=self.merchant.signer)

    def _handle(self, request: Request) -> None:
        request.respond(self.respond(dict(parse_qsl(request.body().decode()))))


@pytest.fixture
def gateway(keys: Keys) -> Iterator[Gateway]:
    gateway = Gateway(Merchant(*OPENAPI, keys))
    yield gateway
    gateway.stop()


@dataclass
class Site:
    """Shop behind gunicorn, and its ledger."""

    shop: Shop
    workers: Workers
    gateway: Gateway

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.workers.port}"

    def get(self, path: str) -> requests.Response:
        """Open a page; no page takes long."""
        began = time.monotonic()
        response = requests.get(f"{self.root}{path}", timeout=30, allow_redirects=False)
        assert time.monotonic() - began < AT_ONCE
        return response

    def return_to_shop(self, number: str) -> str:
        """Return as the buyer does; return the path of the result page."""
        query = self.gateway.merchant.come_back(number, trade_no=f"T{number}")
        response = self.get(f"/alipay/return?{query}")
        assert response.status_code == 303, response.text
        return urlsplit(response.headers["Location"]).path

    def is_paid(self, number: str) -> bool:
        return bool(self.get(self.shop.url("status", number)).json()["paid"])

    def wait_in_tabs(self, number: str, tabs: int = TABS) -> float:
        """Poll in as many tabs as there are until each shows it paid; returns how long it took."""
        url = self.shop.url("status", number)
        began = time.monotonic()

        def tab(_: int) -> None:
            while not self.get(url).json()["paid"]:
                assert time.monotonic() - began < SOON
                time.sleep(0.5)

        with ThreadPoolExecutor(tabs) as pool:
            list(pool.map(tab, range(tabs)))
        return time.monotonic() - began


OpenSite = Callable[..., Site]


@pytest.fixture
def open_site(
    tmp_path: Path, keys: Keys, gateway: Gateway, database_url: str
) -> Iterator[OpenSite]:
    """Serve shops by gunicorn with two workers."""
    sites: list[Site] = []

    def make(*options: str) -> Site:
        private, public = tmp_path / "private.pem", tmp_path / "public.pem"
        private.write_text(private_pem(keys.merchant))
        public.write_text(public_pem(keys.alipay.public_key()))
        environment = {
            "SHOP_DATABASE": database_url,
            "SHOP_PRIVATE_KEY": str(private),
            "SHOP_PUBLIC_KEY": str(public),
            "SHOP_GATEWAY": gateway.url,
        }
        settings = gateway.merchant.settings | {"GATEWAY_URL": gateway.url}
        app = new_app(tmp_path, settings, SQLALCHEMY_DATABASE_URI=database_url)
        alipay = new_blueprint()
        app.register_blueprint(alipay, url_prefix="/alipay")
        shop = Shop(app, alipay)
        workers = Workers(environment, tmp_path / "gunicorn.log", *options, app=_APP)
        sites.append(Site(shop, workers, gateway))
        end = time.monotonic() + 60
        while not workers.is_listening():
            assert time.monotonic() < end, (tmp_path / "gunicorn.log").read_text()
            time.sleep(0.1)
        return sites[-1]

    yield make
    for site in sites:
        site.workers.stop()
        site.shop.close()


@pytest.mark.parametrize(
    ("kind", "database_url"),
    list(product(_KINDS, _DATABASES)) if _ALL else [("sync", "postgresql"), ("gthread", "mariadb")],
    indirect=["database_url"],
)
def test_ten_tabs_and_two_processes_see_it_paid_soon_by_few_queries(
    open_site: OpenSite, gateway: Gateway, kind: str
) -> None:
    site = open_site(*_KINDS[kind])
    number = site.shop.order()
    site.return_to_shop(number)
    confirmation = threading.Timer(4, lambda: setattr(gateway, "trade_status", "TRADE_SUCCESS"))
    confirmation.start()
    took = site.wait_in_tabs(number)
    confirmation.join()
    assert took < SOON
    assert gateway.max_open == 1
    assert len(gateway.queries) <= 2 + took / 2
    pauses = [b - a for a, b in zip(gateway.queries, gateway.queries[1:], strict=False)]
    # They are two seconds at the sender; on a busy machine a query may be delayed on its way.
    assert all(pause >= 1 for pause in pauses)
    assert site.shop.shipments() == [number]


@on("sqlite")
def test_a_gateway_that_hangs_delays_no_page_and_is_queried_again(
    open_site: OpenSite, gateway: Gateway
) -> None:
    site = open_site(*_KINDS["sync"])
    number = site.shop.order()
    gateway.responds.clear()
    gateway.trade_status = "TRADE_SUCCESS"
    result = site.return_to_shop(number)
    for _ in range(20):
        assert site.get(result).status_code == 200
        assert not site.is_paid(number)
        time.sleep(0.2)
    assert len(gateway.queries) == 1
    gateway.responds.set()
    assert site.wait_in_tabs(number) < SOON
    assert len(gateway.queries) <= 3
    assert site.shop.shipments() == [number]


@on("postgresql")
def test_a_hanging_gateway_does_not_hide_a_notification(
    open_site: OpenSite, gateway: Gateway
) -> None:
    site = open_site(*_KINDS["sync"])
    number = site.shop.order()
    gateway.responds.clear()
    site.return_to_shop(number)
    body = gateway.merchant.notification(number, trade_no=f"T{number}")
    response = requests.post(
        f"{site.root}/alipay/notify",
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=30,
    )
    assert response.text == "success"
    assert site.is_paid(number)


@on("mariadb")
def test_a_worker_that_is_killed_while_it_queries_delays_the_result_by_its_lease(
    open_site: OpenSite, gateway: Gateway
) -> None:
    site = open_site(*_KINDS["sync"])
    number = site.shop.order()
    gateway.responds.clear()
    gateway.trade_status = "TRADE_SUCCESS"
    site.return_to_shop(number)
    end = time.monotonic() + SOON
    while not gateway.queries:
        assert time.monotonic() < end
        time.sleep(0.05)
    for pid in site.workers._workers():
        os.kill(pid, signal.SIGKILL)
    time.sleep(1)  # gunicorn starts others
    gateway.responds.set()
    assert site.wait_in_tabs(number) < SOON
    assert len(gateway.queries) == 2
    assert site.shop.shipments() == [number]
