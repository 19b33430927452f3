"""Other people's SDKs, each in an environment of its own: built once, kept, and asked in JSON.

They cannot live in ours (three of them install a module called ``alipay``), and one of them is not
even Python. ``FLASK_ALIPAY_PEERS`` names the folder that keeps the environments; without it they
are below the temporary folder. ``FLASK_ALIPAY_PEERS_PYTHON`` names the Python that they are made
with, so that a suite which is run on several needs them once.
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
from pathlib import Path
from typing import Any

from .requirements import missing

VARIABLE = "FLASK_ALIPAY_PEERS"
_READY = "ready"
# A registry may be slow, and one of the SDKs has twenty thousand files.
_PATIENCE = 300


def python_peer(*requirements: str) -> Path:
    """Returns the Python of an environment with these packages; skips the test without one."""

    def build(folder: Path) -> None:
        _run(program, "-m", "venv", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "-q", "--no-compile", *requirements)

    program = os.environ.get(f"{VARIABLE}_PYTHON") or sys.executable
    return _kept((program, *requirements), build) / "bin" / "python"


def node_peer(*packages: str) -> Path:
    """Returns the folder of a Node.js project with these packages; skips the test without one."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node.js is not installed")

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=folder)

    return _kept(("node", *packages), build)


def ask(program: list[str | Path], question: Any) -> Any:
    """Runs a program that reads JSON and writes JSON.

    :param program: with its arguments.
    :param question: what it is told.
    :returns: what it says.
    """
    done = subprocess.run(
        program,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        encoding="utf-8",
        # A proxy of the machine's has nothing to do between two of its own processes.
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONIOENCODING": "utf-8"},
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def _kept(what: tuple[str, ...], build: Callable[[Path], None]) -> Path:
    """Returns the folder, built by whoever comes first; others wait."""
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
        timeout=_PATIENCE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
