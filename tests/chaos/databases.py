"""Database servers of the rig's own, which it may kill without hurting anybody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

_TIMEOUT = 90.0


class Missing(Exception):
    """Raised if the machine lacks a program that starts a server."""


class Sqlite:
    """A file: there is no server to disconnect or to restart."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shop.sqlite"
        self.url = f"sqlite:///{self._file}"

    def start(self) -> None:
        """Switch the new file to WAL mode before a worker opens it.

        SQLite does not apply its busy timeout to the switch: done by the workers, it fails with
        "database is locked" as soon as two of them open the file at the same moment.
        """
        with contextlib.closing(sqlite3.connect(self._file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def cut(self) -> int:
        return 0

    def crash(self) -> bool:
        return False

    def stop(self) -> None:
        pass


class _Server(ABC):
    user = ""
    connections = ""
    kill = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "server"
        self.folder.mkdir()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.server_url = ""
        if os.geteuid() == 0:
            folder.chmod(0o755)
            shutil.chown(self.folder, self.user)

    def as_user(self) -> list[str]:
        """Servers refuse to run as root."""
        return ["runuser", "-u", self.user, "--"] if os.geteuid() == 0 else []

    def run(self, *command: str) -> None:
        done = subprocess.run(
            [*self.as_user(), *command], capture_output=True, cwd=self.folder, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.decode()[-500:]}")

    def launch(self, *command: str) -> None:
        until = time.monotonic() + _TIMEOUT
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                # Or again: what is left of a killed server may still be in its way.
                self.process = subprocess.Popen(
                    [*self.as_user(), *command],
                    cwd=self.folder,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            time.sleep(0.1)
            with contextlib.suppress(SQLAlchemyError):
                self.execute("SELECT 1")
                return
        raise RuntimeError(f"{command[0]} does not answer")

    def execute(self, statement: str) -> list[int]:
        engine = create_engine(self.server_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = connection.execute(text(statement))
            return [row[0] for row in found] if found.returns_rows else []

    def cut(self) -> int:
        """Ends one of the shop's connections from the server's side."""
        with contextlib.suppress(SQLAlchemyError):
            for number in self.execute(self.connections):
                self.execute(self.kill.format(number))
                return 1
        return 0

    def crash(self) -> bool:
        """Kill the server and start it again; committed data must survive."""
        self._kill(signal.SIGKILL)
        self.start_again()
        return True

    @abstractmethod
    def start_again(self) -> None:
        """Start the killed server on the same data."""

    def stop(self) -> None:
        self._kill(signal.SIGKILL)

    def _kill(self, how: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            self.process.wait(30)
            self.process = None


class PostgreSql(_Server):
    """Cluster created by ``initdb``."""

    user = "postgres"
    connections = (
        "SELECT pid FROM pg_stat_activity WHERE datname = 'shop' ORDER BY random() LIMIT 1"
    )
    kill = "SELECT pg_terminate_backend({})"

    def start(self) -> None:
        self.server_url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self.url = self.server_url.replace("/postgres", "/shop").replace("//shop", "//postgres")
        initdb = _program("initdb", "/usr/lib/postgresql/*/bin")
        cluster = str(self.folder / "cluster")
        self.run(initdb, "-D", cluster, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start_again()
        self.execute("CREATE DATABASE shop")

    def start_again(self) -> None:
        postgres = _program("postgres", "/usr/lib/postgresql/*/bin")
        self.launch(
            *(
                postgres,
                "-D",
                str(self.folder / "cluster"),
                "-p",
                str(self.port),
                "-h",
                "127.0.0.1",
            ),
            *("-k", str(self.folder), "-c", "max_connections=60"),
        )


class MariaDb(_Server):
    """Data folder created by ``mariadb-install-db``."""

    user = "mysql"
    connections = (
        "SELECT id FROM information_schema.processlist WHERE db = 'shop' ORDER BY rand() LIMIT 1"
    )
    kill = "KILL {}"

    def start(self) -> None:
        self.server_url = f"mysql+pymysql://rig@127.0.0.1:{self.port}/"
        self.url = f"{self.server_url}shop"
        install = _program("mariadb-install-db", "/usr/bin")
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS 'rig'@'127.0.0.1';\n"
            "GRANT ALL ON *.* TO 'rig'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        (self.folder / "init.sql").chmod(0o644)
        self.run(install, "--no-defaults", f"--datadir={self.folder / 'cluster'}", "--skip-test-db")
        self.start_again()

    def start_again(self) -> None:
        mariadbd = _program("mariadbd", "/usr/sbin")
        self.launch(
            *(mariadbd, "--no-defaults", f"--datadir={self.folder / 'cluster'}"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1"),
            *(f"--socket={self.folder / 'sock'}", f"--pid-file={self.folder / 'pid'}"),
            *("--skip-name-resolve", f"--init-file={self.folder / 'init.sql'}"),
            "--innodb-buffer-pool-size=64M",
        )


Database: TypeAlias = "Sqlite | PostgreSql | MariaDb"

DATABASES: dict[str, type[Sqlite] | type[PostgreSql] | type[MariaDb]] = {
    "sqlite": Sqlite,
    "postgresql": PostgreSql,
    "mariadb": MariaDb,
}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _program(name: str, folder: str) -> str:
    for place in sorted(Path("/").glob(folder.lstrip("/")), reverse=True):
        if (place / name).exists():
            return str(place / name)
    found = shutil.which(name)
    if found is None:
        raise Missing(f"there is no {name}")
    return found
