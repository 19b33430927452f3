"""The command line in the language of the environment."""

from __future__ import annotations

import pytest

from flask_alipay.cli.i18n import _, language, n_

VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def choose(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C", "LANGUAGE": "zh:en"}, "zh"),
        ({"LANG": "C", "LANGUAGE": ":zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_environment_chooses_the_language(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, **variables)
    monkeypatch.setattr("flask_alipay.cli.i18n._can_be_written", lambda text: True)
    assert language() == expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no such codec", None])
def test_an_output_that_cannot_encode_chinese_gets_english(
    encoding: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, LANG="zh_CN.UTF-8")
    monkeypatch.setattr("sys.stdout", type("Stream", (), {"encoding": encoding})())
    assert _("Continue?") == "Continue?"


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_text_is_translated(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, LANG="zh_CN.UTF-8")
    monkeypatch.setattr("sys.stdout", type("Stream", (), {"encoding": encoding})())
    assert _("Continue?") == "确定要执行吗？"


@pytest.mark.parametrize(("count", "expected"), [(0, "things"), (1, "thing"), (2, "things")])
def test_a_number_of_things_agrees_in_english(
    count: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch)
    assert n_("thing", "things", count) == expected
