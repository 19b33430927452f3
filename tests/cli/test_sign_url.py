"""``sign-url``: one signed URL on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, parse_qsl, urlsplit

import click
import pytest
from click.testing import Result

from flask_alipay.keys import private_pem
from flask_alipay.protocol.notification import verify_params
from flask_alipay.signer import Md5Signer, Rsa2Signer, sign_content
from flask_alipay.simulator.merchant.files import MERCHANT, write_merchant
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant

from ..conftest import Keys
from .conftest import MD5_KEY, Run, make_app

LEGACY = ("--partner", "2088000000000000", "--key", MD5_KEY)


@pytest.fixture
def merchant(files: Path) -> tuple[str, ...]:
    """Options for a merchant on the open platform."""
    return ("--app-id", "2021000000000000", "--private-key", str(files / "merchant.pem"))


def printed(result: Result) -> dict[str, str]:
    """Return the parameters of the printed URL."""
    assert result.exit_code == 0, result.output
    (url,) = result.stdout.splitlines()
    assert urlsplit(url).scheme in ("http", "https")
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


def test_only_the_url_is_printed(alone: Run, merchant: tuple[str, ...]) -> None:
    result = alone("sign-url", *merchant)
    assert printed(result)["method"] == "alipay.trade.page.pay"
    assert result.stderr == ""


def test_the_open_platform_verifies_the_url(
    alone: Run, merchant: tuple[str, ...], keys: Keys
) -> None:
    params = printed(alone("sign-url", *merchant, "--subject", "茶 + tea & more"))
    content = sign_content(params, exclude=("sign",))
    assert Rsa2Signer(public_key=keys.merchant.public_key()).verify(content, params["sign"])
    assert '"subject":"茶 + tea & more"' in params["biz_content"]
    assert '"total_amount":"0.01"' in params["biz_content"]


def test_the_legacy_gateway_verifies_the_url(alone: Run) -> None:
    result = alone("sign-url", *LEGACY, "--bank", "ICBCB2C", "--total-amount", "88.8")
    params = printed(result)
    assert verify_params(params, Md5Signer(MD5_KEY))
    assert (params["defaultbank"], params["total_fee"]) == ("ICBCB2C", "88.80")
    assert MD5_KEY not in result.output


def test_the_url_is_in_the_requested_charset(alone: Run) -> None:
    result = alone("sign-url", *LEGACY, "--charset", "gbk", "--subject", "茶")
    assert printed(result)["_input_charset"] == "gbk"
    query = urlsplit(result.stdout.strip()).query
    assert parse_qs(query, encoding="gbk")["subject"] == ["茶"]


def test_each_test_order_has_a_number_of_its_own(alone: Run) -> None:
    numbers = {printed(alone("sign-url", *LEGACY))["out_trade_no"] for _ in range(2)}
    assert len(numbers) == 2
    assert printed(alone("sign-url", *LEGACY, "--out-trade-no", "T1"))["out_trade_no"] == "T1"


def test_the_environment_provides_the_credentials(
    alone: Run, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_APP_ID", "2021000000000000")
    monkeypatch.setenv("FLASK_ALIPAY_PRIVATE_KEY", private_pem(keys.merchant))
    monkeypatch.setenv("ALIPAY_NOTIFY_URL", '"https://shop.example/notify"')
    params = printed(alone("sign-url"))
    assert params["app_id"] == "2021000000000000"
    assert params["notify_url"] == "https://shop.example/notify"


def test_an_option_takes_precedence_over_the_environment(
    alone: Run, merchant: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_PARTNER", "2088000000000000")
    monkeypatch.setenv("FLASK_ALIPAY_PRIVATE_KEY", "another")
    monkeypatch.setenv("FLASK_ALIPAY_SIMULATOR", "1")
    assert printed(alone("sign-url", *merchant))["app_id"] == "2021000000000000"


def test_a_key_of_digits_stays_text(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_PARTNER", "2088000000000000")
    monkeypatch.setenv("FLASK_ALIPAY_KEY", "12e45678901234567890123456789012")
    params = printed(alone("sign-url"))
    assert verify_params(params, Md5Signer("12e45678901234567890123456789012"))


def test_what_was_signed_is_explained_on_standard_error(
    alone: Run, merchant: tuple[str, ...], files: Path
) -> None:
    result = alone("sign-url", *merchant, "--explain", "--notify-url", "http://localhost/notify")
    params = printed(result)
    assert sign_content(params, exclude=("sign",)).decode() in result.stderr
    assert "Alipay cannot reach http://localhost/notify" in result.stderr
    for line in (files / "merchant.pem").read_text().splitlines():
        assert line not in result.output


def test_the_md5_key_is_not_shown_in_the_explanation(alone: Run) -> None:
    result = alone("sign-url", *LEGACY, "--explain")
    assert "the MD5 key appended" in result.stderr
    assert "There is no notify_url" in result.stderr
    assert MD5_KEY not in result.output


def test_the_merchants_token_is_masked_in_the_explanation(
    alone: Run, merchant: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "201509BBeff9351ad1874306903e96b91d248A36"
    monkeypatch.setenv("ALIPAY_APP_AUTH_TOKEN", token)
    result = alone("sign-url", *merchant, "--explain")
    assert printed(result)["app_auth_token"] == token
    assert "app_auth_token=***" in result.stderr
    assert token not in result.stderr


def test_a_qr_code_leaves_standard_output_alone(alone: Run) -> None:
    result = alone("sign-url", *LEGACY, "--qr")
    assert printed(result)["service"] == "create_direct_pay_by_user"
    assert "\u2588" in result.stderr


def test_the_url_is_opened_in_the_browser_on_request(
    alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = Mock()
    monkeypatch.setattr(click, "launch", launch)
    result = alone("sign-url", *LEGACY, "--open")
    launch.assert_called_once_with(result.stdout.strip())


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        ((), "The merchant is missing."),
        (("--app-id", "2021000000000000"), "--private-key"),
        (("--partner", "2088000000000000"), "--key"),
        (("--app-id", "1", "--private-key", "{}/none.pem"), "does not exist"),
        (("--app-id", "1", "--private-key", "{}/alipay.pem"), "got an RSA public key"),
        ((*LEGACY, "--total-amount", "0.001"), "'--total-amount': must be"),
        ((*LEGACY, "--total-amount", "-1"), "'--total-amount': must be"),
        ((*LEGACY, "--out-trade-no", "a b"), "'--out-trade-no': must be"),
        ((*LEGACY, "--subject", ""), "'--subject': must be"),
        ((*LEGACY, "--subject", "😀", "--charset", "gbk"), "gbk does not have"),
        ((*LEGACY, "--charset", "klingon"), "'--charset': must be"),
        ((*LEGACY, "--product", "teapot"), "'--product': must be one of page"),
        ((*LEGACY, "--notify-url", "/notify"), "'ALIPAY_NOTIFY_URL' must be an absolute URL"),
        ((*LEGACY, "--sign-type", "RSA"), "--private-key"),
    ],
)
def test_a_misuse_is_reported_with_exit_status_2(
    arguments: tuple[str, ...], finding: str, alone: Run, files: Path
) -> None:
    result = alone("sign-url", *(word.format(files) for word in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert finding in " ".join(result.stderr.split())
    assert MD5_KEY not in result.output
    assert "Traceback" not in result.output


def test_a_bank_exists_only_on_the_legacy_gateway(alone: Run, merchant: tuple[str, ...]) -> None:
    result = alone("sign-url", *merchant, "--bank", "ICBCB2C")
    assert result.exit_code == 2
    assert "legacy gateway" in result.stderr


def test_in_an_app_its_merchant_signs_and_its_routes_are_named(
    merchant_config: dict[str, Any], keys: Keys
) -> None:
    app = make_app(TESTING=True, TRUSTED_HOSTS=None, **merchant_config)
    result = app.test_cli_runner().invoke(args=("alipay", "sign-url", "--product", "wap"))
    params = printed(result)
    assert params["method"] == "alipay.trade.wap.pay"
    assert params["notify_url"] == "http://127.0.0.1:5000/alipay/notify"
    content = sign_content(params, exclude=("sign",))
    assert Rsa2Signer(public_key=keys.merchant.public_key()).verify(content, params["sign"])


@pytest.mark.parametrize(
    "host", [{"SERVER_NAME": "shop.example"}, {"TRUSTED_HOSTS": ["shop.example"]}]
)
def test_in_an_app_with_a_configured_host_the_routes_have_that_host(
    host: dict[str, Any], merchant_config: dict[str, Any]
) -> None:
    app = make_app(PREFERRED_URL_SCHEME="https", **host, **merchant_config)
    result = app.test_cli_runner().invoke(args=("alipay", "sign-url"))
    assert printed(result)["return_url"] == "https://shop.example/alipay/return"


def test_in_an_app_credentials_are_not_options(in_app: Run) -> None:
    assert in_app("sign-url", "--app-id", "1").exit_code == 2


def test_in_an_app_another_charset_is_for_this_url_alone(in_app: Run) -> None:
    assert printed(in_app("sign-url", "--charset", "gbk"))["charset"] == "gbk"
    assert printed(in_app("sign-url"))["charset"] == "utf-8"


def test_the_embedded_simulator_accepts_the_url() -> None:
    app = make_app(ALIPAY_SIMULATOR=True)
    result = app.test_cli_runner().invoke(args=("alipay", "sign-url"))
    printed(result)
    response = app.test_client().get(result.stdout.strip())
    assert response.status_code in (302, 303)
    assert "/alipay/simulator/cashier/" in response.location


SIMULATOR_URL = "http://127.0.0.1:8090/gateway.do"
MAPI_URL = "http://127.0.0.1:8090/legacy.do"


@pytest.fixture
def simulator(tmp_path: Path, keys: Keys) -> SimulatedMerchant:
    """The merchant of the folder "simulator"."""
    merchant = SimulatedMerchant(keys.merchant, keys.alipay, "5" * 32)
    write_merchant(
        tmp_path / "simulator", merchant, gateway_url=SIMULATOR_URL, mapi_gateway_url=MAPI_URL
    )
    return merchant


@pytest.fixture
def folder(tmp_path: Path, simulator: SimulatedMerchant) -> str:
    return str(tmp_path / "simulator")


def test_the_keys_of_a_simulator_sign_a_url_of_its_gateway(
    alone: Run, folder: str, simulator: SimulatedMerchant
) -> None:
    result = alone("sign-url", "--keys", folder)
    params = printed(result)
    assert result.stdout.startswith(f"{SIMULATOR_URL}?")
    assert params["app_id"] == simulator.app_id
    content = sign_content(params, exclude=("sign",))
    signer = Rsa2Signer(public_key=simulator.private_key.public_key())
    assert signer.verify(content, params["sign"])


def test_the_keys_of_a_simulator_sign_for_its_legacy_gateway(
    alone: Run, folder: str, simulator: SimulatedMerchant
) -> None:
    result = alone("sign-url", "--keys", folder, "--protocol", "mapi")
    params = printed(result)
    assert result.stdout.startswith(f"{MAPI_URL}?")
    assert params["partner"] == simulator.partner
    assert verify_params(params, Md5Signer(simulator.md5_key))
    assert simulator.md5_key not in result.output


def test_the_environment_does_not_change_the_merchant_of_a_simulator(
    alone: Run, folder: str, simulator: SimulatedMerchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_APP_ID", "2021000000000000")
    monkeypatch.setenv("FLASK_ALIPAY_GATEWAY_URL", "https://openapi.alipay.com/gateway.do")
    monkeypatch.setenv("FLASK_ALIPAY_NOTIFY_URL", "https://shop.example/notify")
    result = alone("sign-url", "--keys", folder)
    assert result.stdout.startswith(f"{SIMULATOR_URL}?")
    assert printed(result)["app_id"] == simulator.app_id
    assert "notify_url" not in printed(result)


def test_urls_and_charset_of_a_simulators_order_are_options(alone: Run, folder: str) -> None:
    urls = ("--notify-url", "http://localhost/notify", "--return-url", "http://localhost/back")
    params = printed(alone("sign-url", "--keys", folder, "--charset", "gbk", *urls))
    assert (params["notify_url"], params["return_url"]) == (urls[1], urls[3])
    assert params["charset"] == "gbk"


@pytest.mark.parametrize("option", ["--app-id", "--partner", "--key", "--seller-id"])
def test_another_merchant_beside_the_keys_of_a_simulator_is_a_usage_error(
    alone: Run, folder: str, option: str
) -> None:
    result = alone("sign-url", "--keys", folder, option, "2088000000000000")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"Omit {option}: the merchant of --keys has its own." in result.stderr


def test_a_folder_without_keys_signs_nothing(alone: Run, tmp_path: Path) -> None:
    result = alone("sign-url", "--keys", str(tmp_path / "nothing"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "contains no keys of a simulator" in result.stderr


@pytest.mark.parametrize("url", ["", ', "gateway_url": 5'])
def test_a_simulators_settings_without_the_gateway_are_an_error(
    alone: Run, folder: str, url: str
) -> None:
    Path(folder, MERCHANT).write_text(f'{{"key": "{"5" * 32}"{url}}}', "utf-8")
    result = alone("sign-url", "--keys", folder)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert "merchant.json cannot be read" in result.stderr
