"""The page about the architecture names the packages, modules and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_alipay

from .reading import ROOT, page, words

PACKAGE = Path(flask_alipay.__file__).parent
#: The package's own entry and what the packaging needs.
OMITTED = {"__init__.py", "_version.py", "py.typed"}
PAGES = [*(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.rst")), "README.rst"]


def test_the_page_names_every_package_and_public_module() -> None:
    named = {word.rstrip("/") for word in words(page("architecture.rst"))}
    parts = {path.name for path in PACKAGE.iterdir()} - OMITTED - {"__pycache__"}
    assert parts - named == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_file_of_the_package_that_a_page_names_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    roots = "|".join(path.name for path in PACKAGE.iterdir() if path.is_dir())
    named = re.findall(rf"``((?:flask_alipay|{roots})/[\w/.]*)``", text)
    assert [
        path
        for path in named
        if not (PACKAGE / path.removeprefix("flask_alipay/")).exists()
        and not (ROOT / path).exists()
    ] == []
