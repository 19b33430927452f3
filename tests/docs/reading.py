"""Read the documentation's sources: code blocks, tables, sections."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]

README = (ROOT / "README.rst").read_text(encoding="utf-8")


def page(name: str) -> str:
    """Return the source of one page of the documentation."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def reference() -> str:
    """Return the sources of the API reference."""
    return "\n".join(page(path.name) for path in sorted((ROOT / "docs").glob("api*.rst")))


def load_script(path: Path) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_blocks(text: str, language: str = "python") -> list[str]:
    """Return the code blocks of a language, in order."""
    found = re.findall(
        rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text, flags=re.MULTILINE
    )
    return [textwrap.dedent(block).strip() + "\n" for block in found]


def section(text: str, title: str) -> str:
    """Return the text below a title, up to the next title of any level."""
    found = re.search(
        rf"^{re.escape(title)}\n[=-]+\n(.*?)(?=^[^\n]+\n[=-]{{4,}}\n|\Z)",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    assert found is not None, f"there is no section {title!r}"
    return found[1]


def words(text: str) -> set[str]:
    """Return all inline literals: ``like this``."""
    return set(re.findall(r"``([^`]+)``", text))


def rows(text: str) -> list[list[str]]:
    """Return the leading cells of one word of each row of the CSV tables in a text."""
    table = re.findall(r"^    ((?!:header:)(?:[:`\w][^,\n]*, )+)\".*\"$", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in row.rstrip(", ").split(",")] for row in table]
