"""Messages of commands and of the registration.

Two faults have two messages, and each names the reader's input.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import (
    AlipayBlueprint,
    ConfigurationError,
    PaymentMixin,
)
from flask_alipay.config import Config
from flask_alipay.exceptions import KeyFormatError
from flask_alipay.keys import load_private_key, load_public_key, private_pem, public_pem

from ..conftest import Keys
from ..doubles.app import MERCHANT, Shop, make_shop
from ..doubles.models import declare_models, declare_payment

NUMBER = "20260131000000000000000001"


@pytest.fixture
def shop() -> Shop:
    """A shop with one sale."""
    found = make_shop(ALIPAY_SIMULATOR=True)
    found.add(found.row(NUMBER, paid=True, trade_status="TRADE_SUCCESS", merchant=merchant(found)))
    return found


def merchant(shop: Shop) -> str:
    with shop.app.app_context():
        return shop.alipay.config.merchant


def count_refunds(shop: Shop) -> int:
    with shop.app.app_context():
        return int(shop.db.session.query(shop.Refund).count())


# Keys


def settings(keys: Keys, **more: Any) -> dict[str, Any]:
    return {
        "ALIPAY_APP_ID": MERCHANT,
        "ALIPAY_PRIVATE_KEY": private_pem(keys.merchant),
        "ALIPAY_PUBLIC_KEY": public_pem(keys.alipay.public_key()),
        **more,
    }


def message_of(mapping: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_mapping(mapping)
    return str(caught.value)


def test_the_message_about_a_missing_private_key_names_the_settings(keys: Keys) -> None:
    assert message_of(settings(keys, ALIPAY_PRIVATE_KEY=None)) == (
        "'ALIPAY_PRIVATE_KEY' must be set, or 'ALIPAY_PRIVATE_KEY_PATH' to the path of its file"
    )


def test_a_private_key_that_is_set_twice_is_not_missing(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(private_pem(keys.merchant))
    assert message_of(settings(keys, ALIPAY_PRIVATE_KEY_PATH=str(file))) == (
        "'ALIPAY_PRIVATE_KEY' and 'ALIPAY_PRIVATE_KEY_PATH' are both set: remove one of them"
    )


def test_a_list_of_private_keys_is_rejected_as_one(keys: Keys) -> None:
    pems = [private_pem(keys.merchant)] * 2
    assert message_of(settings(keys, ALIPAY_PRIVATE_KEY=pems)) == (
        "'ALIPAY_PRIVATE_KEY' must be one, not a list of several"
    )


@pytest.mark.parametrize("name", ["APP_CERT", "ROOT_CERT"])
def test_a_certificate_that_is_set_twice_is_rejected(name: str, keys: Keys, tmp_path: Path) -> None:
    """In an earlier version the first one was used."""
    file = tmp_path / "cert.crt"
    file.write_text("a certificate")
    certificates = {f"ALIPAY_{each}": "text" for each in ("APP_CERT", "PUBLIC_CERT", "ROOT_CERT")}
    mapping = settings(keys, **certificates, **{f"ALIPAY_{name}_PATH": str(file)})
    printed = message_of(mapping)
    assert printed == f"'ALIPAY_{name}' and 'ALIPAY_{name}_PATH' are both set: remove one of them"


def _ec_forms() -> list[tuple[str, bytes]]:
    key = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return [("pkcs8", pkcs8), ("sec1", sec1), ("public", public), ("der", der)]


@pytest.mark.parametrize("bare", [False, True], ids=["whole", "base64"])
def test_an_ec_key_is_not_called_cut_short(bare: bool) -> None:
    for name, material in _ec_forms():
        if bare and name != "der":
            material = b"".join(material.splitlines()[1:-1])
        for load in (load_private_key, load_public_key):
            with pytest.raises(KeyFormatError, match="EC") as caught:
                load(material)
            assert "cut" not in str(caught.value)


# The arguments of the blueprint


@pytest.fixture
def classes() -> dict[str, Any]:
    """A database object, a class on each mixin, and one on none."""
    db = SQLAlchemy()

    Payment, Refund, Notification = declare_models(db.Model)

    class Order(db.Model):  # type: ignore[name-defined,misc]
        id = db.Column(db.Integer, primary_key=True)

    return {
        "db": db,
        "Payment": Payment,
        "Refund": Refund,
        "Notification": Notification,
        "Order": Order,
        "PaymentMixin": PaymentMixin,
        "text": "Payment",
        "None": None,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("db Refund Payment", "Refund is a RefundMixin but was passed as Payment"),
        ("db Payment Notification Refund", "Notification is a NotificationMixin but was passed as"),
        ("db Order", "Order was passed as Payment but lacks the columns of PaymentMixin"),
        ("db Payment Order", "Order was passed as Refund but lacks the columns of RefundMixin"),
        ("db text", "Payment must be a class on PaymentMixin, not a str"),
        ("db None", "Payment must be a class on PaymentMixin, not a NoneType"),
        ("db PaymentMixin", "PaymentMixin was passed as Payment but has no table"),
        ("Payment db", "Payment has no session: pass the application's SQLAlchemy object"),
        ("None Payment", "a NoneType has no session"),
    ],
)
def test_a_wrong_argument_is_named_at_registration(
    arguments: str, expected: str, classes: dict[str, Any]
) -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", ALIPAY_SIMULATOR=True, TESTING=True)
    alipay = AlipayBlueprint(*(classes[name] for name in arguments.split()))
    with pytest.raises(ConfigurationError) as caught:
        app.register_blueprint(alipay)
    assert str(caught.value).startswith(expected)
    assert "alipay" not in app.extensions or alipay not in app.extensions["alipay"]


# The database


def test_a_missing_table_is_reported_with_its_database_and_the_command_to_run(
    tmp_path: Path,
) -> None:
    shop = make_shop(
        ALIPAY_SIMULATOR=True, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'shop.db'}"
    )
    with shop.app.app_context():
        shop.db.drop_all()
    result = shop.run("payments")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"The database sqlite:///{tmp_path / 'shop.db'} cannot be used" in result.stderr
    assert "no such table: alipay_payment" in result.stderr
    assert "Run 'flask db upgrade', or db.create_all() for a new database." in result.stderr


def test_an_unreachable_database_is_reported_without_its_password() -> None:
    shop = make_shop_of("postgresql+psycopg://tea:secret@127.0.0.1:1/tea?sslpassword=hidden")
    result = shop.run("payments")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The database postgresql+psycopg://tea:***@127.0.0.1:1/tea cannot be used" in (
        result.stderr
    )
    assert "check SQLALCHEMY_DATABASE_URI" in result.stderr
    assert "flask db upgrade" not in result.stderr
    assert "secret" not in result.stderr
    assert "hidden" not in result.stderr


def make_shop_of(uri: str) -> Shop:
    """Return a shop whose database is not used before a command runs."""
    db = SQLAlchemy()

    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=uri, TESTING=True)
    app.config.update(ALIPAY_SIMULATOR=True, TRUSTED_HOSTS=["localhost"])
    db.init_app(app)
    Payment = declare_payment(db.Model)
    alipay = AlipayBlueprint(db, Payment)
    app.register_blueprint(alipay)
    return Shop(app, db, alipay, Payment, None, None)


# Values


@pytest.mark.parametrize("amount", ["-5", "-0.01", "-.5"])
def test_a_negative_amount_is_not_an_unknown_option(shop: Shop, amount: str) -> None:
    result = shop.run("refund", NUMBER, amount)
    assert result.exit_code == 2
    assert "Invalid value for 'AMOUNT': must be above zero." in result.stderr
    assert count_refunds(shop) == 0


def test_an_unknown_option_of_refund_is_reported(shop: Shop) -> None:
    result = shop.run("refund", NUMBER, "5", "--resaon", "torn")
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert count_refunds(shop) == 0


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("bill", "2026-13-01"), "'DATE': must be a day or a month"),
        (("sign-url", "--total-amount", "-1"), "'--total-amount': must be digits"),
        (("sign-url", "--subject", "x" * 300), "'--subject': must be at most 256"),
        (("sign-url", "--out-trade-no", "no spaces"), "'--out-trade-no': must"),
        (("refund", NUMBER, "1.234"), "'AMOUNT': must be digits"),
        (("refund", NUMBER, "1", "--reason", "x" * 300), "'--reason': must"),
        (
            ("refund", NUMBER, "1", "--yes", "--out-request-no", "x" * 65),
            "'--out-request-no': must",
        ),
        (("trigger", "paid", "--total-amount", "x"), "'--total-amount': must be digits"),
    ],
)
def test_a_rejected_value_names_its_option_or_argument(
    shop: Shop, args: tuple[str, ...], expected: str
) -> None:
    result = shop.run(*args, stdin="y\n")
    assert result.exit_code == 2
    assert f"Invalid value for {expected}" in result.stderr
    assert count_refunds(shop) == 0


# Warnings of a registration


def load_in_a_command(name: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Run a command of Flask's that loads an app with the simulator; return the warnings."""

    def create_app() -> Flask:
        return make_shop(ALIPAY_SIMULATOR=True, TRUSTED_HOSTS=None, TESTING=True).app

    @click.command(name)
    @click.pass_obj
    def command(info: ScriptInfo) -> None:
        info.load_app()

    group = FlaskGroup(load_dotenv=False, add_default_commands=False)
    group.add_command(command)
    caplog.set_level(logging.INFO, "flask_alipay")
    caplog.clear()
    result = CliRunner().invoke(group, [name], obj=ScriptInfo(create_app=create_app))
    assert result.exit_code == 0, result.output
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_command_is_not_preceded_by_the_warnings_of_a_server(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")
    assert load_in_a_command("upgrade", caplog) == []


def test_a_server_still_warns_of_the_simulator(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")
    assert any("no money moves" in line for line in load_in_a_command("run", caplog))
