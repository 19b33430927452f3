"""CONTRIBUTING.rst and SECURITY.rst name commands, files and classes that exist."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import flask_alipay

from ..requirements import missing
from .reading import ROOT, section, words


def source(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


CONTRIBUTING = source("CONTRIBUTING.rst")
NOXFILE = ast.parse(source("noxfile.py"))
PYPROJECT = source("pyproject.toml")
CLASSIFIERS = re.findall(r'^    "(\w[^"]* :: [^"]+)",', PYPROJECT, re.M)

pages = pytest.mark.parametrize("name", ["CONTRIBUTING.rst", "SECURITY.rst"])


def sessions() -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in NOXFILE.body if isinstance(node, ast.FunctionDef)}


def constants(name: str) -> list[str]:
    """Return the texts in the value of a constant of noxfile.py, in order."""
    (value,) = (
        node.value
        for node in NOXFILE.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return [text for text in map(ast.literal_eval, leaves(value)) if isinstance(text, str)]


def leaves(node: ast.AST) -> list[ast.Constant]:
    if isinstance(node, ast.Constant):
        return [node]
    return [leaf for child in ast.iter_child_nodes(node) for leaf in leaves(child)]


def commands(session: str) -> list[str]:
    """Return the commands of a session."""
    return [
        " ".join(ast.literal_eval(argument) for argument in node.args)
        for node in ast.walk(sessions()[session])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "session.run"
    ]


def extras() -> set[str]:
    table = PYPROJECT.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    return set(re.findall(r"^(\w+) = \[", table, re.M))


@pages
def test_a_page_for_contributors_renders_without_sphinx(name: str) -> None:
    try:
        from docutils.core import publish_doctree
    except ImportError:
        missing("docutils is not installed")
    settings = {"report_level": 1, "halt_level": 5, "warning_stream": False}
    document = publish_doctree(source(name), settings_overrides=settings)
    assert [message.astext() for message in document.parse_messages] == []


@pages
def test_a_page_for_contributors_names_only_files_that_exist(name: str) -> None:
    named = {
        word
        for word in words(source(name))
        if re.fullmatch(r"[\w./-]+", word) and ("/" in word or word.endswith((".rst", ".toml")))
    }
    assert {word for word in named if not (ROOT / word).exists()} <= {"dist/", "docs/_build"}


def test_contributing_names_every_nox_session() -> None:
    assert set(re.findall(r"``nox -s (\w+)``", CONTRIBUTING)) == set(sessions())


def test_the_fast_test_command_is_that_of_the_nox_session() -> None:
    arguments = constants("PYTEST") + constants("FAST")
    command = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    assert f"\n\n    {command}\n\n" in CONTRIBUTING


def test_the_fast_tests_exclude_the_same_as_ci_on_other_pythons() -> None:
    again = source(".ci/run").partition("again() {")[2].partition("}\n")[0]
    assert [word for word in constants("FAST") if word not in again] == []


def test_the_fast_tests_ignore_only_folders_that_exist() -> None:
    ignored = [word for word in constants("FAST") if word.startswith("tests/")]
    assert [word for word in ignored if not (ROOT / word).is_dir()] == []


def test_the_commands_install_only_extras_that_exist() -> None:
    installed = re.findall(r"\.\[([\w,]+)\]", CONTRIBUTING + source("noxfile.py"))
    named = {extra for group in installed for extra in group.split(",")}
    assert named <= extras()
    assert named >= {"tests", "checks", "docs"}


def test_each_command_of_ci_that_contributing_names_is_a_file() -> None:
    (script,) = set(re.findall(r"``bash (\S+)``", CONTRIBUTING))
    assert (ROOT / script).is_file()


def test_the_environment_variables_for_tests_are_read() -> None:
    named = set(re.findall(r"FLASK_ALIPAY_[A-Z_]+", section(CONTRIBUTING, "Tests")))
    read = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py"))
    assert {name for name in named if name not in read} == set()


def test_the_classes_for_adding_a_service_exist() -> None:
    named = re.findall(r"``([A-Z]\w+)", section(CONTRIBUTING, "Adding a service"))
    package = Path(flask_alipay.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    assert {name for name in named if not re.search(rf"^class {name}\b", code, re.M)} == set()


def test_the_hooks_run_the_checks_of_the_nox_session() -> None:
    entries = re.findall(r"^ +entry: (.+)$", source(".pre-commit-config.yaml"), re.M)
    hooks = [entry.replace(" --force-exclude", "") for entry in entries]
    assert hooks == [command.removesuffix(" .") for command in commands("checks")]


def test_no_hook_is_fetched_from_elsewhere() -> None:
    assert re.findall(r"repo: (.+)", source(".pre-commit-config.yaml")) == ["local"]


def test_read_the_docs_builds_what_the_nox_session_builds() -> None:
    configuration = source(".readthedocs.yaml")
    (conf,) = re.findall(r"configuration: (\S+)", configuration)
    assert (ROOT / conf).is_file()
    assert set(re.findall(r"^ +- (\w+)$", configuration, re.M)) == {"docs"}
    assert "fail_on_warning: true" in configuration
    english, chinese = commands("docs")
    assert english == "python -m sphinx -q -W -b html docs docs/_build"
    assert chinese.removesuffix("docs/_build/zh_CN") in configuration


def test_ci_builds_the_documentation_that_the_nox_session_builds() -> None:
    built = [
        command.replace('"$work/docs', "docs/_build").replace('"', "")
        for command in re.findall(r"^python -m sphinx .+$", source(".ci/run"), re.MULTILINE)
    ]
    assert built == commands("docs")


def test_the_classifiers_begin_with_the_oldest_supported_python() -> None:
    prefix = "Programming Language :: Python :: 3."
    minors = [int(name.removeprefix(prefix)) for name in CLASSIFIERS if name.startswith(prefix)]
    (oldest,) = re.findall(r'requires-python = ">=3\.(\d+)"', PYPROJECT)
    assert minors == list(range(int(oldest), minors[-1] + 1))


def test_the_classifiers_name_the_languages_that_have_a_catalogue() -> None:
    languages = {name for name in CLASSIFIERS if name.startswith("Natural Language")}
    catalogues = {path.name for path in (ROOT / "flask_alipay" / "locale").iterdir()}
    assert catalogues == {"zh_CN"}
    assert languages == {
        "Natural Language :: English",
        "Natural Language :: Chinese (Simplified)",
    }


@pytest.mark.parametrize("command", ["test_command", "run_command"])
def test_ci_finds_the_commands_of_the_readme(command: str) -> None:
    (search,) = re.findall(
        rf"^{command}=\$\((sed .* README\.rst) \|", source(".ci/run"), re.MULTILINE
    )
    found = subprocess.run(
        ["bash", "-c", search], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("python -m pip install ")
