"""Layout: packages, imports between them, sizes and names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import flask_alipay

PACKAGE = Path(flask_alipay.__file__).parent

#: Layers from the bottom up; a file imports only from its own layer and from those below it.
LAYERS = [
    {"exceptions"},
    {"keys", "signer", "protocol"},
    {"gateways", "simulator"},
    {"models", "signals"},
    {"settings", "config"},
    {"diagnosis"},
    {"ledger"},
    {"merchant"},
    {"operations"},
    {"blueprint"},
    {"admin"},
    {"testing"},
    {"cli", "__main__"},
]
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}
ENTRY_POINTS = {"__init__", "_distribution", "_version"}

#: Layers that may import Flask; the others import it for types alone.
MAY_IMPORT_FLASK = {"cli", "__main__", "testing", "admin", "blueprint", "merchant"}

#: What the simulator shares: code shared with the gateways would hide the same mistake on both
#: sides.
SHARED_WITH_SIMULATOR = {"protocol", "signer", "keys", "exceptions", "_version"}

#: Files that may import the simulator.
IMPORT_SIMULATOR = {
    "cli.key_folder",
    "cli.simulate",
    "cli.simulate_instructions",
    "cli.trigger",
    "cli.trigger_sender",
    "blueprint.embedded_simulator",
    "testing",
}

#: Slow to import, and not needed before there is something to send, to draw or to read.
NOT_AT_IMPORT = ["requests", "waitress", "segno", "defusedxml", "cryptography.x509", "flask_admin"]

FORBIDDEN_WORDS = {"util", "utils", "misc", "common", "stuff"}

FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(file: Path) -> ast.Module:
    """Parse a file once for all rules."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file."""
    return tuple(ast.walk(tree_of(file)))


def name_of(file: Path) -> str:
    """Return a file's dotted name below the package."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def layer_name(file: Path) -> str:
    """Return the module or package directly below the root that a file belongs to."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node below, except what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from at_run_time(other)
        else:
            yield child
            yield from at_run_time(child)


def imports_of(file: Path, *, types: bool = False) -> Iterator[str]:
    """Yield the absolute names that a file imports.

    :param types: also what is imported for the type checker alone.
    """
    within = ["flask_alipay", *file.relative_to(PACKAGE).parts[:-1]]
    for node in nodes_of(file) if types else at_run_time(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = within[: len(within) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # ``from . import name`` imports a module, ``from .module import name`` a name of it.
            yield from (f"{source}.{alias.name}" for alias in node.names)


def layers_imported_by(file: Path) -> set[str]:
    """Return the layers of the package that a file imports from, except its own."""
    names = (name.split(".") for name in imports_of(file, types=True))
    found = {parts[1] for parts in names if parts[0] == "flask_alipay" and len(parts) > 1}
    return found - {layer_name(file)}


def imported_files(file: Path, files: dict[str, Path]) -> set[Path]:
    """Return the files of the package that a file imports."""
    found = set()
    for name in imports_of(file, types=True):
        parts = name.split(".")
        for length in (len(parts), len(parts) - 1):
            if length and (target := files.get(".".join(parts[:length]))) is not None:
                found.add(target)
                break
    return found - {file}


def violations(
    find: Callable[[Path], Iterable[object]], files: Iterable[Path] = FILES
) -> dict[str, list[object]]:
    """Return what violates a rule, by the name of the file. One test for each file and rule would
    be thousands, which take longer to collect than to run.
    """
    found = {name_of(file): list(find(file)) for file in files}
    return {name: wrong for name, wrong in found.items() if wrong}


def test_a_file_belongs_to_a_layer() -> None:
    assert {layer_name(file) for file in FILES} <= LAYER_OF.keys() | ENTRY_POINTS


def test_a_file_imports_only_from_lower_layers() -> None:
    def upward(file: Path) -> set[str]:
        own = LAYER_OF[layer_name(file)]
        return {
            name
            for name in layers_imported_by(file) - {"_distribution", "_version"}
            if LAYER_OF.get(name, len(LAYERS)) > own
        }

    assert violations(upward, (f for f in FILES if layer_name(f) in LAYER_OF)) == {}


def test_no_files_import_each_other_in_a_cycle() -> None:
    files = {
        f"flask_alipay.{name_of(file)}".removesuffix(".__init__"): file
        for file in FILES
        if file.name != "__init__.py"
    }
    graph = {file: imported_files(file, files) for file in files.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(name_of(file) for file in error.args[1]))


def test_flask_is_imported_in_few_layers() -> None:
    import_flask = {
        name_of(file)
        for file in FILES
        if "flask" in {name.split(".")[0] for name in imports_of(file)}
        and layer_name(file) not in MAY_IMPORT_FLASK
    }
    assert {name for name in import_flask if not name.startswith("simulator.web")} == set()


def test_the_simulator_shares_only_the_pure_packages() -> None:
    simulator = [file for file in FILES if layer_name(file) == "simulator"]
    assert simulator
    assert violations(lambda f: layers_imported_by(f) - SHARED_WITH_SIMULATOR, simulator) == {}


def test_the_simulator_is_imported_by_few_files() -> None:
    others = {
        name_of(file)
        for file in FILES
        if layer_name(file) != "simulator" and "simulator" in layers_imported_by(file)
    }
    assert others <= IMPORT_SIMULATOR


def test_a_file_has_at_most_400_lines() -> None:
    lines = {name_of(file): len(file.read_text("utf-8").splitlines()) for file in FILES}
    assert {name: number for name, number in lines.items() if number > 400} == {}


def test_a_function_has_at_most_50_lines() -> None:
    def long(file: Path) -> list[str]:
        return [
            node.name
            for node in nodes_of(file)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and (node.end_lineno or 0) - node.lineno >= 50
        ]

    assert violations(long) == {"blueprint.agreement_methods": ["create_agreement"]}


def test_a_file_name_has_no_empty_word() -> None:
    def empty(file: Path) -> set[str]:
        return FORBIDDEN_WORDS.intersection(name_of(file).replace(".", "_").split("_"))

    assert violations(empty) == {}


def test_importing_the_package_is_fast() -> None:
    slow = ", ".join(repr(name) for name in NOT_AT_IMPORT)
    program = f"import sys, flask_alipay; print([n for n in ({slow}) if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[]"


#: Words that no first line of a docstring begins with.
FORBIDDEN_START = re.compile(
    r"(?:What|How|Who|Whose|Whoever|Whom|Whether|That|Where|When|Which|Why|Those|Somebody|Something"
    r"|Returns|Says|Tells|Takes|Gives|Reads|Writes|Sends|Makes|Asks|Checks|Signs|Turns|Proves"
    r"|Raises|Keeps|Answers|Opens|Yields|Adds|Accepts|Shows|Finds|Calls|Builds|Lets|Notes|Moves)\b"
)

#: Words of names for which the field has standard terms.
FORBIDDEN_NAME_WORD = re.compile(
    r"news|told|tell(?:s|ing)?|heard|hears?|asked|ask(?:s|ing)?|said|says?|seals?|desk|errands?"
    r"|messengers?|shelf|shelves|mend(?:ed)?|lately|wish(?:es)?|moments?|whoever|nobody|somebody"
    r"|ours|dearer|most|till"
)

#: Names that applications use already: a column of their tables.
CONTRACT_NAMES = {"asked_at"}

#: Every declared name of a file, by what may follow it, and many other words.
MAY_BE_DECLARED = re.compile(r"\b[^\W\d]\w*\b(?=\s*(?:[-+*/%@&|^<>]*=|[:,)\](\[]|in\b))")


def described(file: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield the modules, classes and functions of a file that have a docstring, with it."""
    for node in nodes_of(file):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node, docstring


def test_a_docstring_begins_with_a_noun_phrase_or_an_imperative() -> None:
    def wrong(file: Path) -> list[str]:
        return [
            docstring.splitlines()[0]
            for _, docstring in described(file)
            if FORBIDDEN_START.match(docstring)
        ]

    assert violations(wrong) == {}


def test_a_docstring_describes_only_present_parameters() -> None:
    def absent(file: Path) -> list[str]:
        return [
            f"{node.name}: {name}"
            for node, docstring in described(file)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for name in re.findall(r"^\s*:param (\w+):", docstring, re.MULTILINE)
            if name not in parameters_of(node)
        ]

    assert violations(absent) == {}


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names of a function's parameters."""
    given = function.args
    several = [each for each in (given.vararg, given.kwarg) if each is not None]
    return {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *several)}


def test_names_use_the_standard_terms() -> None:
    def wrong(file: Path) -> list[str]:
        return [name for name in names_in(file) if has_another_term(name)]

    assert violations(wrong) == {}


def test_names_in_tests_use_the_standard_terms() -> None:
    # Benchmarks and the other SDKs' programs do not yet; a test's name is a sentence.
    folder = Path(__file__).parent
    files = set(folder.rglob("*.py")) - set(folder.glob("benchmarks/**/*.py"))
    files -= set(folder.glob("oracles/programs/*.py"))

    def wrong(names: Iterable[str]) -> set[str]:
        return {n for n in names if not n.startswith("test_") and has_another_term(n)}

    # Parsing takes seconds: most files have no such word where a name may be declared.
    suspects = [f for f in files if wrong(MAY_BE_DECLARED.findall(f.read_text("utf-8")))]
    found = {str(file.relative_to(folder)): wrong(declared_in(file)) for file in suspects}
    assert {file: names for file, names in found.items() if names} == {}


@cache
def has_another_term(name: str) -> bool:
    """Return whether a name has a word for which the field has a standard term."""
    words = words_of(name)
    return name not in CONTRACT_NAMES and any(map(FORBIDDEN_NAME_WORD.fullmatch, words))


def names_in(file: Path) -> Iterator[str]:
    """Yield the names of a file and of what it declares."""
    yield from name_of(file).split(".")
    yield from declared_in(file)


def declared_in(file: Path) -> Iterator[str]:
    """Yield the names of classes, functions, parameters, variables and attributes."""
    for node in nodes_of(file):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def words_of(name: str) -> set[str]:
    """Return the words of a name in snake case or camel case, in lower case."""
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))


def test_a_public_class_name_has_one_owner() -> None:
    owners: dict[str, set[str]] = {}
    for file in FILES:
        for node in tree_of(file).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                # The two protocols may share a name.
                package = re.sub(r"\.(?:mapi|openapi)\..*", "", name_of(file))
                owners.setdefault(node.name, set()).add(package)
    assert {name: files for name, files in owners.items() if len(files) > 1} == {}


def test_a_package_describes_its_modules() -> None:
    def missing(package: Path) -> set[str]:
        described_in = ast.get_docstring(tree_of(package)) or ""
        modules = {each.stem for each in package.parent.glob("*.py")} - {"__init__"}
        return {each for each in modules if f"``{each}``" not in described_in}

    packages = [f for f in FILES if f.name == "__init__.py" and f.parent != PACKAGE]
    assert packages
    assert violations(missing, packages) == {}
