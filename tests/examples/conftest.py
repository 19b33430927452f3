"""The examples, loaded as a reader would run them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask

from flask_alipay.simulator.merchant import merchant

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's owner has configured is no business of these tests."""
    for name in os.environ:
        if name.startswith(("ALIPAY_", "FLASK_", "SQLALCHEMY_")) or name == "SECRET_KEY":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shop() -> Iterator[ModuleType]:
    """The package ``examples/shop``, under the name that ``flask --app`` gives it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        yield importlib.import_module("shop")


@pytest.fixture
def open_shop(
    shop: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    """Makes shops whose instance folder is the test's own, and closes their databases after it."""
    apps: list[Flask] = []
    # Keys are slow to make: the folder has those of the process.
    monkeypatch.setitem(merchant._merchants, tmp_path / "instance", merchant.get_merchant())

    def make(config: Mapping[str, Any] | None = None) -> Flask:
        app: Flask = shop.create_app(config, instance_path=str(tmp_path / "instance"))
        apps.append(app)
        return app

    yield make
    for app in apps:
        dispose(app)


def dispose(app: Flask) -> None:
    """Closes an app's connections: a test that leaves one open is a warning, and so an error."""
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
