"""The README's statements, examples and commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flask_alipay.config import Config
from flask_alipay.models import NotificationMixin
from flask_alipay.settings import KNOWN

from ..conftest import Keys
from ..examples.buyer import Buyer
from ..requirements import missing
from .reading import README, ROOT, code_blocks, page, section, words
from .settings_read import merchants, settings_read

RUN = "python -m pip install '.[example]' && python -m flask --app examples/shop run"
TEST = "python -m pip install -e '.[tests]' && python -m pytest"


def buy(buyer: Buyer) -> str:
    """Order, and return the URL of the cashier page."""
    checkout = buyer.send("/", {}).location
    (pay,) = buyer.ways_to_pay(checkout).values()
    cashier: str = buyer.look(buyer.look(pay).location).location
    return cashier


def rows_of(tea: ModuleType, model: type[Any]) -> list[Any]:
    with tea.app.app_context():
        return list(tea.db.session.scalars(tea.db.select(model)))


def test_the_example_is_the_file_that_the_quickstart_shows() -> None:
    file = (ROOT / "examples" / "tea.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert code_blocks(README)[0] == file.replace("\n\n\n", "\n\n")
    assert "literalinclude:: ../examples/tea.py" in page("quickstart.rst")


def test_the_example_is_short() -> None:
    assert len([line for line in code_blocks(README)[0].splitlines() if line.strip()]) <= 40


def test_the_example_takes_a_payment(tea: ModuleType) -> None:
    buyer = Buyer(tea.app)
    assert "<button>Buy tea: ¥88.88</button>" in buyer.look("/").text
    buyer.send(f"{buy(buyer)}/pay", {})
    (payment,) = rows_of(tea, tea.Payment)
    assert payment.paid
    assert payment.total_fen == 8888


def test_the_example_ships_after_the_payment(tea: ModuleType) -> None:
    buyer = Buyer(tea.app)
    buyer.send(f"{buy(buyer)}/pay", {})
    assert "Shipped: 1" in buyer.look("/").text


def test_the_example_does_not_ship_after_a_close(tea: ModuleType) -> None:
    buyer = Buyer(tea.app)
    buyer.send(f"{buy(buyer)}/close", {})
    assert "Shipped: 0" in buyer.look("/").text


def test_the_result_page_of_the_example_links_to_the_shop(tea: ModuleType) -> None:
    buyer = Buyer(tea.app)
    buyer.send(f"{buy(buyer)}/pay", {})
    (payment,) = rows_of(tea, tea.Payment)
    with tea.app.test_request_context():
        result = tea.alipay.result_url(payment)
    assert 'href="http://127.0.0.1:5000/"' in buyer.look(result).text


def test_the_example_fits_a_phone(tea: ModuleType) -> None:
    assert '<meta name="viewport" content="width=device-width">' in Buyer(tea.app).look("/").text


def test_the_example_writes_the_journal(tea: ModuleType) -> None:
    buyer = Buyer(tea.app)
    buyer.send(f"{buy(buyer)}/pay", {})
    (notification,) = rows_of(tea, tea.Notification)
    assert isinstance(notification, NotificationMixin)
    assert notification.outcome == "settled"


def test_the_test_of_the_example_passes_as_printed(tmp_path: Path) -> None:
    """Without the database of the shop."""
    for name, block in zip(("tea.py", "test_tea.py"), code_blocks(README), strict=True):
        (tmp_path / name).write_text(block, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
    command += ["-p", "pytest_flask_alipay", "--basetemp", str(tmp_path / "tests")]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert "1 passed" in done.stdout, done.stdout
    assert {path.parts[-1] for path in tmp_path.rglob("*.db")} == {"test.db"}


@pytest.mark.parametrize("command", [RUN, TEST])
def test_each_command_is_on_one_line(command: str) -> None:
    assert f"\n\n    {command}\n\n" in README


def test_the_configuration_names_every_setting(keys: Keys) -> None:
    documented = words(section(README, "Configuration"))
    read = {name for name in settings_read(keys) if f"{name}_PATH" not in documented}
    assert read - documented == set()


def test_the_configuration_names_all_known_settings() -> None:
    assert KNOWN - words(section(README, "Configuration")) == set()


def test_the_configuration_names_only_settings_that_are_read(keys: Keys) -> None:
    table = section(README, "Configuration").split("===\n", 3)[2]
    documented = {word for line in table.splitlines() for word in words(line[:31])}
    assert documented - settings_read(keys) == set()


@pytest.mark.parametrize(
    ("name", "field"), [("RESULT_MAX_AGE", "result_max_age"), ("INPUT_CHARSET", "charset")]
)
def test_the_documented_defaults_are_the_defaults(name: str, field: str, keys: Keys) -> None:
    (row,) = re.findall(rf"^``{name}``.*", README, flags=re.MULTILINE)
    _, _, default = re.split(r" {2,}", row)
    merchant = next(merchants(keys))
    config = Config.from_mapping({f"ALIPAY_{key}": value for key, value in merchant.items()})
    assert default == str(getattr(config, field))


def test_the_help_is_what_the_command_prints(tea: ModuleType) -> None:
    runner = tea.app.test_cli_runner()
    printed = runner.invoke(args=["alipay", "--help"], prog_name="flask", terminal_width=78).output
    documented = section(README, "Command line").partition("::\n\n")[2]
    assert "\n".join(line.removeprefix("    ") for line in documented.rstrip().splitlines()) == (
        printed.rstrip()
    )


def test_it_renders_without_sphinx() -> None:
    try:
        from docutils.core import publish_doctree
    except ImportError:
        missing("docutils is not installed")
    settings = {"report_level": 1, "halt_level": 5, "warning_stream": False}
    document = publish_doctree(README, settings_overrides=settings)
    assert [message.astext() for message in document.parse_messages] == []


@pytest.mark.parametrize("name", ["README.rst", "README.zh-CN.rst"])
def test_a_readme_shows_the_shop_and_a_timeline(name: str) -> None:
    suffix = "" if name == "README.rst" else ".zh_CN"
    pictures = re.findall(r"image:: (\S+)", (ROOT / name).read_text(encoding="utf-8"))
    assert pictures == [f"docs/_static/{each}{suffix}.png" for each in ("shop", "timeline")]
    assert all((ROOT / path).is_file() for path in pictures)
