"""Captured payloads in files, and an app with the command group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint
from flask_alipay.cli import main
from flask_alipay.keys import private_pem, public_pem
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Rsa2Signer, Signer, sign_content

from ..conftest import Keys
from ..doubles.models import declare_payment

MD5_KEY = "0123456789abcdef0123456789abcdef"

Params = dict[str, str]


class Run(Protocol):
    """A command line runner that returns the result."""

    def __call__(self, *args: str, stdin: bytes | None = None) -> Result: ...


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a merchant's settings and the terminal's size from the environment."""
    import os

    monkeypatch.delenv("COLUMNS", raising=False)
    for name in list(os.environ):
        if name.startswith(("FLASK_ALIPAY_", "ALIPAY_")) and name != "FLASK_ALIPAY_TEST_ALL":
            monkeypatch.delenv(name)


@pytest.fixture
def alone() -> Run:
    """``python -m flask_alipay``."""

    def run(*args: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(main, args, input=stdin)

    return run


@pytest.fixture
def files(tmp_path: Path, keys: Keys) -> Path:
    """A folder with the merchant's private key and Alipay's public key."""
    (tmp_path / "merchant.pem").write_text(private_pem(keys.merchant))
    (tmp_path / "alipay.pem").write_text(public_pem(keys.alipay.public_key()))
    return tmp_path


@pytest.fixture
def alipay(keys: Keys) -> Rsa2Signer:
    """Alipay's side of the open platform."""
    return Rsa2Signer(keys.alipay)


def notification_params(**more: str) -> Params:
    """A notification before it is signed."""
    return {
        "notify_time": "2026-01-31 12:00:05",
        "notify_id": "a0123456789",
        "charset": "utf-8",
        "out_trade_no": "20260131000000000000000001",
        "trade_no": "2026013122001499160501586202",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "88.88",
        "subject": "茶+tea",
        "buyer_logon_id": "buyer@example.com",
        "app_id": "2021000000000000",
        **more,
    }


def signed(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> Params:
    sign = signer.sign(sign_content(params, charset=charset))
    return {**params, "sign": sign, "sign_type": signer.sign_type}


def body(params: Mapping[str, str], charset: str = "utf-8") -> bytes:
    return urlencode(params, encoding=python_codec(charset)).encode()


def make_app(name: str = "alipay", prefix: str = "ALIPAY", **config: Any) -> Flask:
    """An app with one merchant."""
    db = SQLAlchemy()

    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config["ALIPAY_SIMULATOR_WITHOUT_DEBUG"] = True
    app.config.update({"TRUSTED_HOSTS": ["localhost"], **config})
    db.init_app(app)
    app.register_blueprint(
        AlipayBlueprint(db, declare_payment(db.Model), name=name, config_prefix=prefix),
        url_prefix=f"/{name}",
    )
    return app


@pytest.fixture
def merchant_config(keys: Keys) -> dict[str, Any]:
    """A merchant on the open platform."""
    return {
        "ALIPAY_APP_ID": "2021000000000000",
        "ALIPAY_PRIVATE_KEY": private_pem(keys.merchant),
        "ALIPAY_PUBLIC_KEY": public_pem(keys.alipay.public_key()),
    }


@pytest.fixture
def app(merchant_config: dict[str, Any]) -> Flask:
    """The merchant's."""
    return make_app(**merchant_config)


@pytest.fixture
def in_app(app: Flask) -> Run:
    """``flask alipay``."""

    def run(*args: str, stdin: bytes | None = None) -> Result:
        result: Result = app.test_cli_runner().invoke(args=("alipay", *args), input=stdin)
        return result

    return run
