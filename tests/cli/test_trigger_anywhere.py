"""``python -m flask_alipay trigger``: notification of an app in any language."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner, Result
from flask import Flask, request
from werkzeug.serving import make_server

from flask_alipay.cli import main
from flask_alipay.keys import private_pem
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Md5Signer, Rsa2Signer, sign_content
from flask_alipay.simulator.merchant.files import write_merchant
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant
from flask_alipay.simulator.notifications.triggers import EVENTS, TO_REFUSE

from ..doubles.app import make_shop

ORDER = ("--out-trade-no", "T1", "--total-amount", "88.88")


class App:
    """An app in another language: it verifies and keeps notifications."""

    def __init__(self, merchant: SimulatedMerchant) -> None:
        self.merchant = merchant
        self.charset = "utf-8"
        self.came: list[dict[str, str]] = []
        self.status = 200
        self.url = ""

    def notify(self) -> tuple[str, int]:
        try:
            body = request.get_data().decode("ascii")
            charset = dict(parse_qsl(body)).get("charset", self.charset)
            fields = dict(parse_qsl(body, encoding=python_codec(charset), errors="strict"))
        except UnicodeDecodeError:
            return "fail", self.status
        self.came.append(fields)
        printed, sign = sign_content(fields, charset=charset), fields.get("sign", "")
        good = self.signer(fields["sign_type"]).verify(printed, sign)
        packaged = fields.get("app_id", fields["seller_id"]) in (
            self.merchant.app_id,
            self.merchant.partner,
        )
        right = fields.get("total_amount", fields.get("total_fee")) == "88.88"
        known = fields["out_trade_no"] == "T1"
        return ("success" if good and packaged and right and known else "fail"), self.status

    def signer(self, sign_type: str) -> Any:
        if sign_type == "MD5":
            return Md5Signer(self.merchant.md5_key)
        return Rsa2Signer(None, self.merchant.alipay_private_key.public_key())


@pytest.fixture(scope="module")
def merchant() -> SimulatedMerchant:
    return SimulatedMerchant.new()


@pytest.fixture
def keys(merchant: SimulatedMerchant, tmp_path: Path) -> Path:
    write_merchant(tmp_path, merchant, gateway_url="http://g", mapi_gateway_url="http://g")
    return tmp_path


@pytest.fixture
def app(merchant: SimulatedMerchant) -> Iterator[App]:
    printed, flask = App(merchant), Flask(__name__)
    flask.add_url_rule("/notify", "notify", printed.notify, methods=["POST"])
    server = make_server("127.0.0.1", 0, flask, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    printed.url = f"http://127.0.0.1:{server.server_port}/notify"
    yield printed
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["trigger", *arguments], prog_name="python -m flask_alipay")


@pytest.mark.parametrize("protocol", ["openapi", "mapi"])
@pytest.mark.parametrize("event", [event for event in EVENTS if event != "escrow-paid"])
def test_every_event_is_sent_and_its_response_checked(
    app: App, keys: Path, protocol: str, event: str
) -> None:
    if event == "gbk":
        app.charset = "gbk"
    result = run(event, "--url", app.url, "--keys", str(keys), "--protocol", protocol, *ORDER)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{event}: ")
    assert ("200 fail" if event in TO_REFUSE else "200 success") in result.stdout
    assert "Traceback" not in result.output


def test_escrow_exists_only_on_the_legacy_gateway(app: App, keys: Path) -> None:
    arguments = ("escrow-paid", "--url", app.url, "--keys", str(keys), *ORDER)
    assert run(*arguments, "--protocol", "mapi").exit_code == 0
    assert app.came[0]["trade_status"] == "WAIT_SELLER_SEND_GOODS"
    refused = run(*arguments)
    assert (refused.exit_code, len(app.came)) == (1, 1)
    assert "sends no such notification" in refused.stderr


def test_the_notification_has_the_given_values(app: App, keys: Path) -> None:
    result = run("paid", "--url", app.url, "--keys", str(keys), *ORDER, "--subject", "龙井 & 1")
    assert result.exit_code == 0, result.output
    (fields,) = app.came
    printed = (fields["out_trade_no"], fields["total_amount"], fields["subject"], fields["charset"])
    assert printed == ("T1", "88.88", "龙井 & 1", "utf-8")
    assert (fields["app_id"], fields["sign_type"]) == (app.merchant.app_id, "RSA2")


def test_a_merchant_may_use_gbk_and_another_sign_type(app: App, keys: Path) -> None:
    app.charset = "gbk"
    common = ("--url", app.url, "--keys", str(keys), *ORDER, "--subject", "龙井")
    run("paid", *common, "--charset", "gbk", "--protocol", "mapi", "--sign-type", "RSA2")
    assert app.came[0]["subject"] == "龙井"
    assert app.came[0]["sign_type"] == "RSA2"


def test_an_event_with_two_notifications_sends_both(app: App, keys: Path) -> None:
    common = ("--url", app.url, "--keys", str(keys), *ORDER)
    run("late-paid", *common)
    run("out-of-order", *common)
    printed = [(fields["trade_status"], fields.get("refund_fee")) for fields in app.came]
    assert printed == [
        ("TRADE_CLOSED", None),
        ("TRADE_SUCCESS", None),
        ("TRADE_SUCCESS", "44.44"),
        ("TRADE_SUCCESS", None),
    ]


@pytest.mark.parametrize("event", ["paid", "forged"])
def test_a_failing_app_does_not_respond_as_expected(app: App, keys: Path, event: str) -> None:
    app.status = 500
    result = run(event, "--url", app.url, "--keys", str(keys), *ORDER)
    assert result.exit_code == 1
    assert "did not respond as expected" in result.stderr


@pytest.mark.parametrize("event", ["paid", "forged"])
def test_an_unreachable_app_gives_no_response(keys: Path, event: str) -> None:
    result = run(event, "--url", "http://127.0.0.1:1/notify", "--keys", str(keys), *ORDER)
    assert result.exit_code == 3
    assert "no response" in result.stderr


@pytest.mark.parametrize(
    ("changed", "output"),
    [
        (("--url", "notify"), "url"),
        (("--url", "ftp://127.0.0.1/"), "url"),
        (("--total-amount", "0"), "--total-amount"),
        (("--sign-type", "MD5"), "--sign-type"),
        (("--protocol", "wap"), "--protocol"),
        (("--charset", "latin-1"), "--charset"),
    ],
)
def test_a_misuse_has_its_own_exit_status(
    app: App, keys: Path, changed: tuple[str, str], output: str
) -> None:
    result = run("paid", "--url", app.url, "--keys", str(keys), *ORDER, *changed)
    assert result.exit_code == 2
    assert output in result.stderr
    assert app.came == []


@pytest.mark.parametrize("missing", ["--url", "--keys", "--out-trade-no", "--total-amount"])
def test_missing_options_are_reported(keys: Path, missing: str) -> None:
    given = dict(zip(("--url", "--keys"), ("http://127.0.0.1:1/", str(keys)), strict=True))
    given |= dict(zip(ORDER[::2], ORDER[1::2], strict=True))
    del given[missing]
    result = run("paid", *(word for pair in given.items() for word in pair))
    assert result.exit_code == 2
    assert missing in result.stderr


def test_a_folder_without_keys_is_reported_with_the_command_that_writes_them(
    app: App, tmp_path: Path
) -> None:
    result = run("paid", "--url", app.url, "--keys", str(tmp_path / "none"), *ORDER)
    assert result.exit_code == 1
    assert "simulate --keys" in result.stderr


def test_a_folder_with_damaged_keys_causes_no_traceback(app: App, keys: Path) -> None:
    (keys / "merchant.json").write_text("{", "utf-8")
    result = run("paid", "--url", app.url, "--keys", str(keys), *ORDER)
    assert result.exit_code == 2
    assert "merchant.json" in result.stderr


def test_secrets_are_in_no_output(app: App, keys: Path, merchant: SimulatedMerchant) -> None:
    output = run("paid", "--url", app.url, "--keys", str(keys), *ORDER).output
    key = private_pem(merchant.alipay_private_key).splitlines()[1]
    assert key not in output
    assert json.loads((keys / "merchant.json").read_text("utf-8"))["key"] not in output


# In an app that is a simulator's merchant, and has none inside.


def test_an_app_is_notified_with_the_keys_of_its_simulator(app: App, keys: Path) -> None:
    shop = make_shop(
        ALIPAY_APP_ID=app.merchant.app_id,
        ALIPAY_PRIVATE_KEY_PATH=str(keys / "app_private_key.pem"),
        ALIPAY_PUBLIC_KEY_PATH=str(keys / "alipay_public_key.pem"),
    )
    shop.add(shop.row("T1", merchant=app.merchant.app_id))
    result = shop.run("trigger", "paid", "--keys", str(keys), "--url", app.url)
    assert result.exit_code == 0, result.output
    assert (app.came[0]["out_trade_no"], app.came[0]["subject"]) == ("T1", "Tea")


def test_such_an_app_needs_a_url(app: App, keys: Path) -> None:
    shop = make_shop(
        ALIPAY_APP_ID=app.merchant.app_id,
        ALIPAY_PRIVATE_KEY_PATH=str(keys / "app_private_key.pem"),
        ALIPAY_PUBLIC_KEY_PATH=str(keys / "alipay_public_key.pem"),
    )
    shop.add(shop.row("T1", merchant=app.merchant.app_id))
    result = shop.run("trigger", "paid", "--keys", str(keys))
    assert (result.exit_code, app.came) == (2, [])
    assert "--url" in result.stderr


def test_an_app_with_an_embedded_simulator_may_be_notified_at_another_url(app: App) -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True)
    shop.add(shop.row("T1", merchant="9021000000000001"))
    shop.run("trigger", "paid", "--url", app.url)
    assert [fields["out_trade_no"] for fields in app.came] == ["T1"]
