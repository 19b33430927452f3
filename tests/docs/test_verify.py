"""The page about signatures: its commands print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from flask_alipay.cli import main
from flask_alipay.diagnosis import Reason

from .reading import ROOT, page, section

CASE = ROOT / "docs" / "captured"


@pytest.mark.parametrize("name", ["from_the_log", "from_the_wire", "altered"])
def test_the_output_is_what_the_command_prints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASE)
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    arguments = ["verify-notify", f"{name}.txt", "--public-key", "alipay_public_key.pem"]
    printed = CliRunner().invoke(main, arguments).stdout
    documented = (CASE / f"{name}.output").read_text(encoding="utf-8")
    assert printed.rstrip() == documented.rstrip()


def test_every_file_of_the_case_is_shown() -> None:
    text = page("verify.rst")
    assert [file.name for file in CASE.iterdir() if f"captured/{file.name}" not in text] == []


def test_every_reason_is_documented() -> None:
    documented = re.findall(r"^    ``(\w+)``, ", section(page("verify.rst"), "Reasons"), re.M)
    assert sorted(documented) == sorted(Reason.ALL)


def test_the_log_line_is_that_of_the_notification_route() -> None:
    source = Path(ROOT / "flask_alipay" / "blueprint" / "notify.py").read_text(encoding="utf-8")
    assert "notification refused (%s): %s; out_trade_no=%s trade_no=%s" in source
