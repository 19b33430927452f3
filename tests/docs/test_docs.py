"""The documentation's statements about the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Table

import flask_alipay
from flask_alipay import exceptions
from flask_alipay.cli import APP_COMMANDS, STANDALONE, _load
from flask_alipay.exceptions import NotificationRefused
from flask_alipay.ledger import transitions
from flask_alipay.models import (
    AgreementMixin,
    AuthorizationMixin,
    NotificationMixin,
    PaymentMixin,
    RefundMixin,
    TransferMixin,
)
from flask_alipay.simulator.notifications.sender import RETRY_SCHEDULE

from ..conftest import Keys
from ..looped import for_each
from .reading import ROOT, code_blocks, page, reference, rows, section, words
from .settings_read import settings_read

PACKAGE = Path(flask_alipay.__file__).parent
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.rst"))

# The shop of the test in the documentation.
SHOP = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_alipay import AlipayBlueprint, PaymentMixin

db = SQLAlchemy()

class Payment(PaymentMixin, db.Model):
    shipped = db.Column(db.Boolean, default=False)

alipay = AlipayBlueprint(db, Payment)

@alipay.on_paid
def ship(payment):
    payment.shipped = True

def create_app(config):
    app = Flask(__name__)
    app.config.update(config)
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    return app
"""


def subclasses_of(error: type[NotificationRefused]) -> set[type[NotificationRefused]]:
    below = {kind for child in error.__subclasses__() for kind in subclasses_of(child)}
    return {error, *below}


def test_every_rejection_is_documented_with_its_status() -> None:
    documented = {
        (name, reason, int(status))
        for name, reason, status in re.findall(
            r"^    :exc:`~flask_alipay\.exceptions\.(\w+)`, ``(\w+)``, (\d+), ",
            page("notify.rst"),
            flags=re.MULTILINE,
        )
    }
    kinds = subclasses_of(NotificationRefused) - {NotificationRefused}
    defined = {kind for kind in kinds if kind.__module__ == exceptions.__name__}
    assert documented == {(kind.__name__, kind.reason, kind.status) for kind in defined}


def outcomes() -> set[str]:
    """Return the outcomes that the ledger writes: of its table, and of its rejections."""
    without_event = {
        cell for cell in transitions.TRANSITIONS.values() if not transitions.parse_events(cell)
    }
    tree = ast.parse((PACKAGE / "ledger" / "ledger.py").read_text(encoding="utf-8"))
    rejected = {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "record_refusal"
        and isinstance(node.args[1], ast.Constant)
    }
    return {"settled", *without_event, *map(str, rejected)}


def test_every_outcome_is_documented_with_its_response() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows(section_of_the_journal())}
    accepted = {"settled", *transitions.TRANSITIONS.values()}
    assert set(documented) == outcomes()
    successes = {name for name, response in documented.items() if response == "success"}
    assert successes == outcomes() & accepted


def section_of_the_journal() -> str:
    return section(page("notify.rst"), "The journal")


def test_the_docstring_of_the_journal_names_every_outcome() -> None:
    assert outcomes() <= words(NotificationMixin.__doc__ or "")


def test_the_table_of_transitions_is_taken_from_the_source() -> None:
    options = section(page("notify.rst"), "State transitions")
    start, end = re.findall(r":(?:start-after|end-before): (.+)", options)
    source = (PACKAGE / "ledger" / "transitions.py").read_text(encoding="utf-8")
    shown = source.partition(start)[2].partition("\n")[2].partition(end)[0].rpartition("\n")[0]
    header, *lines = shown.strip().splitlines()
    documented = {
        (line.split()[0], reported): cell
        for line in lines
        for reported, cell in zip(header.split(), line.split()[1:], strict=True)
    }
    assert documented == transitions.TRANSITIONS


def test_every_event_is_explained() -> None:
    assert set(transitions.EVENTS) <= words(section(page("notify.rst"), "State transitions"))


def test_the_documented_retries_are_those_of_the_simulator() -> None:
    documented = "4, 10 and 10 minutes, 1, 2, 6 and 15 hours"
    assert documented in " ".join(page("notify.rst").split())
    minutes = [int(wait.total_seconds()) // 60 for wait in RETRY_SCHEDULE]
    assert minutes == [4, 10, 10, 60, 120, 360, 900]


def test_every_setting_is_explained(keys: Keys) -> None:
    documented = words(page("configuration.rst"))
    assert {f"ALIPAY_{name}" for name in settings_read(keys)} - documented <= {
        # Documented as ``ALIPAY_APP_CERT`` …
        "ALIPAY_PUBLIC_CERT",
        "ALIPAY_ROOT_CERT",
    }


def test_no_setting_is_explained_that_is_not_read(keys: Keys) -> None:
    documented = {word for word in words(page("configuration.rst")) if word.startswith("ALIPAY_")}
    assert documented - {"ALIPAY_"} <= {f"ALIPAY_{name}" for name in settings_read(keys)}


def test_every_column_is_explained() -> None:
    columns = section(page("ledger.rst"), "Columns")
    documented = [row[0].strip("`") for row in rows(columns)]
    assert documented == [name for name in PaymentMixin.__annotations__ if name != "id"]
    for mixin in (RefundMixin, NotificationMixin):
        assert set(mixin.__annotations__) - {"id"} <= words(columns)


@pytest.mark.parametrize(
    ("name", "mixin"),
    [
        ("transfer", TransferMixin),
        ("deposit", AuthorizationMixin),
        ("subscription", AgreementMixin),
    ],
)
def test_every_column_of_a_further_class_is_explained(name: str, mixin: type[Any]) -> None:
    columns = words(section(page(f"{name}.rst"), "Columns"))
    assert sorted(set(mixin.__annotations__) - {"id"} - columns) == []


def test_every_constraint_is_named(tea: ModuleType) -> None:
    tables: list[Table] = [model.__table__ for model in (tea.Payment, tea.Refund, tea.Notification)]
    named = {
        str(part.name)
        for table in tables
        for part in (*table.constraints, *table.indexes)
        if part.name is not None
    }
    documented = {row[0].strip("`") for row in rows(section(page("ledger.rst"), "Migrations"))}
    assert documented == named


def test_every_route_is_documented(tea: ModuleType) -> None:
    routes = {
        (f"{method} {rule.rule.removeprefix('/alipay')}", rule.endpoint.removeprefix("alipay."))
        for rule in tea.app.url_map.iter_rules()
        if rule.endpoint.startswith("alipay.")
        for method in (rule.methods or set()) & {"GET", "POST"}
    }
    documented = [tuple(cell.strip("`") for cell in row) for row in rows(page("pages.rst"))]
    assert set(documented) == routes


def test_every_template_is_documented() -> None:
    templates = (PACKAGE / "templates" / "alipay").glob("*.html")
    documented = {word for word in words(page("pages.rst")) if word.endswith(".html")}
    assert documented == {f"alipay/{path.name}" for path in templates}


def test_every_option_of_the_commands_is_documented() -> None:
    commands = map(_load, STANDALONE + APP_COMMANDS, repeat(True))
    options = {
        option
        for command in commands
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert options <= words(page("command-line.rst"))


def test_every_command_is_documented() -> None:
    text = page("command-line.rst")
    assert [name for name in STANDALONE + APP_COMMANDS if f"flask alipay {name}" not in text] == []


def test_the_help_is_what_the_command_prints(tea: ModuleType) -> None:
    runner = tea.app.test_cli_runner()
    printed = runner.invoke(args=["alipay", "--help"], prog_name="flask", terminal_width=78).output
    assert code_blocks(page("command-line.rst"), "text") == [printed.rstrip() + "\n"]


def test_the_reference_contains_every_public_name_of_the_package() -> None:
    text = reference()
    modules = {"annotations", "Any", "TYPE_CHECKING", *(path.stem for path in PACKAGE.iterdir())}
    # pytest adds names that start with "@" to the modules that it rewrites.
    public = {name for name in vars(flask_alipay) if name[0] not in "_@"} - modules
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", text)] == []


@for_each("name", PAGES)
def test_no_page_contains_a_path_of_a_developers_machine(name: str) -> None:
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", page(name))


def test_the_test_in_the_documentation_passes(tmp_path: Path) -> None:
    (tmp_path / "tea.py").write_text(SHOP, encoding="utf-8")
    blocks = [block for block in code_blocks(page("simulator.rst")) if "def test_" in block]
    (tmp_path / "test_tea.py").write_text("\n\n".join(blocks), encoding="utf-8")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_flask_alipay",
            "test_tea.py",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in result.stdout, result.stdout


@for_each("name", [name for name in PAGES if code_blocks(page(name))])
def test_every_code_block_is_python(name: str) -> None:
    for block in code_blocks(page(name)):
        ast.parse(block)
