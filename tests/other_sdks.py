"""Other SDKs for Alipay, each in a separate, cached environment, called with JSON.

They cannot be installed together (three of them install a module called ``alipay``), and one is
written in JavaScript. ``FLASK_ALIPAY_PEERS`` names the folder of the environments, by default below
the temporary folder. ``FLASK_ALIPAY_PEERS_PYTHON`` names the Python for creating them, so that runs
of the suite on several versions share them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from .requirements import missing

VARIABLE = "FLASK_ALIPAY_PEERS"
_READY = "ready"
# A registry may be slow, and one of the SDKs has twenty thousand files.
_TIMEOUT = 300


def python_peer(*requirements: str) -> Path:
    """Return the Python of an environment with these packages; skip the test without one."""

    def build(folder: Path) -> None:
        # To install pip takes longer than an SDK: use the one beside the tests, if it is able to.
        separate = _pip_installs_elsewhere()
        _run(program, "-m", "venv", *(["--without-pip"] if separate else []), folder)
        python = folder / "bin" / "python"
        pip: list[str | Path] = (
            [sys.executable, "-m", "pip", "--python", python] if separate else [python, "-m", "pip"]
        )
        options = ("--disable-pip-version-check", "-q", "--no-compile")
        _run(*pip, "install", *options, *requirements)

    program = os.environ.get(f"{VARIABLE}_PYTHON") or sys.executable
    return _kept((program, *requirements), build) / "bin" / "python"


def _pip_installs_elsewhere() -> bool:
    """Return whether there is a pip of 22.3 or later, which has the option ``--python``."""
    try:
        numbers = metadata.version("pip").split(".")
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, numbers[:2])) >= (22, 3)


def node_peer(*packages: str) -> Path:
    """Return the folder of a Node.js project with these packages; skip the test without one."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node.js is not installed")

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=folder)

    return _kept(("node", *packages), build)


def call(program: list[str | Path], question: Any) -> Any:
    """Run a program that reads JSON and writes JSON.

    :param program: the program with its arguments.
    :param question: the input.
    :returns: the output.
    """
    done = subprocess.run(
        program,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        encoding="utf-8",
        # A proxy of the machine's has nothing to do between two of its own processes.
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONIOENCODING": "utf-8"},
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def _kept(what: tuple[str, ...], build: Callable[[Path], None]) -> Path:
    """Return the folder; the first process builds it, others wait."""
    named = os.environ.get(VARIABLE)
    kept = Path(named or Path(tempfile.gettempdir()) / f"flask-alipay-peers-{os.getuid()}")
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kept.stat().st_uid != os.getuid():
        missing(f"{kept} is somebody else's ({VARIABLE} names another folder)")
    name = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
    folder = kept / name
    with (kept / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                build(folder)
            except (OSError, subprocess.SubprocessError) as error:
                shutil.rmtree(folder, ignore_errors=True)
                missing(f"{' '.join(what[1:])} cannot be installed ({type(error).__name__})")
            (folder / _READY).touch()
    return folder


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(
        command,
        check=True,
        cwd=cwd,
        timeout=_TIMEOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
