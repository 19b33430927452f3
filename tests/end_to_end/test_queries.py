"""Sales are settled by the simulator's response to a query: inside the app and over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
from werkzeug.serving import make_server

from flask_alipay.models import utc_now
from flask_alipay.operations import settlement
from flask_alipay.testing import AlipayServer, AlipaySimulator

from ..doubles.shop import Shop, new_app, new_blueprint
from .test_payments import SETTINGS, Buyer, Line
from .test_payments import buyer as buyer
from .test_payments import line as line
from .test_payments import shop as shop

OPEN_PLATFORM = [*filter(lambda name: name.startswith("openapi"), SETTINGS)]


@pytest.fixture
def always(request: pytest.FixtureRequest, tmp_path: Path, line: Line) -> Iterator[Shop]:
    """Open a shop that queries for each sale, with the simulator inside."""
    settings = {"SIMULATOR": True, "NOTIFY_VERIFY": "always", **SETTINGS[request.param]}
    app, alipay = new_app(tmp_path, settings), new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    shop = Shop(app, alipay)
    yield shop
    shop.close()


@pytest.mark.parametrize("always", OPEN_PLATFORM, indirect=True)
def test_with_always_a_sale_in_the_embedded_simulator_is_settled_by_a_query(always: Shop) -> None:
    buyer = Buyer(always)
    buyer.press("pay")
    assert (buyer.state(), always.called) == ("paid", [("paid", buyer.number)])
    assert always.journal() == ["settled", "duplicate"]


def test_a_kept_notification_of_a_refunded_sale_ships_nothing(
    shop: Shop, buyer: Buyer, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.down = True  # the notifications went to the buyer's own host
    buyer.press("pay")
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    simulator.refund(buyer.number, "88.88")
    line.down = False

    def two_days_later() -> datetime:
        return utc_now() + timedelta(days=2)

    monkeypatch.setattr(settlement, "utc_now", two_days_later)
    assert shop.notify(line.sent[0]).data == b"success"
    assert not shop.payment(buyer.number).paid
    assert ("paid", buyer.number) not in shop.called


def test_with_always_a_sale_at_the_served_simulator_is_settled_by_a_query(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with AlipayServer.running(tmp_path / "keys") as alipay:
        settings = {
            **alipay.settings,
            "GATEWAY_URL": f"{alipay.url}/gateway.do",
            "NOTIFY_VERIFY": "always",
            "NOTIFY_URL": "http://127.0.0.1:1/alipay/notify",
        }
        app = new_app(tmp_path, settings, TRUSTED_HOSTS=["localhost", "127.0.0.1"])
        server = make_server("127.0.0.1", 0, app, threaded=True)
        app.config["ALIPAY_NOTIFY_URL"] = f"http://127.0.0.1:{server.port}/alipay/notify"
        app.register_blueprint(blueprint := new_blueprint(), url_prefix="/alipay")
        shop = Shop(app, blueprint)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        number = shop.order()
        assert requests.get(shop.url("gateway", number), timeout=10).status_code == 200
        alipay.simulator.pay(number)
        for _ in range(200):
            if shop.payment(number).paid:
                break
            threading.Event().wait(0.05)
        server.shutdown()
        thread.join()
        server.server_close()
    assert shop.called == [("paid", number)]
    assert shop.journal()[0] == "settled"
    shop.close()
