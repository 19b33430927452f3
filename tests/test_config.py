"""Configuration of a merchant: every setting has its effect, and errors name the fault."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_alipay.blueprint.simulator_settings import simulator_enabled, simulator_options
from flask_alipay.config import Config
from flask_alipay.exceptions import ConfigurationError, OutcomeUnknown
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.openapi import SANDBOX, OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.keys import key_to_base64, private_pem, public_pem
from flask_alipay.settings import CREDENTIALS, ConfigReader
from flask_alipay.signer import Rsa2Signer, Signer

from .certificate_chains import ALIPAY, content, issue, spare_key
from .conftest import Keys
from .requirements import missing
from .vectors import VARIABLE, all_vectors

KEY = "s3cr3t0123456789abcdef0123456789"
EMAIL = "boss@shop.example"

MAPI: dict[str, Any] = {"PARTNER": "2088000000000001", "KEY": KEY, "SELLER_EMAIL": EMAIL}


def config(settings: Mapping[str, Any], prefix: str = "ALIPAY", **more: Any) -> Config:
    values = {f"{prefix}_{name}": value for name, value in {**settings, **more}.items()}
    return Config.from_mapping(values, prefix)


@pytest.fixture
def openapi(keys: Keys) -> dict[str, Any]:
    """Return the settings of an application in key mode."""
    return {
        "APP_ID": "2021000000000001",
        "PRIVATE_KEY": key_to_base64(keys.merchant),
        "PUBLIC_KEY": key_to_base64(keys.alipay.public_key()),
    }


def blamed(settings: Mapping[str, Any], key: str, **more: Any) -> str:
    """Return the error's message, after checking that it contains no value of a setting."""
    with pytest.raises(ConfigurationError) as caught:
        config(settings, **more)
    assert caught.value.key == f"ALIPAY_{key}"
    message = str(caught.value)
    assert f"'ALIPAY_{key}'" in message
    for value in {**settings, **more}.values():
        # A choice of the protocol's words is no secret.
        if isinstance(value, str) and len(value) > 8:
            assert value not in message
            assert value[:16] not in message
    return message


def payment_params(config: Config) -> dict[str, str]:
    """Return the parameters of a payment made with the configuration."""
    request = config.gateway.pay(
        "page",
        out_trade_no="A1",
        subject="茶",
        total_amount="88.88",
        notify_url="https://shop.example/notify",
        return_url="https://shop.example/return",
    )
    return dict(request.params)


def test_the_legacy_gateway_by_its_fewest_settings() -> None:
    made = config(MAPI)
    assert (made.protocol, made.merchant, made.prefix) == ("mapi", "2088000000000001", "ALIPAY")
    assert isinstance(made.gateway, MapiGateway)
    assert made.gateway.gateway_url == "https://mapi.alipay.com/gateway.do"
    assert (made.signer.sign_type, made.charset) == ("MD5", "utf-8")
    assert (made.result_max_age, made.notify_verify, made.simulator) == (86400, True, False)
    assert (made.notify_url, made.return_url, made.show_url) == (None, None, None)
    assert payment_params(made)["seller_email"] == EMAIL


def test_the_open_platform_by_its_fewest_settings(keys: Keys, openapi: dict[str, Any]) -> None:
    made = config(openapi)
    assert (made.protocol, made.merchant) == ("openapi", "2021000000000001")
    assert isinstance(made.gateway, OpenApiGateway)
    assert made.gateway.gateway_url == "https://openapi.alipay.com/gateway.do"
    assert (made.signer.sign_type, made.charset) == ("RSA2", "utf-8")
    assert made.notify_verify is False
    assert made.signer.verify(b"a", Rsa2Signer(keys.alipay).sign(b"a"))


def test_the_seller_is_the_partner_unless_configured() -> None:
    plain = {"PARTNER": MAPI["PARTNER"], "KEY": KEY}
    assert payment_params(config(plain))["seller_id"] == MAPI["PARTNER"]
    seller_params = payment_params(config(MAPI, SELLER_ID="2088000000000002"))
    assert seller_params["seller_id"] == "2088000000000002"
    assert "seller_email" not in seller_params


def test_numbers_parsed_from_the_environment_are_text_again(
    monkeypatch: pytest.MonkeyPatch, openapi: dict[str, Any]
) -> None:
    for name, value in openapi.items():
        monkeypatch.setenv(f"FLASK_ALIPAY_{name}", value)
    monkeypatch.setenv("FLASK_ALIPAY_SELLER_ID", "2088000000000002")
    monkeypatch.setenv("FLASK_ALIPAY_TIMEOUT", "3")
    monkeypatch.setenv("FLASK_ALIPAY_SANDBOX", "true")
    app = Flask("shop")
    app.config.from_prefixed_env()
    assert isinstance(app.config["ALIPAY_APP_ID"], int)
    made = Config.from_mapping(app.config)
    assert (made.merchant, made.seller_id) == ("2021000000000001", "2088000000000002")
    assert payment_params(made)["app_id"] == "2021000000000001"
    assert made.gateway.gateway_url == SANDBOX


def test_a_key_of_digits_alone_is_a_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = "12345678901234567890123456789012"
    monkeypatch.setenv("FLASK_ALIPAY_PARTNER", MAPI["PARTNER"])
    monkeypatch.setenv("FLASK_ALIPAY_KEY", digits)
    app = Flask("shop")
    app.config.from_prefixed_env()
    assert Config.from_mapping(app.config).signer.sign(b"a") == config(
        MAPI, KEY=digits
    ).signer.sign(b"a")


def test_every_merchant_has_a_separate_prefix() -> None:
    values = {f"ALIPAY_HK_{name}": value for name, value in MAPI.items()}
    values |= {"ALIPAY_APP_ID": "2021000000000001"}
    made = Config.from_mapping(values, "ALIPAY_HK")
    assert (made.prefix, made.protocol) == ("ALIPAY_HK", "mapi")
    with pytest.raises(ConfigurationError, match="'ALIPAY_HK_PARTNER'"):
        Config.from_mapping({**values, "ALIPAY_HK_PARTNER": "x"}, "ALIPAY_HK")


def test_the_settings_of_both_gateways(openapi: dict[str, Any]) -> None:
    for settings in (MAPI, openapi):
        made = config(
            settings,
            NOTIFY_URL="https://shop.example/n",
            RETURN_URL="https://shop.example/r",
            GATEWAY_URL="https://gateway.example/gateway.do",
            SHOW_URL="https://shop.example/tea",
            RESULT_MAX_AGE="60",
            TIMEOUT=2.5,
            SELLER_ID="2088000000000002",
        )
        assert made.notify_url == "https://shop.example/n"
        assert made.return_url == "https://shop.example/r"
        assert made.return_query == frozenset()
        assert made.gateway.gateway_url == "https://gateway.example/gateway.do"
        assert made.show_url == "https://shop.example/tea"
        assert made.result_max_age == 60
        assert made.seller_id == "2088000000000002"


def test_the_names_in_a_return_urls_query_belong_to_the_shop(openapi: dict[str, Any]) -> None:
    made = config(openapi, RETURN_URL="https://shop.example/r?lang=zh")
    assert made.return_query == {"lang"}


@pytest.mark.parametrize("name", ["NOTIFY_URL", "RETURN_URL"])
def test_a_url_that_embeds_another_field_is_rejected(name: str, openapi: dict[str, Any]) -> None:
    for url in ("https://shop.example/r?lang=zh&s3cr3t=x", "https://shop.example&s3cr3t=x/r"):
        assert "another field" in blamed(openapi, name, **{name: url})
        assert "another field" in blamed(MAPI, name, **{name: url.replace("?lang=zh", "")})


@pytest.mark.parametrize("name", ["NOTIFY_URL", "RETURN_URL", "SHOW_URL"])
def test_an_internationalised_host_becomes_punycode(name: str, openapi: dict[str, Any]) -> None:
    for settings in (openapi, MAPI):
        made = config(settings, **{name: "https://茶店.example/通知"})
        url = getattr(made, name.lower())
        assert url == "https://xn--hxt182f.example/%E9%80%9A%E7%9F%A5"


@pytest.mark.parametrize("name", ["NOTIFY_URL", "RETURN_URL"])
def test_a_host_that_has_no_punycode_is_explained(name: str, openapi: dict[str, Any]) -> None:
    for url in (
        "https://茶-店-.example/s3cr3t",
        "https://茶\u0000.example/s3cr3t",
        "茶店.example/s3cr3t",
    ):
        assert "punycode" in blamed(openapi, name, **{name: url})


def test_a_path_on_this_site_stays_as_it_is(openapi: dict[str, Any]) -> None:
    assert config(openapi, SHOW_URL="/茶").show_url == "/茶"


@pytest.mark.parametrize("name", ["NOTIFY_URL", "RETURN_URL"])
def test_the_legacy_gateway_would_lose_a_query(name: str) -> None:
    assert "query" in blamed(MAPI, name, **{name: "https://shop.example/s3cr3t?lang=zh"})


def test_a_legacy_payment_has_the_show_url() -> None:
    made = config(MAPI, SHOW_URL="https://shop.example/tea")
    assert payment_params(made)["show_url"] == "https://shop.example/tea"


def test_the_embedded_simulators_gateway_is_a_path() -> None:
    assert config(MAPI, GATEWAY_URL="/pay/gateway.do").gateway.gateway_url == "/pay/gateway.do"


@pytest.mark.parametrize(("sign_type", "hint"), [("MD5", "MD5"), ("rsa", "RSA"), ("RSA2", "RSA2")])
def test_the_legacy_sign_types(keys: Keys, sign_type: str, hint: str) -> None:
    made = config(MAPI, SIGN_TYPE=sign_type, PRIVATE_KEY=private_pem(keys.merchant))
    assert made.signer.sign_type == hint
    assert payment_params(made)["sign_type"] == hint


@pytest.mark.parametrize("sign_type", ["RSA", "RSA2"])
def test_the_open_platforms_sign_types(openapi: dict[str, Any], sign_type: str) -> None:
    assert payment_params(config(openapi, SIGN_TYPE=sign_type))["sign_type"] == sign_type


def test_md5_is_not_for_the_open_platform(openapi: dict[str, Any]) -> None:
    assert "RSA2, RSA" in blamed(openapi, "SIGN_TYPE", SIGN_TYPE="MD5", KEY=KEY)


def test_a_sign_type_that_does_not_exist_is_refused() -> None:
    assert "MD5, RSA, RSA2" in blamed(MAPI, "SIGN_TYPE", SIGN_TYPE="DSA")


def test_rsa_on_the_legacy_gateway_needs_no_public_key_of_alipay(keys: Keys) -> None:
    made = config(
        {"PARTNER": MAPI["PARTNER"]}, SIGN_TYPE="RSA", PRIVATE_KEY=key_to_base64(keys.merchant)
    )
    # The published key is known; a signature of somebody else's does not verify with it.
    assert not made.signer.verify(b"a", made.signer.sign(b"a"))


@pytest.mark.parametrize("charset", ["gbk", "GBK", "gb2312", "utf-8"])
def test_the_charset_is_that_of_requests(openapi: dict[str, Any], charset: str) -> None:
    made = config(MAPI, INPUT_CHARSET=charset)
    assert made.charset == charset.lower()
    assert payment_params(made)["_input_charset"] == charset.lower()
    assert payment_params(config(openapi, CHARSET=charset))["charset"] == charset.lower()


def test_a_charset_that_does_not_exist_is_refused() -> None:
    blamed(MAPI, "INPUT_CHARSET", INPUT_CHARSET="klingon-8")


def test_the_sandbox_is_another_address(openapi: dict[str, Any]) -> None:
    assert config(openapi, SANDBOX=True).gateway.gateway_url == SANDBOX
    other_place = config(openapi, SANDBOX=True, GATEWAY_URL="https://gateway.example/")
    assert other_place.gateway.gateway_url == "https://gateway.example/"


@pytest.mark.parametrize(("value", "on"), [(False, False), ("0", False), ("", True), ("yes", True)])
def test_the_second_check_can_be_turned_off(value: object, on: bool) -> None:
    assert config(MAPI, NOTIFY_VERIFY=value).notify_verify is on


def test_the_open_platform_has_no_second_check(openapi: dict[str, Any]) -> None:
    assert config(openapi, NOTIFY_VERIFY=True).notify_verify is False


def test_with_both_accounts_the_protocol_must_be_set(openapi: dict[str, Any]) -> None:
    both = {**MAPI, **openapi}
    blamed(both, "PROTOCOL")
    assert config(both, PROTOCOL="mapi").merchant == MAPI["PARTNER"]
    assert config(both, PROTOCOL="openapi").merchant == openapi["APP_ID"]


def test_without_any_account_all_ways_are_shown() -> None:
    message = blamed({}, "APP_ID")
    assert "'ALIPAY_PARTNER'" in message
    assert "'ALIPAY_SIMULATOR'" in message


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"PARTNER": MAPI["PARTNER"]}, "KEY"),
        ({**MAPI, "KEY": " "}, "KEY"),
        ({**MAPI, "KEY": 1.5e30}, "KEY"),
        ({**MAPI, "PARTNER": "s3cr3t-partner"}, "PARTNER"),
        ({**MAPI, "SELLER_ID": "s3cr3t-seller"}, "SELLER_ID"),
        ({"PROTOCOL": "mapi", "KEY": KEY}, "PARTNER"),
        ({"PROTOCOL": "openapi"}, "APP_ID"),
        ({**MAPI, "PROTOCOL": "s3cr3t-protocol"}, "PROTOCOL"),
        ({**MAPI, "SIGN_TYPE": "RSA"}, "PRIVATE_KEY"),
        ({**MAPI, "NOTIFY_URL": "/s3cr3t/notify"}, "NOTIFY_URL"),
        ({**MAPI, "RETURN_URL": "ftp://s3cr3t.example"}, "RETURN_URL"),
        ({**MAPI, "SHOW_URL": "javascript:s3cr3t()"}, "SHOW_URL"),
        ({**MAPI, "GATEWAY_URL": "s3cr3t.example"}, "GATEWAY_URL"),
        ({**MAPI, "TIMEOUT": 0}, "TIMEOUT"),
        ({**MAPI, "RESULT_MAX_AGE": "for ever"}, "RESULT_MAX_AGE"),
        ({**MAPI, "NOTIFY_VERIFY": "sometimes"}, "NOTIFY_VERIFY"),
    ],
)
def test_a_bad_setting_is_blamed_by_name(settings: dict[str, Any], key: str) -> None:
    blamed(settings, key)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"PRIVATE_KEY": ""}, "PRIVATE_KEY"),
        ({"PRIVATE_KEY": "s3cr3t no key at all"}, "PRIVATE_KEY"),
        ({"PRIVATE_KEY": None, "PRIVATE_KEY_PATH": "/nowhere/s3cr3t.pem"}, "PRIVATE_KEY_PATH"),
        ({"PUBLIC_KEY": ""}, "PUBLIC_KEY"),
        ({"PUBLIC_KEY": "s3cr3t no key at all"}, "PUBLIC_KEY"),
        ({"PUBLIC_KEY": ["s3cr3t no key at all"]}, "PUBLIC_KEY"),
        ({"PUBLIC_KEY": None, "PUBLIC_KEY_PATH": "/nowhere/s3cr3t.pem"}, "PUBLIC_KEY_PATH"),
        ({"APP_CERT_PATH": "/nowhere/s3cr3t.crt"}, "APP_CERT_PATH"),
        ({"APP_CERT": "s3cr3t certificate"}, "PUBLIC_CERT_PATH"),
        ({"AES_KEY": "s3cr3taes0123456"}, "AES_KEY"),
        ({"APP_ID": ["s3cr3t-app-id"]}, "APP_ID"),
        ({"SELLER_ID": "s3cr3t-seller"}, "SELLER_ID"),
        ({"SANDBOX": "s3cr3t-maybe"}, "SANDBOX"),
    ],
    ids=str,
)
def test_a_bad_setting_of_the_open_platform_is_blamed_by_name(
    openapi: dict[str, Any], changed: dict[str, Any], key: str
) -> None:
    assert "s3cr3t" not in blamed(openapi, key, **changed)


def test_swapped_keys_are_reported(openapi: dict[str, Any]) -> None:
    swapped = {
        "PRIVATE_KEY": openapi["PUBLIC_KEY"],
        "PUBLIC_KEY": openapi["PRIVATE_KEY"],
    }
    assert "public key" in blamed(openapi, "PRIVATE_KEY", PRIVATE_KEY=swapped["PRIVATE_KEY"])
    assert "private key" in blamed(openapi, "PUBLIC_KEY", PUBLIC_KEY=swapped["PUBLIC_KEY"])


def test_two_private_keys_are_one_too_many(openapi: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "private.pem"
    path.write_text(openapi["PRIVATE_KEY"])
    blamed(openapi, "PRIVATE_KEY", PRIVATE_KEY_PATH=str(path))


def test_keys_may_be_in_files(keys: Keys, openapi: dict[str, Any], tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_text(private_pem(keys.merchant))
    public.write_text(public_pem(keys.alipay.public_key()))
    made = config(
        {"APP_ID": openapi["APP_ID"], "PRIVATE_KEY_PATH": private, "PUBLIC_KEY_PATH": str(public)}
    )
    assert made.signer.sign(b"a") == Rsa2Signer(keys.merchant).sign(b"a")
    assert made.signer.verify(b"a", Rsa2Signer(keys.alipay).sign(b"a"))


def test_while_keys_are_exchanged_there_are_two(keys: Keys, openapi: dict[str, Any]) -> None:
    both = [openapi["PUBLIC_KEY"], public_pem(keys.merchant.public_key())]
    made = config(openapi, PUBLIC_KEY=both)
    for key in (keys.alipay, keys.merchant):
        assert made.signer.verify(b"a", Rsa2Signer(key).sign(b"a"))


def test_the_merchants_public_key_in_place_of_alipays_causes_a_warning(
    keys: Keys, openapi: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    own = key_to_base64(keys.merchant.public_key())
    config(openapi, PUBLIC_KEY=own)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "'ALIPAY_PUBLIC_KEY' is the public key of your private key" in record.message
    assert own[:16] not in caplog.text


def test_a_good_configuration_warns_of_nothing(
    openapi: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    config(openapi)
    assert caplog.records == []


def test_payments_are_encrypted_with_the_aes_key(openapi: dict[str, Any]) -> None:
    key = "aa4BtZ4tspm2wnXLb1ThQA=="
    made = config(openapi, AES_KEY=f" {key}\n")
    params = payment_params(made)
    assert params["encrypt_type"] == "AES"
    assert b'"out_trade_no":"A1"' in ContentCipher(key).decrypt(params["biz_content"])
    assert key not in repr(made)
    assert "encrypt_type" not in payment_params(config(openapi, AES_KEY=""))


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Any]:
    """Return the published files of certificate mode, and the numbers that they must give."""
    found = {
        vector["name"].removeprefix("certsn-"): vector
        for vector in all_vectors()
        if vector["kind"] == "cert-sn"
    }
    if not found:
        missing(f"{VARIABLE} does not name a folder with vectors")
    chosen = {"APP_CERT": "node-app", "PUBLIC_CERT": "node-alipay-public", "ROOT_CERT": "node-root"}
    for setting, name in chosen.items():
        (tmp_path / f"{setting}.crt").write_text(found[name]["certificate_pem"])
    return {f"{setting}_PATH": str(tmp_path / f"{setting}.crt") for setting in chosen} | {
        "numbers": (
            found["node-app"]["expected_sn"],
            found["node-root"]["expected_sn"],
            found["node-alipay-public"]["expected_sn"],
        )
    }


def test_certificate_mode_sends_the_certificates_numbers(
    openapi: dict[str, Any], certificates: dict[str, Any]
) -> None:
    numbers = certificates.pop("numbers")
    del openapi["PUBLIC_KEY"]
    params = payment_params(config(openapi, **certificates))
    assert (params["app_cert_sn"], params["alipay_root_cert_sn"]) == numbers[:2]


@pytest.mark.parametrize("configured", [True, False])
def test_certificate_mode_knows_alipays_certificate(
    openapi: dict[str, Any],
    certificates: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    configured: bool,
) -> None:
    numbers = certificates.pop("numbers")
    number = numbers[2] if configured else "a" * 32
    response = f'{{"alipay_x_response":{{}},"alipay_cert_sn":"{number}","sign":"AAAA"}}'.encode()
    monkeypatch.setattr(HttpTransport, "post", lambda *_, **__: response)
    expected = "is not signed by Alipay" if configured else "certificate"
    with pytest.raises(OutcomeUnknown, match=expected):
        config(openapi, **certificates).gateway.call("alipay.x")


@pytest.mark.parametrize("left_out", ["APP_CERT_PATH", "PUBLIC_CERT_PATH", "ROOT_CERT_PATH"])
def test_certificate_mode_wants_all_three(
    openapi: dict[str, Any], certificates: dict[str, Any], left_out: str
) -> None:
    del certificates["numbers"], certificates[left_out]
    assert "all three" in blamed(openapi, left_out, **certificates)


def test_a_file_that_is_no_certificate_is_blamed(
    openapi: dict[str, Any], certificates: dict[str, Any], tmp_path: Path
) -> None:
    del certificates["numbers"]
    (tmp_path / "wrong.crt").write_text(openapi["PRIVATE_KEY"])
    for name in certificates:
        message = blamed(openapi, name, **{**certificates, name: str(tmp_path / "wrong.crt")})
        assert openapi["PRIVATE_KEY"][:16] not in message


def test_key_mode_sends_no_certificate_numbers(openapi: dict[str, Any]) -> None:
    params = payment_params(config(openapi))
    assert not {"app_cert_sn", "alipay_root_cert_sn"} & params.keys()


def test_a_configuration_shows_no_secret(openapi: dict[str, Any]) -> None:
    for settings in (MAPI, openapi):
        shown = repr(config(settings, SELLER_EMAIL=EMAIL))
        for secret in (KEY, EMAIL, openapi["PRIVATE_KEY"][:16], openapi["PUBLIC_KEY"][:16]):
            assert secret not in shown


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config(MAPI).merchant = "2088000000000009"  # type: ignore[misc]


def test_later_changes_of_the_settings_are_ignored(openapi: dict[str, Any]) -> None:
    values = {f"ALIPAY_{name}": value for name, value in openapi.items()}
    made = Config.from_mapping(values)
    values["ALIPAY_APP_ID"] = "2021999999999999"
    assert payment_params(made)["app_id"] == openapi["APP_ID"]


def test_another_transport_is_used() -> None:
    class Yes:
        def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
            calls.append((url, dict(params)))
            return b"true"

        post = get

    calls: list[tuple[str, dict[str, str]]] = []
    values = {f"ALIPAY_{name}": value for name, value in MAPI.items()}
    made = Config.from_mapping(values, transport=Yes(), simulator=True)
    assert made.simulator
    assert isinstance(made.gateway, MapiGateway)
    assert made.gateway.notify_verify("n1")
    assert calls[0][1] == {
        "service": "notify_verify",
        "partner": MAPI["PARTNER"],
        "notify_id": "n1",
    }


@pytest.mark.parametrize(("value", "on"), [(True, True), ("1", True), (None, False), ("", False)])
def test_the_simulator_is_enabled_by_its_setting(value: object, on: bool) -> None:
    assert simulator_enabled(ConfigReader({"ALIPAY_SIMULATOR": value}, "ALIPAY")) is on


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, set()),
        ("certificates", {"certificates"}),
        ("encrypted", {"encrypted"}),
        ("open_id", {"open_id"}),
        (" Certificates , ENCRYPTED ", {"certificates", "encrypted"}),
    ],
)
def test_the_simulators_merchant_is_configured_as_described(value: object, words: set[str]) -> None:
    settings = ConfigReader({"ALIPAY_SIMULATOR": value}, "ALIPAY")
    assert simulator_enabled(settings)
    wanted = simulator_options(settings, "openapi", "RSA2")
    names = ("certificates", "encrypted", "open_id", "third_party")
    assert wanted == {name: name in words for name in names}


@pytest.mark.parametrize("value", ["certificate", "certificates,", ",", "certificates,true", 2])
def test_another_value_does_not_enable_it(value: object) -> None:
    with pytest.raises(ConfigurationError, match="true, certificates, encrypted"):
        simulator_enabled(ConfigReader({"ALIPAY_SIMULATOR": value}, "ALIPAY"))


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_the_simulator_does_not_stand_beside_real_credentials(credential: str) -> None:
    values = {"ALIPAY_SIMULATOR": True, f"ALIPAY_{credential}": "s3cr3t"}
    with pytest.raises(ConfigurationError) as caught:
        simulator_enabled(ConfigReader(values, "ALIPAY"))
    assert caught.value.key == "ALIPAY_SIMULATOR"
    assert f"'ALIPAY_{credential}'" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    values["ALIPAY_SIMULATOR"] = False
    assert not simulator_enabled(ConfigReader(values, "ALIPAY"))


def test_every_credential_of_the_contract_is_known() -> None:
    documented = {"PARTNER", "KEY", "APP_ID", "PRIVATE_KEY", "PUBLIC_KEY", "AES_KEY", "SELLER_ID"}
    assert documented <= set(CREDENTIALS)


def test_the_url_of_a_payment_is_on_the_configured_gateway(openapi: dict[str, Any]) -> None:
    made = config(openapi, GATEWAY_URL="https://gateway.example/gateway.do")
    request = made.gateway.pay("page", out_trade_no="A1", subject="茶", total_amount=1)
    parts = urlsplit(request.url)
    assert parts.netloc == "gateway.example"
    assert parse_qs(parts.query)["app_id"] == [openapi["APP_ID"]]


def test_the_signer_is_the_one_that_verifies(keys: Keys, openapi: dict[str, Any]) -> None:
    signer: Signer = config(openapi).signer
    assert not signer.verify(b"a", Rsa2Signer(keys.merchant).sign(b"a"))


@pytest.mark.parametrize("version", ["v3", "V3"])
def test_calls_travel_the_newer_way_where_it_is_set(openapi: dict[str, Any], version: str) -> None:
    assert config(openapi, API_VERSION=version).gateway._v3 is not None
    assert config(openapi).gateway._v3 is None


def test_the_newer_way_is_signed_with_rsa2_alone(openapi: dict[str, Any]) -> None:
    assert "RSA2" in blamed(openapi, "SIGN_TYPE", API_VERSION="v3", SIGN_TYPE="RSA")
    assert "v2 or v3" in blamed(openapi, "API_VERSION", API_VERSION="v4")


def test_the_newer_way_starts_beside_the_older_address(openapi: dict[str, Any]) -> None:
    good = "https://gateway.example/below/gateway.do"
    assert config(openapi, API_VERSION="v3", GATEWAY_URL=good).gateway.gateway_url == good
    wrong = {"API_VERSION": "v3", "GATEWAY_URL": "https://openapi.alipay.com"}
    assert "/gateway.do" in blamed(openapi, "GATEWAY_URL", **wrong)


def test_the_timeouts_for_connection_and_response_differ(openapi: dict[str, Any]) -> None:
    def waits(**settings: Any) -> Any:
        return config(openapi, **settings).gateway._transport._timeout

    assert waits() == (10, 10)
    assert waits(TIMEOUT=4) == (4, 4)
    assert waits(TIMEOUT=20, CONNECT_TIMEOUT="3.5") == (3.5, 20)
    assert "above zero" in blamed(openapi, "CONNECT_TIMEOUT", CONNECT_TIMEOUT=0)


def test_a_new_certificate_that_leads_to_the_root_verifies_notifications(
    openapi: dict[str, Any], tmp_path: Path
) -> None:
    del openapi["PUBLIC_KEY"]
    now, year = datetime.now(timezone.utc), timedelta(days=365)
    times = {"since": now - year, "until": now + year}
    root = issue("R1", spare_key(0), ca=True, **times)
    before = issue(ALIPAY, spare_key(1), root, **times)
    after = issue(ALIPAY, spare_key(2), root, **times)
    files = {"APP_CERT_PATH": before, "PUBLIC_CERT_PATH": before, "ROOT_CERT_PATH": root}
    for name, issued in files.items():
        (tmp_path / name).write_text(issued.pem)
    made = config(openapi, **{name: str(tmp_path / name) for name in files})
    sign = Rsa2Signer(after.key).sign(b"news")
    assert not made.signer.verify(b"news", sign)
    made.gateway._certificates.add_verified(content(after), after.sn)
    assert made.signer.verify(b"news", sign)
    assert made.signer.verify(b"news", Rsa2Signer(before.key).sign(b"news"))
