"""The documentation names only modules, classes and functions that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import flask_alipay

from ..looped import for_each
from .reading import ROOT, page, words

PACKAGE = Path(flask_alipay.__file__).parent
#: The package's own entry and what the packaging needs.
OMITTED = {"__init__.py", "_distribution.py", "_version.py", "py.typed"}
PAGES = [*(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.rst")), "README.rst"]


def test_the_page_names_every_package_and_public_module() -> None:
    named = {word.rstrip("/") for word in words(page("architecture.rst"))}
    parts = {path.name for path in PACKAGE.iterdir()} - OMITTED - {"__pycache__"}
    assert parts - named == set()


@for_each("name", PAGES)
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


@for_each("name", PAGES)
def test_every_reference_to_the_package_can_be_resolved(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    roles = re.findall(
        r":(?:class|func|meth|attr|exc|mod|data):`(?:[^`<]*<)?~?(flask_alipay[\w.]*)>?`", text
    )
    directives = re.findall(r"auto(?:class|function|module):: (flask_alipay[\w.]*)", text)
    assert [target for target in {*roles, *directives} if not exists(target)] == []


def exists(target: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of a module or class."""
    module, names = target, list[str]()
    while True:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            names.insert(0, last)
    for name in names:
        if not hasattr(found, name):
            # The field of a dataclass without a default.
            return name in getattr(found, "__annotations__", {})
        found = getattr(found, name)
    return True
