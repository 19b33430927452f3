"""The example in one file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.cli import ScriptInfo

from .buyer import Buyer
from .conftest import EXAMPLES, dispose


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Load the app from a copy, so that its database is temporary."""
    monkeypatch.syspath_prepend(tmp_path)
    path = shutil.copy(EXAMPLES / "tea.py", tmp_path / f"tea_{tmp_path.name}.py")
    app = ScriptInfo(app_import_path=str(path)).load_app()
    yield app
    dispose(app)


@pytest.fixture
def buyer(app: Flask) -> Buyer:
    return Buyer(app)


def cashier(buyer: Buyer) -> str:
    """Order, and return the path of the cashier page."""
    checkout = urlsplit(buyer.send("/", {}).location).path
    (pay,) = buyer.ways_to_pay(checkout).values()
    gateway = buyer.look(pay).location
    return urlsplit(buyer.look(gateway).location).path


def test_it_has_one_button(buyer: Buyer) -> None:
    assert re.findall(r"<button>(.*?)</button>", buyer.look("/").text) == ["Buy tea: ¥88.88"]


def test_a_paid_order_is_shipped(buyer: Buyer) -> None:
    buyer.send(f"{cashier(buyer)}/pay", {})
    assert "Shipped: 1" in buyer.look("/").text


def test_an_unpaid_order_is_not_shipped(buyer: Buyer) -> None:
    buyer.send(f"{cashier(buyer)}/close", {})
    assert "Shipped: 0" in buyer.look("/").text
