"""The package refuses to work beside another distribution of the same package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flask_alipay._distribution import OTHER

ROOT = Path(__file__).parents[1]


def install(folder: Path, name: str) -> None:
    """Make a distribution that consists of its metadata."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    (info / "METADATA").write_text(text, encoding="utf-8")


def run(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(map(str, folders))},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["Flask-ALIPAY", "flask-alipay", "Flask_Alipay"])
def test_the_import_fails_beside_the_other_project(name: str, tmp_path: Path) -> None:
    install(tmp_path, name)
    install(tmp_path, "flask-alipay-blueprint")
    done = run("import flask_alipay", tmp_path, ROOT)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith(f"ImportError: {OTHER} and flask-alipay-blueprint are both installed")
    assert "python -m pip uninstall Flask-ALIPAY flask-alipay-blueprint" in error


def test_the_import_works_without_the_other_project(tmp_path: Path) -> None:
    install(tmp_path, "flask-alipay-blueprint")
    done = run("import flask_alipay", tmp_path, ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_explains_that_the_other_project_replaced_the_package(tmp_path: Path) -> None:
    """The other project was installed later, and its ``__init__.py`` overwrote ours."""
    install(tmp_path, "Flask-ALIPAY")
    package = tmp_path / "flask_alipay"
    package.mkdir()
    for path in (ROOT / "flask_alipay").iterdir():
        if path.name != "__init__.py":
            (package / path.name).symlink_to(path)
    (package / "__init__.py").write_text("class Alipay: ...\n", encoding="utf-8")
    done = run("from flask_alipay.cli import main", tmp_path)
    assert done.returncode == 1
    assert f"{OTHER} and flask-alipay-blueprint are both installed" in done.stderr
