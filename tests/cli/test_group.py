"""The command groups: ``flask alipay``, and one that needs no app."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from flask_alipay import __version__
from flask_alipay.cli import STANDALONE, main
from flask_alipay.keys import private_pem, public_pem

from ..conftest import Keys
from .conftest import Run, make_app


def test_without_an_app_there_is_help_with_an_example(alone: Run) -> None:
    result = alone("--help")
    assert result.exit_code == 0
    assert "sign-url" in result.stdout
    assert "verify-notify" in result.stdout
    assert "Example:\n    flask-alipay " in result.stdout


def test_each_command_has_help_with_an_example(alone: Run, in_app: Run) -> None:
    for command in STANDALONE:
        assert "Examples:\n    flask-alipay " in alone(command, "--help").stdout
        assert "Examples:\n    flask alipay " in in_app(command, "--help").stdout


def test_the_version_is_printed(alone: Run) -> None:
    assert __version__ in alone("--version").stdout


def test_each_app_uses_its_own_merchant(keys: Keys) -> None:
    for app_id in ("2021000000000001", "2021000000000002"):
        app = make_app(
            ALIPAY_APP_ID=app_id,
            ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
            ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
        )
        result = app.test_cli_runner().invoke(args=("alipay", "sign-url"))
        assert f"app_id={app_id}" in result.stdout


def test_the_shell_can_complete_the_options() -> None:
    result = CliRunner().invoke(
        main,
        prog_name="tool",
        complete_var="_TOOL_COMPLETE",
        env={
            "_TOOL_COMPLETE": "bash_complete",
            "COMP_WORDS": "tool verify-notify --sh",
            "COMP_CWORD": "2",
        },
    )
    assert "--show-params" in result.stdout


def test_commands_are_described_in_the_readers_language(
    alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh")
    printed = alone("keygen", "--help").stdout
    assert "示例：\n    flask-alipay keygen" in printed
    assert "Write" not in printed


def test_a_real_shell_completes_commands_and_options() -> None:
    """The request is that of ``eval "$(_FLASK_COMPLETE=bash_source flask)"``."""
    for words, expected in (("flask_alipay key", "keygen"), ("flask_alipay keygen --b", "--bits")):
        ran = subprocess.run(
            [
                sys.executable,
                "-c",
                "from flask_alipay.cli import STANDALONE, main; main(prog_name='tool')",
            ],
            env={
                **os.environ,
                "_TOOL_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(words.count(" ")),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == f"plain,{expected}\n"
