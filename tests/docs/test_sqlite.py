"""The configuration for SQLite on the page about reliability."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from .reading import code_blocks, page, section

_RECIPE = section(page("reliability.rst"), "SQLite")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.sqlite"


@pytest.fixture
def worker(file: Path) -> Iterator[Callable[[], tuple[Flask, SQLAlchemy]]]:
    """Create an app with the file, configured as the page says, as each worker does."""
    started: list[tuple[Flask, SQLAlchemy]] = []

    def start() -> tuple[Flask, SQLAlchemy]:
        app, db = Flask(__name__), SQLAlchemy()
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{file}"
        db.init_app(app)
        exec("\n".join(code_blocks(_RECIPE)), {"app": app, "db": db})
        started.append((app, db))
        return app, db

    yield start
    for app, db in started:
        with app.app_context():
            db.engine.dispose()


def test_a_worker_opens_a_new_file_while_another_uses_it(
    file: Path, worker: Callable[[], tuple[Flask, SQLAlchemy]]
) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE orders (number INTEGER)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM orders").fetchall()  # a lock that only a switch waits for
        app, db = worker()
        with app.app_context():
            assert db.session.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0


def test_init_db_stores_wal_mode_in_the_file(
    file: Path, worker: Callable[[], tuple[Flask, SQLAlchemy]]
) -> None:
    app, _ = worker()
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_every_connection_waits_twenty_seconds_for_the_lock(
    worker: Callable[[], tuple[Flask, SQLAlchemy]],
) -> None:
    app, db = worker()
    with app.app_context():
        assert db.session.execute(text("PRAGMA busy_timeout")).scalar_one() == 20_000
        assert db.session.execute(text("PRAGMA synchronous")).scalar_one() == 1


def test_the_page_warns_of_gevent_with_sqlite() -> None:
    assert "gevent" in _RECIPE
