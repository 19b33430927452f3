"""Error pages of the simulator: in the browser's language, and plain text for programs."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from flask_alipay.simulator.web.server import BoundSocket

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORM = "application/x-www-form-urlencoded"
#: What is the same in all languages.
LITERAL = r"Flask-Alipay|/gateway\.do|paid_with|MiB"


@pytest.fixture
def standalone(simulator, monkeypatch) -> Flask:
    """The app of ``flask-alipay simulate``."""
    apps = []
    monkeypatch.setattr(
        "flask_alipay.simulator.web.server.SimulatorServer",
        lambda socket, host, app: (socket.close(), apps.append(app)),
    )
    bound = BoundSocket("127.0.0.1", 0)
    bound.server(simulator)
    bound.close()
    (app,) = apps
    return app


def words(html: str) -> list[str]:
    """Return the English words that a reader sees."""
    seen = re.sub(r"<(style|script|svg)\b.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.findall(r"[A-Za-z]{2,}", re.sub(LITERAL, "", seen))


FAILURES = [
    ("GET", "/cashier/unknown", {}, 404),
    ("GET", "/batch/unknown", {}, 404),
    ("GET", "/bill/unknown", {}, 404),
    ("GET", "/mini-program/1", {}, 404),
    ("GET", "/nowhere", {}, 404),
    ("GET", "/mobile/pay", {}, 405),
    ("POST", "/cashier/unknown/pay", {"data": {"with": "gold"}}, 400),
    ("GET", "/", {"environ_overrides": {"REMOTE_ADDR": "203.0.113.7"}}, 403),
    ("GET", "/gateway.do?app_id=1&app_id=2", {}, 400),
    ("POST", "/gateway.do", {"data": b"a" * 2_000_000, "content_type": FORM}, 413),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), FAILURES)
def test_an_error_page_is_in_chinese_for_a_chinese_browser(
    standalone, method, path, options, status
):
    headers = {"Accept": BROWSER, "Accept-Language": "zh-CN"}
    response = standalone.test_client().open(path, method=method, headers=headers, **options)
    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert words(response.text) == []


def test_a_failure_of_the_simulator_is_a_page_in_chinese(standalone, simulator, monkeypatch):
    def fail(cashier_id: str) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(simulator, "find_by_cashier", fail)
    headers = {"Accept": BROWSER, "Accept-Language": "zh-CN"}
    response = standalone.test_client().get("/cashier/unknown", headers=headers)
    assert (response.status_code, words(response.text)) == (500, [])


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/bill/unknown", 404, "There is no bill here, or no longer."),
        ("/mobile/pay", 405, "This address does not accept the method of the request."),
        ("/nowhere", 404, "The simulator has nothing at this address."),
    ],
)
def test_a_program_gets_a_plain_text(standalone, path, status, text):
    headers = {"Accept": "*/*", "Accept-Language": "zh-CN"}
    response = standalone.test_client().get(path, headers=headers)
    assert (response.status_code, response.mimetype) == (status, "text/plain")
    assert response.text.startswith(text)


def test_a_rejected_method_names_the_methods_that_are_accepted(standalone):
    response = standalone.test_client().get("/mobile/pay")
    assert response.headers["Allow"] == "OPTIONS, POST"
