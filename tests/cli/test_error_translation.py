"""Exceptions and click's own texts in the reader's language."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from flask_alipay.cli import main
from flask_alipay.cli.click_texts import TEXTS
from flask_alipay.cli.error_texts import TEMPLATES
from flask_alipay.cli.error_translation import translate_error
from flask_alipay.cli.errors import handle_errors
from flask_alipay.cli.parameter_texts import RULES
from flask_alipay.cli.sentences import sentence
from flask_alipay.config import Config
from flask_alipay.exceptions import (
    AlipayError,
    CallbackFailed,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
)
from flask_alipay.keys import load_private_key

from ..error_texts import collect

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the reader's language Chinese."""
    monkeypatch.setenv("LANGUAGE", "zh")


def test_the_collected_texts_of_exceptions_are_current() -> None:
    assert (list(RULES), list(TEMPLATES)) == collect(), "run 'python -m tests.error_texts'"


def test_every_text_of_an_exception_is_recognised_with_its_values(chinese: None) -> None:
    values = dict.fromkeys("abcdefgh", "T1221")
    named = ("notify_verify", "trade.query", "fund.auth.operation.detail.query")
    english = {*RULES, *TEMPLATES} - {f"{each}: {{a}}" for each in named}  # only their values
    unknown = [
        each for each in english if not CHINESE.search(translate_error(each.format(**values)))
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidParameter("subject", "must not be negative"), "subject 不能为负数。"),
        (
            ConfigurationError("'ALIPAY_KEY' must be set", "ALIPAY_KEY"),
            "'ALIPAY_KEY' 必须设置。",
        ),
        (CallbackFailed("shop.ship raised RuntimeError"), "shop.ship 抛出了 RuntimeError。"),
        (OutcomeUnknown("the gateway did not respond (Timeout)"), "网关没有响应（Timeout）。"),
        (
            PaymentMismatch("total_amount", "1.00", "2.00"),
            "total_amount 在支付宝为 2.00，在账本中为 1.00。",
        ),
        (
            InvalidParameter("subject", "must be at most 256 characters, it has 300"),
            "subject 最多 256 个字符，实际为 300。",
        ),
        (GatewayError("ACQ.TRADE_NOT_EXIST: 交易不存在"), "ACQ.TRADE_NOT_EXIST: 交易不存在."),
    ],
)
def test_an_exception_is_a_sentence_in_chinese(
    error: AlipayError, expected: str, chinese: None
) -> None:
    assert sentence(error) == expected


def test_str_of_an_exception_stays_english(chinese: None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_mapping({"ALIPAY_APP_ID": "2021000000000000"})
    assert "must be set" in str(caught.value)
    assert "必须设置" in sentence(caught.value)


def test_the_problem_of_a_key_is_translated(chinese: None) -> None:
    with pytest.raises(AlipayError) as caught:
        load_private_key("key.pem")
    assert "文件名" in sentence(caught.value)


def run(*args: str) -> Any:
    return CliRunner().invoke(main, args)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("keygen", "--bits", "12"), "'--bits' 的值无效：12 不在范围"),
        (("keygen", "--bogus"), "没有选项 '--bogus'。"),
        (("bogus",), "没有命令 'bogus'。"),
        (("keygen", "more"), "多余的参数（more）"),
        (("--help",), "用法："),
        (("keygen", "--help"), "显示此帮助并退出。"),
        (
            ("sign-url", "--partner", "2088000000000000", "--key", "k" * 32, "--total-amount", "x"),
            "'--total-amount' 的值无效：必须是数字",
        ),
    ],
)
def test_clicks_texts_are_translated(args: tuple[str, ...], expected: str, chinese: None) -> None:
    printed = run(*args).output
    assert expected in printed
    for english in ("Usage:", "Error:", "Try '", "Options:", "Commands:"):
        assert english not in printed


def test_clicks_texts_are_unchanged_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "en")
    assert "Error: No such option '--bogus'." in run("keygen", "--bogus").output


def test_the_translated_texts_are_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed text in a release of click would stay English without this test."""
    import inspect
    from pathlib import Path

    source = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(inspect.getfile(click)).parent.glob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*"', "", source)
    missing = [
        text for text in TEXTS if text.replace("\n", "\\n").replace("\t", "\\t") not in joined
    ]
    assert missing == []


def test_the_error_of_a_command_is_chinese(chinese: None) -> None:
    @click.command()
    def command() -> None:
        with handle_errors():
            raise OutcomeUnknown("the response cannot be parsed")

    result = CliRunner().invoke(command)
    assert result.exit_code == 3
    assert "无法解析响应。" in result.stderr
