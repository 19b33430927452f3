"""The case in the documentation comes out as it is printed there."""

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
    told = (CASE / f"{name}.output").read_text(encoding="utf-8")
    assert printed.rstrip() == told.rstrip()


def test_every_file_of_the_case_is_shown() -> None:
    text = page("verify.rst")
    assert [file.name for file in CASE.iterdir() if f"captured/{file.name}" not in text] == []


def test_every_reason_is_told() -> None:
    told = re.findall(r"^    ``(\w+)``, ", section(page("verify.rst"), "What it looks for"), re.M)
    assert sorted(told) == sorted(Reason.ALL)


def test_the_log_line_is_the_routes() -> None:
    source = Path(ROOT / "flask_alipay" / "blueprint" / "log_lines.py").read_text(encoding="utf-8")
    assert "notification refused (%s): %s; out_trade_no=%s trade_no=%s" in source
