"""Simulator inside the app: links in its responses lead to the app's site."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_alipay.exceptions import ConfigurationError, GatewayError
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.testing import AlipaySimulator

from ..doubles.merchant import Merchant
from ..doubles.shop import Payment, Shop, db, new_app, new_blueprint

OpenShop = Callable[..., Shop]

PLACES = ["http://192.168.1.2:5000", "https://shop.example", "https://shop.example:8443/tea"]


@contextmanager
def visited(shop: Shop, place: str) -> Iterator[None]:
    """Open a request context with a host."""
    with shop.app.test_request_context(base_url=place):
        yield


def code_of(shop: Shop, number: str) -> str:
    """Return the content of a payment's QR code, requested in the current context."""
    payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
    return str(shop.alipay.qr_code(payment))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_qr_code_leads_to_where_the_shop_was_visited(
    open_shop: OpenShop, place: str, version: str
) -> None:
    shop = open_shop({"SIMULATOR": True, "API_VERSION": version})
    number = shop.order(product="qr")
    with visited(shop, place):
        code = code_of(shop, number)
    assert code.startswith(f"{place}/alipay/simulator/cashier/")
    # A phone opens it, and its owner pays.
    cashier = urlsplit(code.removeprefix(place)).path
    assert shop.client.get(cashier, base_url=place).status_code == 200
    shop.client.post(f"{cashier}/pay", base_url=place)
    assert shop.called == [("paid", number)]


def test_on_a_subdomain_it_leads_there(tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path), subdomain_matching=True)
    app.config.update(new_app(tmp_path, {"SIMULATOR": True}).config, SERVER_NAME="shop.example")
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay", subdomain="pay")
    shop = Shop(app, alipay)
    number = shop.order(product="qr")
    with visited(shop, "http://pay.shop.example"):
        code = code_of(shop, number)
    assert code.startswith("http://pay.shop.example/alipay/simulator/cashier/")
    shop.close()


@pytest.mark.parametrize(
    ("name", "root"), [("shop.example", "http://shop.example"), (None, "http://localhost")]
)
def test_a_command_knows_the_site_by_its_configured_name(
    open_shop: OpenShop, name: str | None, root: str
) -> None:
    shop = open_shop({"SIMULATOR": True}, SERVER_NAME=name)
    with shop.app.app_context():
        order = {"out_trade_no": "T1", "subject": "Tea", "total_amount": "1"}
        answer = shop.alipay.gateway.trade_precreate(**order)
    assert answer.qr_code.startswith(f"{root}/alipay/simulator/cashier/")


def test_it_responds_during_a_request_of_another_app(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    with shop.app.app_context():
        gateway = shop.alipay.gateway
    other_request = Flask("another").test_request_context(base_url="https://another.example")
    with other_request, pytest.raises(GatewayError) as caught:
        gateway.trade_query(out_trade_no="T1")
    assert caught.value.sub_code == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("place", PLACES)
def test_a_bill_is_fetched_from_where_the_shop_was_visited(open_shop: OpenShop, place: str) -> None:
    shop = open_shop({"SIMULATOR": True})
    number, file = shop.order(product="qr"), io.BytesIO()
    with visited(shop, place):
        code_of(shop, number)
        simulator = AlipaySimulator.of(shop.app)
        assert simulator is not None
        simulator.pay(number)
        gateway: Any = shop.alipay.gateway
        day = format_china_time(utc_now())[:10]
        answer = gateway.data_dataservice_bill_downloadurl_query(bill_type="trade", bill_date=day)
        gateway.download_bill(answer.bill_download_url, file)
    assert answer.bill_download_url.startswith(f"{place}/alipay/simulator/bill/")
    assert len(ZipFile(file).namelist()) == 2


def test_in_certificate_mode_requests_and_responses_name_their_certificates(
    open_shop: OpenShop,
) -> None:
    shop = open_shop({"SIMULATOR": "certificates"})
    gateway: Any
    with shop.app.app_context():
        gateway = shop.alipay.gateway
    request = gateway.pay("page", out_trade_no="T1", subject="Tea", total_amount="1")
    assert {"app_cert_sn", "alipay_root_cert_sn"} <= request.params.keys()
    sent = shop.client.get(request.url)
    assert sent.status_code == 303
    shop.client.get(sent.location)
    assert gateway.trade_query(out_trade_no="T1").trade_status == "WAIT_BUYER_PAY"


def test_encrypted_content_cannot_be_read_on_its_way(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": "encrypted"})
    url = shop.url("pay", shop.order(subject="Tea"))
    location = shop.client.get(url).location
    assert "encrypt_type=AES" in location
    assert "Tea" not in location
    assert shop.client.get(location).status_code == 303


# Where it may run


@pytest.mark.parametrize("allowed", [None, False, "", "false", "0"])
def test_outside_debug_and_testing_it_needs_a_second_setting(
    tmp_path: Path, allowed: object
) -> None:
    app = new_app(tmp_path, {"SIMULATOR": True, "SIMULATOR_WITHOUT_DEBUG": allowed})
    with pytest.raises(ConfigurationError, match="'ALIPAY_SIMULATOR_WITHOUT_DEBUG'") as caught:
        app.register_blueprint(new_blueprint(), url_prefix="/alipay")
    assert caught.value.key == "ALIPAY_SIMULATOR"
    assert "alipay_simulator.control" not in app.view_functions
    assert app.test_client().get("/alipay/simulator/").status_code == 404


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({"SIMULATOR_WITHOUT_DEBUG": "true"}, {}),
        ({"SIMULATOR_WITHOUT_DEBUG": None}, {"DEBUG": True}),
        ({"SIMULATOR_WITHOUT_DEBUG": None}, {"TESTING": True}),
    ],
)
def test_it_runs_with_a_second_setting_and_while_developing(
    open_shop: OpenShop, settings: dict[str, Any], config: dict[str, Any]
) -> None:
    shop = open_shop({"SIMULATOR": True, **settings}, **config)
    assert shop.client.get("/alipay/simulator/").status_code == 200


@pytest.mark.parametrize("switch", [True, False])
def test_the_second_setting_alone_starts_nothing(
    open_shop: OpenShop, merchant: Merchant, switch: bool
) -> None:
    shop = open_shop({**merchant.settings, "SIMULATOR_WITHOUT_DEBUG": switch})
    assert shop.client.get("/alipay/simulator/").status_code == 404


def test_a_stranger_who_calls_himself_local_gets_no_control_behind_proxy_fix(
    open_shop: OpenShop,
) -> None:
    shop = open_shop({"SIMULATOR": True})
    shop.app.wsgi_app = ProxyFix(shop.app.wsgi_app)  # type: ignore[method-assign]
    options: Any = {
        "environ_base": {"REMOTE_ADDR": "8.8.8.8"},
        "headers": {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"},
    }
    assert shop.client.get("/alipay/simulator/trades", **options).status_code == 403
    assert shop.client.get("/alipay/simulator/", **options).status_code == 403


@pytest.mark.parametrize(
    "options", [{"url_prefix": "/<lang>/alipay"}, {"subdomain": "<shop>", "url_prefix": "/alipay"}]
)
def test_below_a_prefix_with_variables_the_simulator_is_rejected_with_the_reason(
    options: dict[str, str], tmp_path: Path
) -> None:
    app = new_app(tmp_path, {"SIMULATOR": True})
    with pytest.raises(ConfigurationError, match="below a prefix without variables"):
        app.register_blueprint(new_blueprint(), **options)
