"""Fixtures: the shop of the README, and the documentation as HTML."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from flask.cli import ScriptInfo

from ..requirements import missing
from .reading import README, ROOT, code_blocks

SPHINX = (sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html")


@pytest.fixture
def tea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The README's shop as a module with its ``app``, and a database for one test."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"tea_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(code_blocks(README)[0], encoding="utf-8")
    app = ScriptInfo(app_import_path=str(path)).load_app()
    module = __import__(name)
    monkeypatch.setattr(module, "app", app, raising=False)
    yield module
    with app.app_context():
        module.db.engine.dispose()


def require_sphinx() -> None:
    """Skip the test unless Sphinx, its extensions and the theme are installed."""
    for name in ("sphinx", "furo", "jieba", "sphinx_copybutton", "sphinx_design"):
        if find_spec(name) is None:
            missing(f"{name} is not installed: python -m pip install -e '.[docs]'")


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The documentation in both languages, built once for all workers of a run."""
    require_sphinx()
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "html"
    with (folder.parent / "html.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            build(folder / "zh_CN", "-D", "language=zh_CN")
            build(folder)
    return folder


def build(folder: Path, *options: str, source: Path = ROOT / "docs") -> None:
    """Build a documentation; a warning fails."""
    command = [*SPHINX, *options, source, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
