"""Settings are read strictly; an error names the key and never its value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.settings import ConfigReader

SECRET = "s3cr3t-value-of-somebody"


def settings(**values: Any) -> ConfigReader:
    return ConfigReader({f"SHOP_{name}": value for name, value in values.items()}, "SHOP")


def blamed(read: Callable[[], object], key: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read()
    assert caught.value.key == key
    assert str(caught.value).startswith(f"'{key}' ")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def test_a_text_loses_the_space_around_it() -> None:
    assert settings(KEY="  abc \r\n").text("KEY") == "abc"


@pytest.mark.parametrize("value", [None, "", "   ", "\n"])
def test_an_empty_text_is_not_set(value: str | None) -> None:
    assert settings(KEY=value).text("KEY") is None


def test_digits_from_the_environment_are_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_SHOP_APP_ID", "2021000000000001")
    app = Flask("shop")
    app.config.from_prefixed_env()
    assert app.config["SHOP_APP_ID"] == 2021000000000001
    assert ConfigReader(app.config, "SHOP").text("APP_ID") == "2021000000000001"


@pytest.mark.parametrize("value", [True, 1.5, [SECRET], {"a": SECRET}, SECRET.encode()])
def test_a_value_that_is_no_text_is_rejected(value: object) -> None:
    error = blamed(lambda: settings(KEY=value).text("KEY"), "SHOP_KEY")
    assert "double quotes" in str(error)


def test_a_required_text_must_be_there() -> None:
    assert settings(KEY="abc").required("KEY") == "abc"
    for value in (None, "", " "):
        blamed(lambda value=value: settings(KEY=value).required("KEY"), "SHOP_KEY")  # type: ignore[misc]


@pytest.mark.parametrize("value", [True, 1, "1", "true", "True", " YES ", "on"])
def test_a_switch_is_on(value: object) -> None:
    assert settings(SANDBOX=value).flag("SANDBOX", False) is True


@pytest.mark.parametrize("value", [False, 0, "0", "false", "No", "off"])
def test_a_switch_is_off(value: object) -> None:
    assert settings(SANDBOX=value).flag("SANDBOX", True) is False


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_switch_has_its_default(value: object, default: bool) -> None:
    # An empty variable in the environment turns no check off.
    assert settings(NOTIFY_VERIFY=value).flag("NOTIFY_VERIFY", default) is default
    assert settings().flag("NOTIFY_VERIFY", default) is default


@pytest.mark.parametrize("value", [SECRET, 2, -1, "10", [], 0.5])
def test_a_switch_is_either_on_or_off(value: object) -> None:
    blamed(lambda: settings(SANDBOX=value).flag("SANDBOX", False), "SHOP_SANDBOX")


@pytest.mark.parametrize(
    ("value", "number"), [(None, 7.0), (5, 5.0), ("2.5", 2.5), (Decimal(3), 3)]
)
def test_a_number_is_read(value: object, number: float) -> None:
    assert settings(TIMEOUT=value).number("TIMEOUT", 7.0) == number


@pytest.mark.parametrize("value", [0, -1, "0", "nan", "inf", "-inf", True, False, "", SECRET, [1]])
def test_a_value_that_is_no_number_above_zero_is_rejected(value: object) -> None:
    blamed(lambda: settings(TIMEOUT=value).number("TIMEOUT", 7.0), "SHOP_TIMEOUT")


def test_a_url_is_absolute() -> None:
    url = "https://shop.example/notify"
    assert settings(NOTIFY_URL=url).url("NOTIFY_URL") == url
    assert settings().url("NOTIFY_URL") is None


@pytest.mark.parametrize(
    "value", ["/notify", f"ftp://{SECRET}", f"javascript:{SECRET}", f"https://x/{SECRET * 20}"]
)
def test_another_url_is_refused(value: str) -> None:
    error = blamed(lambda: settings(NOTIFY_URL=value).url("NOTIFY_URL"), "SHOP_NOTIFY_URL")
    assert str(error).count("NOTIFY_URL") == 1


def test_an_account_is_sixteen_digits() -> None:
    assert settings(PARTNER=2088000000000001).account("PARTNER") == "2088000000000001"
    assert settings().account("PARTNER") is None


@pytest.mark.parametrize("value", [SECRET, "208800000000000", "20880000000000012", "２０８８" * 4])
def test_another_account_is_refused(value: str) -> None:
    blamed(lambda: settings(PARTNER=value).account("PARTNER"), "SHOP_PARTNER")


@pytest.mark.parametrize(
    ("value", "protocol"), [("mapi", "mapi"), (" OpenAPI", "openapi"), ("", None), (None, None)]
)
def test_the_protocol_is_one_of_two(value: str | None, protocol: str | None) -> None:
    assert settings(PROTOCOL=value).protocol() == protocol


def test_another_protocol_is_refused() -> None:
    blamed(settings(PROTOCOL=SECRET).protocol, "SHOP_PROTOCOL")


@pytest.mark.parametrize(
    ("values", "charset"),
    [
        ({}, "utf-8"),
        ({"INPUT_CHARSET": "GBK"}, "gbk"),
        ({"CHARSET": "gb2312"}, "gb2312"),
        ({"INPUT_CHARSET": "", "CHARSET": "utf8"}, "utf8"),
        ({"INPUT_CHARSET": "gbk", "CHARSET": "utf-8"}, "gbk"),
    ],
)
def test_the_charset_has_two_names(values: dict[str, str], charset: str) -> None:
    assert settings(**values).charset() == charset


@pytest.mark.parametrize("name", ["INPUT_CHARSET", "CHARSET"])
@pytest.mark.parametrize("value", [SECRET, "latin-1", "utf-16", "rot13"])
def test_another_charset_is_refused(name: str, value: str) -> None:
    blamed(settings(**{name: value}).charset, f"SHOP_{name}")


def test_settings_are_put_over_others() -> None:
    merged = ConfigReader({"SHOP_KEY": "a", "OTHER": 1}, "SHOP").with_overrides(
        {"KEY": "b", "PARTNER": "c"}
    )
    assert merged == {"SHOP_KEY": "b", "SHOP_PARTNER": "c", "OTHER": 1}


@pytest.mark.parametrize("value", [None, "", (), []])
def test_an_empty_value_is_not_set(value: object) -> None:
    assert not settings(KEY=value).is_set("KEY")


@pytest.mark.parametrize("value", ["a", 0, False, ["a"]])
def test_everything_else_is_set(value: object) -> None:
    assert settings(KEY=value).is_set("KEY")


def test_a_key_is_a_text_or_a_file_or_several(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    several = settings(
        PUBLIC_KEY=["text", b"bytes"], PUBLIC_KEY_PATH=[tmp_path / "one", str(tmp_path / "two")]
    )
    assert several.key_material("PUBLIC_KEY") == [
        ("PUBLIC_KEY", "text"),
        ("PUBLIC_KEY", b"bytes"),
        ("PUBLIC_KEY_PATH", b"one"),
        ("PUBLIC_KEY_PATH", b"two"),
    ]
    assert settings(PUBLIC_KEY="text").key_material("PUBLIC_KEY") == [("PUBLIC_KEY", "text")]
    assert settings(PUBLIC_KEY="").key_material("PUBLIC_KEY") == []


def test_a_key_that_is_no_text_is_refused() -> None:
    blamed(lambda: settings(KEY=123).key_material("KEY"), "SHOP_KEY")


@pytest.mark.parametrize("path", [f"/nowhere/{SECRET}", 5.5, f"a\0{SECRET}"])
def test_a_file_that_cannot_be_read_is_blamed_on_its_setting(path: object) -> None:
    blamed(lambda: settings(KEY_PATH=path).key_material("KEY"), "SHOP_KEY_PATH")


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    error = blamed(lambda: settings(KEY_PATH=tmp_path).key_material("KEY"), "SHOP_KEY_PATH")
    assert str(tmp_path) not in str(error)
