"""Fixtures: the example shop."""

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

from ..compiled import create_tables
from .buyer import Buyer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own configuration from the environment."""
    for name in os.environ:
        if name.startswith(("ALIPAY_", "FLASK_", "SQLALCHEMY_")) or name == "SECRET_KEY":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shop() -> Iterator[ModuleType]:
    """The package ``examples/shop``, with the name that ``flask --app`` uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        shop = importlib.import_module("shop")
        db = shop.models.db
        patch.setattr(db, "create_all", lambda: create_tables(db.metadata, db.engine))
        yield shop


@pytest.fixture
def open_shop(
    shop: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    """Create shops with a temporary instance folder, and close their databases afterwards."""
    apps: list[Flask] = []
    # Keys are slow to generate: reuse those of the process.
    monkeypatch.setitem(merchant._merchants, tmp_path / "instance", merchant.get_merchant())

    def make(config: Mapping[str, Any] | None = None) -> Flask:
        app: Flask = shop.create_app(config, instance_path=str(tmp_path / "instance"))
        apps.append(app)
        return app

    yield make
    for app in apps:
        dispose(app)


@pytest.fixture
def app(open_shop: Callable[..., Flask]) -> Flask:
    """The shop with its defaults."""
    return open_shop()


@pytest.fixture
def buyer(app: Flask) -> Buyer:
    """A buyer in that shop."""
    return Buyer(app)


def dispose(app: Flask) -> None:
    """Close an app's connections; an open one would be a warning, and so an error."""
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
