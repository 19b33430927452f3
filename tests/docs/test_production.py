"""The files of the production guide serve a shop behind nginx and gunicorn."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner

from flask_alipay.cli import app_commands
from flask_alipay.keys import private_pem, public_pem
from flask_alipay.signer import Rsa2Signer, sign_content

from ..chaos.databases import free_port
from ..conftest import Keys
from ..requirements import missing
from .reading import ROOT

DEPLOY = ROOT / "docs" / "deploy"
HOST = "shop.example.com"

pytestmark = pytest.mark.service

SHOP = """
from flask import Flask, redirect
from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()

class Payment(PaymentMixin, db.Model): ...
class Refund(RefundMixin, db.Model): ...
class Notification(NotificationMixin, db.Model): ...

alipay = AlipayBlueprint(db, Payment, Refund, Notification)

@alipay.on_paid
def ship(payment): ...

def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        db.create_all()

    @app.get("/buy")
    def buy():
        payment = alipay.create_payment(
            subject="Tea", total_amount="0.01", out_trade_no="20260131000001"
        )
        db.session.commit()
        return redirect(alipay.checkout_url(payment), code=303)

    return app
"""


@dataclass
class Site:
    """The shop behind nginx, on ports of this machine."""

    folder: Path
    http: int
    https: int
    environment: dict[str, str] = field(repr=False)

    def request(
        self, method: str, path: str, form: dict[str, str] | None = None, *, host: str = HOST
    ) -> tuple[HTTPResponse, str]:
        """Send a request over TLS to the shop's name, with any ``Host``."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPConnection(HOST)
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=30)
        connection.sock = context.wrap_socket(plain, server_hostname=HOST)
        headers = {"Host": host, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(form or {}), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    @property
    def log(self) -> str:
        """The access log."""
        return (self.folder / "access.log").read_text()


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"nothing listens on port {port}")


def environment_of(folder: Path, keys: Keys) -> dict[str, str]:
    """The documented environment, with the keys and the database of this test."""
    lines = (DEPLOY / "environment").read_text().splitlines()
    documented = dict(line.split("=", 1) for line in lines)
    (folder / "merchant.pem").write_text(private_pem(keys.merchant))
    (folder / "alipay.pem").write_text(public_pem(keys.alipay.public_key()))
    return documented | {
        "PATH": "/usr/bin:/bin",
        "FLASK_SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/shop.db",
        "FLASK_ALIPAY_PRIVATE_KEY_PATH": str(folder / "merchant.pem"),
        "FLASK_ALIPAY_PUBLIC_KEY_PATH": str(folder / "alipay.pem"),
    }


def nginx_configuration(folder: Path, http: int, https: int, app: int) -> str:
    """The documented file within a minimal configuration, on ports and files of this test."""
    site = (DEPLOY / "nginx.conf").read_text()
    for documented, here in {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ": f"listen 127.0.0.1:{https} ",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{app}",
        f"/etc/letsencrypt/live/{HOST}": str(folder),
        "/var/log/nginx/shop.log": str(folder / "access.log"),
    }.items():
        assert documented in site
        site = site.replace(documented, here)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )


def _make_certificate(folder: Path) -> None:
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={HOST}".split()
    files = ("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem")
    subprocess.run([*command, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Site]:
    for program in ("nginx", "openssl"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("production")
    http, https, app = free_port(), free_port(), free_port()
    (folder / "shop.py").write_text(SHOP)
    shutil.copy(DEPLOY / "wsgi.py", folder)
    _make_certificate(folder)
    (folder / "nginx.conf").write_text(nginx_configuration(folder, http, https, app))
    environment = environment_of(folder, keys)
    service = (DEPLOY / "shop.service").read_text()
    (command,) = re.findall(r"^ExecStart=\S+/gunicorn (.*)$", service, re.M)
    arguments = command.replace(":8000", f":{app}").split()
    servers = [
        subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments], cwd=folder, env=environment
        ),
        subprocess.Popen(["nginx", "-c", folder / "nginx.conf", "-g", "daemon off;"], cwd=folder),
    ]
    try:
        await_port(app, servers[0])
        await_port(https, servers[1])
        yield Site(folder, http, https, environment)
    finally:
        for server in servers:
            server.terminate()
            server.wait(30)


def test_a_notification_behind_nginx_settles_the_payment(site: Site, keys: Keys) -> None:
    checkout, _ = site.request("GET", "/buy")
    assert checkout.getheader("Location", "").startswith("/alipay/checkout/")
    form = {
        "app_id": "2021000000000000",
        "charset": "utf-8",
        "notify_id": "n1",
        "notify_time": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600)),
        "notify_type": "trade_status_sync",
        "out_trade_no": "20260131000001",
        "total_amount": "0.01",
        "trade_no": "2026013122001499160501586202",
        "trade_status": "TRADE_SUCCESS",
    }
    sign = Rsa2Signer(keys.alipay).sign(sign_content(form))
    response, text = site.request(
        "POST", "/alipay/notify", {**form, "sign": sign, "sign_type": "RSA2"}
    )
    assert (response.status, text) == (200, "success")


def test_an_unsigned_notification_gets_fail(site: Site) -> None:
    response, text = site.request("POST", "/alipay/notify")
    assert (response.status, text) == (400, "fail")


def test_a_request_with_another_host_does_not_reach_the_shop(site: Site) -> None:
    response, text = site.request("GET", "/buy", host="attacker.example")
    assert response.status >= 400
    assert "nginx" in text


def test_a_tls_connection_for_another_name_is_rejected(site: Site) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", site.https), timeout=30) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="attacker.example")


def test_http_redirects_to_https(site: Site) -> None:
    connection = HTTPConnection("127.0.0.1", site.http, timeout=30)
    connection.request("GET", "/buy", headers={"Host": HOST})
    response = connection.getresponse()
    connection.close()
    assert response.status == 301
    assert response.getheader("Location") == f"https://{HOST}/buy"


def test_the_access_log_contains_no_token_and_no_query(site: Site) -> None:
    pages = ("authorize-status", "sign", "sign-status", "result")
    for path in ("return?buyer=anna", *(f"{name}/secret-token" for name in pages)):
        site.request("GET", f"/alipay/{path}")
    end = time.monotonic() + 10
    while "/alipay/result/" not in site.log and time.monotonic() < end:
        time.sleep(0.1)
    assert "/alipay/result/..." in site.log
    assert not re.search("secret-token|anna", site.log)


def test_doctor_finds_no_fault_in_the_documented_environment(site: Site) -> None:
    command = ["flask", "--app", "wsgi", "alipay", "doctor", "--production", "--offline"]
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=site.folder,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 failed" in result.stdout


def test_each_scheduled_command_exists() -> None:
    lines = (DEPLOY / "crontab").read_text().splitlines()
    commands = [line.split(" alipay ")[1].split()[0] for line in lines]
    assert commands == ["reconcile", "bill", "prune"]
    for command in commands:
        result = CliRunner().invoke(app_commands, [command, "--help"])
        assert result.exit_code == 0


def test_the_service_starts_the_documented_module() -> None:
    assert "wsgi:app" in (DEPLOY / "shop.service").read_text()
    assert urlsplit("https://" + HOST).hostname in (DEPLOY / "environment").read_text()
