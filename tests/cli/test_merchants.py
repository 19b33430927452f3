"""The app and the merchant of a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from flask import Blueprint, Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint
from flask_alipay.cli import app_commands, main
from flask_alipay.keys import private_pem, public_pem

from ..conftest import Keys
from ..doubles.models import declare_payment
from .conftest import MD5_KEY


def add_merchant(app: Flask, name: str, number: str, **place: Any) -> AlipayBlueprint:
    """Register another merchant on the legacy gateway."""
    db = SQLAlchemy()

    prefix = name.upper()
    app.config.update({f"{prefix}_PARTNER": number, f"{prefix}_KEY": MD5_KEY})
    alipay = AlipayBlueprint(db, declare_payment(db.Model), name=name, config_prefix=prefix)
    app.register_blueprint(alipay, url_prefix=f"/{name}", **place)
    return alipay


@pytest.fixture
def two_merchants(app: Flask) -> Flask:
    """An app that sells as 'alipay' and as 'alipay_hk'."""
    add_merchant(app, "alipay_hk", "2088000000000000")
    return app


class Site:
    """A module with an app, and ``flask`` for it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, code: str) -> None:
        self.file.write_text(code)

    def run(self, *args: str, **env: str) -> Result:
        obj = ScriptInfo(app_import_path=str(self.file))
        group = FlaskGroup(load_dotenv=False)
        result: Result = CliRunner().invoke(
            group, args, obj=obj, env={"LANGUAGE": "en", **env}, prog_name="flask"
        )
        return result


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty module; Flask's changes to the process are undone."""
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"app_of_{tmp_path.name}"
    yield Site(tmp_path / f"{name}.py")
    sys.modules.pop(name, None)


SHOP = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_alipay import AlipayBlueprint, PaymentMixin

db = SQLAlchemy()

class Payment(PaymentMixin, db.Model):
    pass

alipay = AlipayBlueprint(db, Payment)

@alipay.cli.command("pack")
def pack():
    print("packed")

app = Flask(__name__)
app.config.from_prefixed_env()
app.config.update(SECRET_KEY="a secret of the test", SQLALCHEMY_DATABASE_URI="sqlite://")
app.config["TRUSTED_HOSTS"] = ["localhost"]
db.init_app(app)
{more}
app.register_blueprint(alipay, url_prefix="/alipay")
"""


@pytest.fixture
def shop(site: Site) -> Site:
    """A module with a merchant whose settings come from the environment."""
    site.write(SHOP.replace("{more}", ""))
    return site


MD5 = {"FLASK_ALIPAY_PARTNER": "2088000000000000", "FLASK_ALIPAY_KEY": MD5_KEY}


# The entry point


def test_flask_finds_the_commands_by_an_entry_point() -> None:
    (found,) = entry_points(group="flask.commands", name="alipay")
    assert found.load() is app_commands


def test_the_console_script_runs_the_commands_that_need_no_app() -> None:
    (found,) = entry_points(group="console_scripts", name="flask-alipay")
    assert found.load() is main
    result = CliRunner().invoke(main, ["--help"], prog_name="flask-alipay")
    assert result.stdout.startswith("Usage: flask-alipay ")
    assert "flask-alipay verify-notify captured.txt" in result.stdout


def test_the_blueprint_does_not_import_the_command_line() -> None:
    check = (
        "print([name for name in sys.modules if name.startswith('flask_alipay.cli')])\n"
        "print(app.test_cli_runner().invoke(args=['alipay', 'keygen', '--help']).exit_code)\n"
    )
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\n{SHOP.replace('{more}', '')}{check}",
        ],
        env={**os.environ, **MD5},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n0\n"


def test_flask_runs_a_command_with_the_apps_configuration(shop: Site) -> None:
    assert "partner=2088000000000000" in shop.run("alipay", "sign-url", **MD5).stdout


def test_flask_runs_the_commands_that_the_app_adds_to_the_blueprint(shop: Site) -> None:
    assert shop.run("alipay", "pack", **MD5).stdout == "packed\n"


def test_the_help_lists_the_commands_that_the_app_adds_to_the_blueprint(shop: Site) -> None:
    printed = shop.run("alipay", "--help", **MD5).stdout
    assert "  pack" in printed
    assert "  sign-url" in printed


def test_the_help_needs_no_app(site: Site) -> None:
    site.write("1 / 0")
    result = site.run("alipay", "--help")
    assert result.exit_code == 0
    assert "  doctor" in result.stdout


def test_the_test_runner_runs_the_commands_that_the_app_adds_to_the_blueprint() -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    db = SQLAlchemy(app)

    alipay = AlipayBlueprint(db, declare_payment(db.Model))

    @alipay.cli.command("pack")
    def pack() -> None:
        click.echo("packed")

    app.config.update(ALIPAY_PARTNER="2088000000000000", ALIPAY_KEY=MD5_KEY)
    app.register_blueprint(alipay)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["alipay", "pack"]).stdout == "packed\n"
    assert "sign-url" in runner.invoke(args=["alipay", "--help"]).stdout


def test_the_test_runner_finds_a_nested_merchant() -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config.update(ALIPAY_PARTNER="2088000000000000", ALIPAY_KEY=MD5_KEY)
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    db = SQLAlchemy(app)

    parent = Blueprint("tea", __name__)
    parent.register_blueprint(AlipayBlueprint(db, declare_payment(db.Model)), url_prefix="/alipay")
    app.register_blueprint(parent, url_prefix="/tea")
    for name in ("alipay", "tea.alipay"):
        result = app.test_cli_runner().invoke(args=["alipay", "--merchant", name, "sign-url"])
        assert "partner=2088000000000000" in result.stdout


# Several merchants


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--merchant", "alipay_hk", "sign-url"), "partner=2088000000000000"),
        (("sign-url", "--merchant", "alipay_hk"), "partner=2088000000000000"),
        (("--merchant", "alipay", "sign-url"), "app_id=2021000000000000"),
        (("--merchant", "alipay", "sign-url", "--merchant", "alipay_hk"), "partner="),
    ],
)
def test_an_option_selects_the_merchant(
    two_merchants: Flask, args: tuple[str, ...], expected: str
) -> None:
    result = two_merchants.test_cli_runner().invoke(args=("alipay", *args))
    assert expected in result.stdout


@pytest.mark.parametrize("command", ["sign-url", "payments", "reconcile", "verify-notify"])
def test_with_several_merchants_one_must_be_selected(two_merchants: Flask, command: str) -> None:
    result = two_merchants.test_cli_runner().invoke(args=("alipay", command))
    assert result.exit_code == 2
    assert "Select one with --merchant: alipay, alipay_hk." in result.stderr


def test_a_merchant_that_is_not_registered_is_rejected(two_merchants: Flask) -> None:
    args = ("alipay", "--merchant", "alipay_us", "payments")
    result = two_merchants.test_cli_runner().invoke(args=args)
    assert result.exit_code == 2
    assert "no merchant 'alipay_us' in this app. It has: alipay, alipay_hk." in result.stderr


# Apps without a merchant


@pytest.mark.parametrize("command", ["payments", "sign-url", "reconcile"])
def test_an_app_without_the_blueprint_is_reported(site: Site, command: str) -> None:
    site.write("from flask import Flask\napp = Flask(__name__)\n")
    result = site.run("alipay", command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "This app registers no AlipayBlueprint." in result.stderr


def test_doctor_reports_an_app_without_the_blueprint(site: Site) -> None:
    site.write("from flask import Flask\napp = Flask(__name__)\n")
    result = site.run("alipay", "doctor", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["check"] == "blueprint"


def test_a_command_without_a_merchant_needs_no_app(site: Site, tmp_path: Path) -> None:
    site.write("1 / 0")
    assert site.run("alipay", "keygen", "--out", str(tmp_path / "keys")).exit_code == 0
    assert (tmp_path / "keys").is_dir()


def test_a_bad_configuration_ends_a_command_without_a_traceback(shop: Site) -> None:
    result = shop.run("alipay", "payments", FLASK_ALIPAY_PARTNER="2088000000000000")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'ALIPAY_KEY'" in result.stderr
    assert "'flask alipay doctor' checks the configuration." in result.stderr


# Apps that do not load


def diagnose(site: Site, **env: str) -> dict[str, dict[str, str]]:
    """Return the findings of ``doctor`` by check; one of them fails."""
    result = site.run("alipay", "doctor", "--offline", "--json", **env)
    assert result.exit_code == 1, result.output
    return {found["check"]: found for found in map(json.loads, result.stdout.splitlines())}


def test_doctor_explains_an_invalid_configuration(shop: Site) -> None:
    found = diagnose(shop, FLASK_ALIPAY_APP_ID="2021000000000000")
    assert "'ALIPAY_PRIVATE_KEY'" in found["app"]["message"]
    assert found["private_key"]["level"] == "fail"


def test_doctor_reads_the_configuration_of_an_app_that_does_not_load(
    site: Site, keys: Keys
) -> None:
    settings = {
        "ALIPAY_APP_ID": "2021000000000000",
        "ALIPAY_PRIVATE_KEY": private_pem(keys.merchant),
        # The merchant's own key instead of Alipay's, which is the usual mistake.
        "ALIPAY_PUBLIC_KEY": public_pem(keys.merchant.public_key()),
        "ALIPAY_SIGN_TYPE": "MD5",
    }
    site.write(SHOP.replace("{more}", f"app.config.update({settings!r})"))
    found = diagnose(site)
    assert "'ALIPAY_SIGN_TYPE'" in found["app"]["message"]
    assert found["public_key"]["level"] == "fail"


def test_doctor_reads_the_settings_of_the_merchant_that_fails(site: Site) -> None:
    more = """
class PaymentHk(PaymentMixin, db.Model):
    __tablename__ = "payment_hk"

app.config.update(HK_APP_ID="2021000000000001", ALIPAY_PARTNER="2088000000000000")
app.config.update(ALIPAY_KEY="0123456789abcdef0123456789abcdef")
app.register_blueprint(AlipayBlueprint(db, PaymentHk, name="hk", config_prefix="HK"))
"""
    site.write(SHOP.replace("{more}", more))
    found = diagnose(site)
    assert "'HK_PRIVATE_KEY'" in found["app"]["message"]
    assert found["private_key"]["level"] == "fail"


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("import tea_warehouse", "ModuleNotFoundError", "No module named 'tea_warehouse'"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("raise SystemExit(3)", "SystemExit", "3"),
    ],
)
def test_doctor_names_the_place_where_an_app_fails(
    site: Site, code: str, kind: str, reason: str
) -> None:
    site.write(f"\n\n{code}\n")
    found = diagnose(site)
    assert list(found) == ["app"]
    assert f"{kind} at {site.file.resolve()}:3: {reason}" in found["app"]["message"]


def test_doctor_names_the_place_of_a_syntax_error_but_not_its_line(site: Site) -> None:
    site.write(f'KEY = "{MD5_KEY}\n')
    found = diagnose(site)
    assert f"SyntaxError at {site.file.resolve()}:1" in found["app"]["message"]
    assert MD5_KEY not in json.dumps(found)


def test_doctor_repeats_no_key_of_an_exception(site: Site) -> None:
    site.write(f'raise ValueError("a bad key: {MD5_KEY}")\n')
    assert "a bad key: ***" in diagnose(site)["app"]["message"]


def test_doctor_without_an_app_checks_the_environment(site: Site) -> None:
    found = diagnose(site, FLASK_ALIPAY_APP_ID="2021000000000000")
    assert "Could not import" in found["app"]["message"]
    assert found["private_key"]["level"] == "fail"


def test_the_installed_flask_diagnoses_an_app_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import tea_warehouse\n")
    ran = subprocess.run(
        [sys.executable, "-m", "flask", "alipay", "doctor", "--json"],
        cwd=tmp_path,
        env={**os.environ, "LANGUAGE": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "No module named 'tea_warehouse'" in json.loads(ran.stdout)["message"]
