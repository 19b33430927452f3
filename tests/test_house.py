"""The floor plan: which module may know which, and how large a room may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_alipay

PACKAGE = Path(flask_alipay.__file__).parent

#: From the ground up: a module imports only from those above it in this list.
ORDER = [
    "exceptions",
    "protocol",
    "probe",
    "charsets",
    "signals",
    "trade_status",
    "china_time",
    "order_number",
    "banks",
    "content_policy",
    "money",
    "keys",
    "signer",
    "certificates",
    "limits",
    "fields",
    "xml_document",
    "transport",
    "signed_request",
    "parameter_names",
    "log_text",
    "forms",
    "notification",
    "return_url",
    "wap_notification",
    "batches",
    "diagnosis",
    "gateways",
    "mapi",
    "openapi",
    "settings",
    "config",
    "models",
    "rejected",
    "transitions",
    "drivers",
    "kept_open",
    "callbacks",
    "ledger",
    "simulator",
    "blueprint",
    "testing",
    "cli",
    "__main__",
]
#: The front door and the number on it.
DOORS = ["__init__", "_version"]

#: Where Flask may be imported; elsewhere for types alone.
MAY_KNOW_FLASK = {"simulator", "cli", "__main__", "blueprint", "testing"}

#: The simulator is the other side: what it shares with ours, it would get wrong the same way.
SIMULATOR_MAY_KNOW = {
    "protocol",
    "content_policy",
    "exceptions",
    "charsets",
    "trade_status",
    "china_time",
    "banks",
    "money",
    "keys",
    "signer",
    "limits",
    "signed_request",
}

#: Heavy, and not needed before there is something to send, to draw or to read.
NOT_AT_IMPORT = ["requests", "waitress", "segno", "defusedxml", "cryptography.x509"]

FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "manager", "handler", "handlers"}

FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def room_of(file: Path) -> str:
    """The module or package directly below the root that a file belongs to."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, but for what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from at_run_time(other)
        else:
            yield child
            yield from at_run_time(child)


def imports_of(file: Path) -> Iterator[str]:
    """The absolute names that a file imports, ``flask_alipay.`` and all."""
    within = ["flask_alipay", *file.relative_to(PACKAGE).parts[:-1]]
    for node in at_run_time(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = within[: len(within) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # ``from . import name`` imports a module, ``from .module import name`` a name of it.
            yield from (f"{source}.{alias.name}" for alias in node.names)


def rooms_known_to(file: Path) -> set[str]:
    """The modules of ours that a file imports from, its own package aside."""
    ours = (name.split(".") for name in imports_of(file) if name.startswith("flask_alipay."))
    return {parts[1] for parts in ours} - {room_of(file)}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_module_has_its_place(file: Path) -> None:
    assert room_of(file) in ORDER + DOORS


@pytest.mark.parametrize("file", [file for file in FILES if room_of(file) in ORDER], ids=name_of)
def test_a_module_imports_only_from_those_above(file: Path) -> None:
    above = {*ORDER[: ORDER.index(room_of(file))], "_version"}
    assert rooms_known_to(file) <= above


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_flask_is_known_in_few_rooms(file: Path) -> None:
    known = {name.split(".")[0] for name in imports_of(file)}
    assert room_of(file) in MAY_KNOW_FLASK or "flask" not in known


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "simulator"], ids=name_of)
def test_the_simulator_does_not_look_at_our_cards(file: Path) -> None:
    assert rooms_known_to(file) <= SIMULATOR_MAY_KNOW


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_is_read_at_a_sitting(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_function_is_read_at_a_glance(file: Path) -> None:
    long = [
        node.name
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and lines_of_code(node) > 50
    ]
    assert long == []


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines without the docstring: a contract may be as long as it has to be."""
    last = function.end_lineno or function.lineno
    contract = function.body[0] if ast.get_docstring(function) else None
    told = 0 if contract is None else (contract.end_lineno or 0) - contract.lineno + 1
    return last - function.lineno + 1 - told


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_is_named_for_what_it_is(file: Path) -> None:
    words = name_of(file).replace(".", "_").split("_")
    assert not FORBIDDEN_WORDS.intersection(words)


def test_importing_the_package_is_cheap() -> None:
    heavy = ", ".join(repr(name) for name in NOT_AT_IMPORT)
    program = f"import sys, flask_alipay; print([n for n in ({heavy}) if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[]"
