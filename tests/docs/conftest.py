"""Fixtures: the shop of the README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flask.cli import ScriptInfo

from .reading import README, code_blocks


@pytest.fixture
def tea(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The README's shop and its test in one module, with a database for one test."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"tea_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text("\n\n".join(code_blocks(README)), encoding="utf-8")
    app = ScriptInfo(app_import_path=str(path)).load_app()
    module = __import__(name)
    assert module.app is app
    yield module
    with app.app_context():
        module.db.engine.dispose()
