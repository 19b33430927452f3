"""Empty databases of each kind, for one run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from ..services import MARIADB, POSTGRESQL
from .verdicts import not_measured

KINDS = ("sqlite", "postgresql", "mariadb")

_DEFAULTS = {"postgresql": POSTGRESQL, "mariadb": MARIADB}


class NoServer(Exception):
    """None answers where one is looked for."""


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """Yield the URL of a database, and drop it at the end.

    :param kind: one of :data:`KINDS`.
    :raises NoServer: if there is no server to create it on.
    """
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shop.sqlite"
            with contextlib.closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            yield f"sqlite:///{file}"
        return
    variable = f"FLASK_ALIPAY_{kind.upper()}"
    server = make_url(os.environ.get(variable) or _DEFAULTS[kind])
    name = f"flask_alipay_race_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        raise NoServer(f"no server answers ({variable} names another)") from None
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}{force}"))


def on_each(what: str, run: Callable[[str], None], kinds: tuple[str, ...]) -> None:
    """Run a benchmark on each available kind of database.

    :param what: the name of the measured quantity.
    :param run: called with the kind.
    :param kinds: the requested kinds; all by default.
    """
    for kind in kinds or KINDS:
        try:
            run(kind)
        except NoServer as error:
            not_measured(f"{what}, {kind}", str(error))
