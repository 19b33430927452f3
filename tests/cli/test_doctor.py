"""``doctor``: a finding for each fault, and none for a valid configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_alipay.cli import main
from flask_alipay.cli.check_gateway import check_gateway
from flask_alipay.cli.findings import Finding
from flask_alipay.cli.table import width
from flask_alipay.config import Config
from flask_alipay.exceptions import ConfigurationError, GatewayError, OutcomeUnknown
from flask_alipay.keys import generate_private_key, key_to_base64, private_pem, public_pem

from ..certificate_chains import ALIPAY, issue, spare_key
from ..conftest import Keys
from ..doubles.app import MERCHANT, make_shop
from ..doubles.local_server import LocalServer, Request
from .conftest import MD5_KEY

Settings = dict[str, str]


@pytest.fixture(autouse=True)
def no_unknown_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the tests' own variable, which ``doctor`` would report as an unknown setting."""
    monkeypatch.delenv("FLASK_ALIPAY_TEST_ALL", raising=False)


@pytest.fixture
def settings(keys: Keys, tmp_path: Path) -> Settings:
    """Settings of a merchant without faults."""
    (tmp_path / "private.pem").write_text(private_pem(keys.merchant))
    (tmp_path / "private.pem").chmod(0o600)
    return {
        "ALIPAY_APP_ID": MERCHANT,
        "ALIPAY_PRIVATE_KEY_PATH": str(tmp_path / "private.pem"),
        "ALIPAY_PUBLIC_KEY": key_to_base64(keys.alipay.public_key()),
        "ALIPAY_NOTIFY_URL": "https://shop.example.com/alipay/notify",
    }


def alone(settings: Settings, *args: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--offline", *args], env=settings)


def found(result: Result) -> dict[str, str]:
    """Return the worst level of each check."""
    order = ("ok", "unknown", "warn", "fail")
    levels: dict[str, str] = {}
    for line in result.stdout.splitlines():
        one = json.loads(line)
        before = levels.get(one["check"], "ok")
        levels[one["check"]] = max(before, one["level"], key=order.index)
    return levels


def not_ok(result: Result) -> dict[str, str]:
    return {check: level for check, level in found(result).items() if level in ("warn", "fail")}


def test_a_valid_configuration_has_no_faults(settings: Settings) -> None:
    result = alone(settings, "--json")
    assert result.exit_code == 0
    assert not_ok(result) == {}
    assert found(result)["reachable"] == "unknown"


def test_no_secret_is_printed(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_KEY"] = MD5_KEY
    printed = alone(settings).output + alone(settings, "--json").output
    assert key_to_base64(keys.merchant)[60:90] not in printed
    assert MD5_KEY not in printed


def own_key(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_PUBLIC_KEY"] = key_to_base64(keys.merchant.public_key())


def private_for_public(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_PUBLIC_KEY"] = key_to_base64(keys.alipay)


def public_for_private(settings: Settings, keys: Keys) -> None:
    del settings["ALIPAY_PRIVATE_KEY_PATH"]
    settings["ALIPAY_PRIVATE_KEY"] = key_to_base64(keys.merchant.public_key())


def cut_short(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_PUBLIC_KEY"] = key_to_base64(keys.alipay.public_key())[:-40]


def cut_off(settings: Settings, keys: Keys) -> None:
    path = Path(settings["ALIPAY_PRIVATE_KEY_PATH"])
    path.write_text(path.read_text()[:700])


def no_file(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_PRIVATE_KEY_PATH"] += ".gone"


def no_private_key(settings: Settings, keys: Keys) -> None:
    del settings["ALIPAY_PRIVATE_KEY_PATH"]


def open_file(settings: Settings, keys: Keys) -> None:
    Path(settings["ALIPAY_PRIVATE_KEY_PATH"]).chmod(0o644)


def short_key(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_PUBLIC_KEY"] = key_to_base64(generate_private_key(1024).public_key())


def plain_http(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_NOTIFY_URL"] = "http://shop.example.com/alipay/notify"


def at_home(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_NOTIFY_URL"] = "http://192.168.1.7:5000/alipay/notify"


def a_path(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_NOTIFY_URL"] = "/alipay/notify"


def sha1(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_SIGN_TYPE"] = "RSA"


def queries_off(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_NOTIFY_VERIFY"] = "false"


def odd_md5_key(settings: Settings, keys: Keys) -> None:
    settings["ALIPAY_KEY"] = "my key"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (own_key, {"public_key": "fail"}),
        (private_for_public, {"public_key": "fail"}),
        (public_for_private, {"private_key": "fail"}),
        (cut_short, {"public_key": "fail"}),
        (cut_off, {"private_key": "fail"}),
        (no_file, {"private_key": "fail"}),
        (no_private_key, {"private_key": "fail"}),
        (open_file, {"private_key_file": "warn"}),
        (short_key, {"public_key": "warn"}),
        (plain_http, {"notify_url": "warn"}),
        (at_home, {"notify_url": "fail"}),
        (a_path, {"configuration": "fail"}),
        (sha1, {"sign_type": "warn"}),
        (queries_off, {"notify_verify": "warn"}),
        (odd_md5_key, {"md5_key": "warn"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_mistake_is_found_without_others(
    spoil: Any, expected: dict[str, str], settings: Settings, keys: Keys
) -> None:
    spoil(settings, keys)
    result = alone(settings, "--json")
    assert not_ok(result) == expected
    assert result.exit_code == int("fail" in expected.values())


def test_every_fault_and_warning_has_a_fix(settings: Settings, keys: Keys) -> None:
    for spoil in (own_key, cut_short, no_file, open_file, plain_http, sha1, odd_md5_key):
        broken = dict(settings)
        spoil(broken, keys)
        for line in alone(broken, "--json").stdout.splitlines():
            one = json.loads(line)
            assert one["level"] == "ok" or one["fix"]


def faults(settings: Settings) -> list[dict[str, str]]:
    """Return the failed findings."""
    lines = alone(settings, "--json").stdout.splitlines()
    return [one for one in map(json.loads, lines) if one["level"] == "fail"]


def test_a_wrong_path_is_one_fault_with_its_own_fix(settings: Settings, keys: Keys) -> None:
    no_file(settings, keys)
    [fault] = faults(settings)
    assert "'ALIPAY_PRIVATE_KEY_PATH' cannot be read" in fault["message"]
    assert fault["fix"] == "Check the path and this user's permission to read it."


def test_generating_a_key_is_suggested_only_if_none_is_set(settings: Settings, keys: Keys) -> None:
    no_private_key(settings, keys)
    [fault] = faults(settings)
    assert "'keygen'" in fault["fix"]


def test_an_invalid_setting_is_to_be_changed(settings: Settings, keys: Keys) -> None:
    a_path(settings, keys)
    [fault] = faults(settings)
    assert fault["fix"].startswith("Change it")


def test_a_truncated_pem_file_is_recognised(settings: Settings, keys: Keys) -> None:
    cut_off(settings, keys)
    [fault] = faults(settings)
    assert "begins like PEM and has no END line" in fault["message"]


def test_without_any_setting_doctor_names_the_settings() -> None:
    result = alone({})
    assert result.exit_code == 1
    assert "'ALIPAY_APP_ID' must be set" in " ".join(result.stdout.split())


def test_a_query_in_an_address_of_the_legacy_gateway_is_found() -> None:
    settings = {
        "ALIPAY_PARTNER": "2088000000000000",
        "ALIPAY_KEY": MD5_KEY,
        "ALIPAY_NOTIFY_URL": "https://shop.example.com/notify?shop=1",
    }
    assert not_ok(alone(settings, "--json")) == {"configuration": "fail"}


def test_options_take_precedence_over_the_environment(
    settings: Settings, files: Path, keys: Keys
) -> None:
    (files / "own.pem").write_text(public_pem(keys.merchant.public_key()))
    result = alone(settings, "--json", "--public-key", str(files / "own.pem"))
    assert not_ok(result) == {"public_key": "fail"}


def test_the_configuration_of_an_app_that_does_not_start_can_be_read(
    settings: Settings, keys: Keys, tmp_path: Path
) -> None:
    own_key(settings, keys)
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    (tmp_path / "config.py").write_text("\n".join(lines))
    result = alone({}, "--json", "--config", str(tmp_path / "config.py"))
    assert not_ok(result) == {"public_key": "fail"}


def test_an_app_that_does_not_start_refers_to_doctor() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_shop(ALIPAY_APP_ID=MERCHANT)
    notes = getattr(caught.value, "__notes__", ["flask alipay doctor"])
    assert "flask alipay doctor" in notes[0]


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_findings_fit_the_terminal(
    columns: str, language: str, settings: Settings, keys: Keys
) -> None:
    own_key(settings, keys)
    at_home(settings, keys)
    result = alone({**settings, "COLUMNS": columns, "LANGUAGE": language})
    assert max(map(width, result.stdout.splitlines())) <= int(columns)


@pytest.mark.parametrize("protocol", ["openapi", "mapi"])
def test_an_app_with_the_simulator_is_checked_completely(protocol: str) -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True, ALIPAY_PROTOCOL=protocol)
    result = shop.run("doctor", "--json")
    assert not_ok(result) == {"simulator": "warn", "secret_key": "warn"}
    assert found(result)["signed_call"] == "ok"
    assert found(result)["table"] == "ok"


def test_missing_tables_are_found() -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True)
    with shop.app.app_context():
        shop.db.drop_all()
    result = shop.run("doctor", "--json", "--offline")
    assert result.exit_code == 1
    assert not_ok(result)["table"] == "fail"


def test_a_database_that_does_not_respond_is_one_fault(tmp_path: Path) -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True)
    nowhere = create_engine(f"sqlite:///{tmp_path}/no/such/folder/shop.db")
    with shop.app.app_context():
        shop.db.engines[None] = nowhere
    result = shop.run("doctor", "--json", "--offline")
    assert result.exit_code == 1
    [fault] = [one for one in map(json.loads, result.stdout.splitlines()) if one["level"] == "fail"]
    assert fault["message"] == "The database does not respond (OperationalError)."
    assert "migrations" not in fault["fix"]


def test_a_missing_column_is_named() -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True)
    with shop.app.app_context():
        shop.db.session.execute(text("ALTER TABLE alipay_payment DROP COLUMN finished_at"))
        shop.db.session.commit()
    assert "alipay_payment lacks finished_at" in " ".join(shop.run("doctor").stdout.split())


@pytest.mark.parametrize(
    ("config", "level"),
    [
        ({"SERVER_NAME": "shop.example.com", "PREFERRED_URL_SCHEME": "https"}, "ok"),
        ({"TRUSTED_HOSTS": ["shop.example.com"], "PREFERRED_URL_SCHEME": "https"}, "ok"),
        ({"SERVER_NAME": "shop.example.com"}, "warn"),
        ({"SERVER_NAME": "localhost:5000"}, "fail"),
        ({"TRUSTED_HOSTS": None, "TESTING": True}, "warn"),
        ({"TRUSTED_HOSTS": [".example.com"], "TESTING": True}, "warn"),
    ],
)
def test_a_host_independent_of_requests_is_required(
    config: dict[str, Any], level: str, settings: Settings
) -> None:
    del settings["ALIPAY_NOTIFY_URL"]
    shop = make_shop(**settings, **config)
    assert found(shop.run("doctor", "--json", "--offline"))["notify_url"] == level


def test_a_trusted_proxy_does_not_make_the_host_a_configured_one(settings: Settings) -> None:
    del settings["ALIPAY_NOTIFY_URL"]
    shop = make_shop(TESTING=True, TRUSTED_HOSTS=None, **settings)
    shop.app.wsgi_app = ProxyFix(shop.app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    result = shop.run("doctor", "--json", "--offline")
    assert found(result)["notify_url"] == "warn"
    assert "SERVER_NAME" in result.stdout


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        ("", "fail"),
        ("TRUSTED_HOSTS = ['a.example.com', 'b.example.com']", "fail"),
        ("SERVER_NAME = 'shop.example.com'; PREFERRED_URL_SCHEME = 'https'", "ok"),
        ("DEBUG = True", "warn"),
    ],
)
def test_the_configuration_of_an_app_that_lacks_a_host_is_found(
    lines: str, level: str, settings: Settings, tmp_path: Path
) -> None:
    del settings["ALIPAY_NOTIFY_URL"]
    (tmp_path / "config.py").write_text(lines)
    result = alone(settings, "--json", "--config", str(tmp_path / "config.py"))
    assert found(result)["notify_url"] == level
    assert result.exit_code == int(level == "fail")


@contextmanager
def gateway_at(instant: datetime) -> Iterator[str]:
    """Serve a gateway with a given time."""

    def respond(request: Request) -> None:
        request.send_response_only(200)
        request.send_header("Date", format_datetime(instant, usegmt=True))
        request.end_headers()

    server = LocalServer(respond)
    try:
        yield server.url
    finally:
        server.close()


def requested(settings: Settings, url: str, refusal: Exception | None) -> dict[str, Finding]:
    """Return the findings about a gateway with this response."""
    config = Config.from_mapping({**settings, "ALIPAY_GATEWAY_URL": url})

    def query_payment(out_trade_no: str) -> None:
        if refusal is not None:
            raise refusal

    config.gateway.query_payment = query_payment  # type: ignore[method-assign,assignment]
    return {finding.check: finding for finding in check_gateway(config)}


@pytest.mark.parametrize(("minutes", "expected"), [(0, "ok"), (10, "fail"), (-10, "fail")])
def test_the_clock_is_compared_with_the_gateways(
    minutes: int, expected: str, settings: Settings
) -> None:
    with gateway_at(datetime.now(timezone.utc) + timedelta(minutes=minutes)) as url:
        assert requested(settings, url, None)["clock"].level == expected


@pytest.mark.parametrize(
    ("refusal", "level", "word"),
    [
        (None, "ok", "request and the response are valid"),
        (
            GatewayError("x", code="40004", sub_code="ACQ.TRADE_NOT_EXIST", signed=True),
            "ok",
            "and the response are",
        ),
        (
            GatewayError("x", code="40004", sub_code="ACQ.TRADE_NOT_EXIST"),
            "ok",
            "response is not signed",
        ),
        (GatewayError("x", code="40002", sub_code="isv.invalid-signature"), "fail", "signature"),
        (GatewayError("x", code="40002", sub_code="isv.invalid-app-id"), "fail", MERCHANT),
        (GatewayError("x", code="40002", sub_code="isv.invalid-timestamp"), "fail", "timestamp"),
        (GatewayError("x", code="40006", sub_code="isv.insufficient"), "warn", "read-only"),
        *(
            (GatewayError("x", code=code, sub_code=sub_code), "fail", word)
            for code, sub_code, word in (
                ("40003", "isv.missing-signature-config", "no public key"),
                ("40003", "isv.missing-signature-key", "no public key"),
                ("40002", "isv.invalid-alipay-root-cert-sn", "a certificate"),
                ("40002", "isv.app-cert-not-exist", "a certificate"),
                ("40003", "isv.app-cert-expired", "a certificate"),
                ("40001", "isv.missing-app-cert-sn", "a certificate"),
                ("40003", "isv.decryption-error-unknown", "decrypt"),
                ("40001", "isv.missing-signature", "read-only"),
                ("40002", "isv.invalid-signature-type", "read-only"),
                ("40002", "isv.something-new", "read-only"),
                ("20001", "aop.invalid-app-auth-token", "token"),
            )
        ),
        (GatewayError("x", code="ILLEGAL_SIGN_TYPE"), "fail", "read-only"),
        (GatewayError("x", code="ILLEGAL_PARTNER_EXTERFACE"), "warn", "read-only"),
        (GatewayError("x", code="40005", sub_code="isv.app-call-limited"), "warn", "read-only"),
        (GatewayError("x", code="40006", sub_code="isv.self-invoke-forbidden"), "warn", "token"),
        (GatewayError("the answer is not signed"), "fail", "read-only"),
        (OutcomeUnknown("no answer"), "fail", "trustworthy"),
    ],
)
def test_the_gateways_response_to_a_harmless_query_is_explained(
    refusal: Exception | None, level: str, word: str, settings: Settings
) -> None:
    finding = requested(settings, "/gateway.do", refusal)["signed_call"]
    assert finding.level == level
    assert word in finding.message


def test_an_unreachable_gateway_is_a_fault(settings: Settings) -> None:
    with gateway_at(datetime.now(timezone.utc)) as url:
        pass
    assert requested(settings, url, None)["clock"].level == "warn"


@pytest.fixture
def certified(settings: Settings, keys: Keys, tmp_path: Path) -> Settings:
    """Settings of a merchant in certificate mode without faults."""
    now = datetime.now(timezone.utc)
    ahead = {"until": now + timedelta(days=300)}
    root = issue("Root", spare_key(0), ca=True, **ahead)
    files = {
        "ROOT_CERT_PATH": root,
        "APP_CERT_PATH": issue("Shop", keys.merchant, root, **ahead),
        "PUBLIC_CERT_PATH": issue(ALIPAY, keys.alipay, root, **ahead),
    }
    for name, issued in files.items():
        (tmp_path / name).write_text(issued.pem)
        settings[f"ALIPAY_{name}"] = str(tmp_path / name)
    del settings["ALIPAY_PUBLIC_KEY"]
    return settings


def test_valid_certificates_are_ok(certified: Settings) -> None:
    result = alone(certified, "--json")
    assert not_ok(result) == {}
    assert {"root_cert", "app_cert", "public_cert"} <= set(found(result))


@pytest.mark.parametrize(
    ("name", "days", "level"),
    [("APP_CERT", 10, "warn"), ("APP_CERT", -1, "fail"), ("PUBLIC_CERT", 10, "warn")],
)
def test_an_expiring_certificate_is_reported(
    name: str, days: int, level: str, certified: Settings, keys: Keys
) -> None:
    key = keys.merchant if name == "APP_CERT" else keys.alipay
    until = datetime.now(timezone.utc) + timedelta(days=days)
    root = issue("Root", spare_key(0), ca=True)
    Path(certified[f"ALIPAY_{name}_PATH"]).write_text(issue(ALIPAY, key, root, until=until).pem)
    assert not_ok(alone(certified, "--json"))[name.lower()] == level


def test_a_certificate_of_another_key_is_found(certified: Settings, keys: Keys) -> None:
    other = issue("Shop", spare_key(1), until=datetime.now(timezone.utc) + timedelta(days=300))
    Path(certified["ALIPAY_APP_CERT_PATH"]).write_text(other.pem)
    assert not_ok(alone(certified, "--json")) == {"app_cert": "fail"}


def test_the_applications_certificate_in_place_of_alipays_is_found(certified: Settings) -> None:
    certified["ALIPAY_PUBLIC_CERT_PATH"] = certified["ALIPAY_APP_CERT_PATH"]
    assert not_ok(alone(certified, "--json")) == {"public_cert": "fail"}


def test_an_invalid_root_certificate_is_found(certified: Settings) -> None:
    Path(certified["ALIPAY_ROOT_CERT_PATH"]).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    assert not_ok(alone(certified, "--json"))["root_cert"] == "fail"
