"""The command line in the reader's language."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_alipay.cli
from flask_alipay.cli.wording import N_, _, catalogue, language, n_

ROOM = Path(flask_alipay.cli.__file__).parent
#: Its hints are said by the command line.
DIAGNOSIS = ROOM.parent / "diagnosis"
PO = ROOM.parent / "locale" / "zh_CN" / "LC_MESSAGES" / "flask_alipay.po"
SAYING = ("_", "N_", "n_", "say")
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each place where a text is said or marked, with its file."""
    for file in sorted([*ROOM.rglob("*.py"), *DIAGNOSIS.rglob("*.py")]):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "_",
                "N_",
                "n_",
                "say",
            ):
                yield f"{file.name}:{node.lineno}", node


def keys() -> list[str]:
    """Each text that is looked up: a plural goes by its singular."""
    return [
        str(call.args[0].value)
        for _place, call in calls()
        if isinstance(call.args[0], ast.Constant)
    ]


def names(text: str) -> set[str]:
    """What goes into a text afterwards."""
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}


def speak(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_every_text_has_a_translation() -> None:
    chinese = catalogue("zh_CN")
    assert [text for text in keys() if text not in chinese] == []


def test_no_translation_is_of_a_text_that_is_gone() -> None:
    assert set(catalogue("zh_CN")) - set(keys()) == set()


def test_a_translation_takes_the_same_names() -> None:
    wrong = {
        english: chinese
        for english, chinese in catalogue("zh_CN").items()
        if names(english) != names(chinese)
    }
    assert wrong == {}


def test_examples_are_the_same_in_both_languages() -> None:
    """Command lines, options and Alipay's words are no language."""
    spoken = re.compile(r"--[a-z-]+[a-z]|\b[A-Z]+_[A-Z_]+\b|'[a-z-]+'")
    wrong = {
        english: set(spoken.findall(english)) ^ set(spoken.findall(chinese))
        for english, chinese in catalogue("zh_CN").items()
        if set(spoken.findall(english)) != set(spoken.findall(chinese))
    }
    assert wrong == {}


def test_only_whole_texts_are_looked_up() -> None:
    """Neither f-strings nor sums: no catalogue has those."""
    wrong = [
        place
        for place, call in calls()
        if isinstance(call.args[0], (ast.JoinedStr, ast.BinOp))
        or (
            isinstance(call.args[0], ast.Call)
            and getattr(call.args[0].func, "attr", "") == "format"
        )
    ]
    assert wrong == []


def test_a_text_is_translated_once() -> None:
    english = re.findall(r'^msgid\s+((?:"(?:[^"\\]|\\.)*"\s*)+)', PO.read_text("utf-8"), re.M)
    assert len(english) == len(catalogue("zh_CN")) + 1  # the head has an empty one


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ""),
        ({"LANG": "C.UTF-8"}, ""),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW"}, "zh_CN"),
        ({"LANG": "zh"}, "zh_CN"),
        ({"LANG": "en_US.UTF-8"}, ""),
        ({"LANG": "de_DE.UTF-8"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, ""),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "C", "LANGUAGE": "zh:en"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN"),
    ],
)
def test_the_environment_says_which_language(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, **variables)
    monkeypatch.setattr("flask_alipay.cli.wording._can_be_written", lambda text: True)
    assert language() == expected


def test_an_output_that_cannot_hold_chinese_gets_english(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, LANG="zh_CN.UTF-8")
    monkeypatch.setattr("sys.stdout", type("Stream", (), {"encoding": "ascii"})())
    assert _("Shall it be done?") == "Shall it be done?"


def test_chinese_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, LANG="zh_CN.UTF-8")
    monkeypatch.setattr("sys.stdout", type("Stream", (), {"encoding": "utf-8"})())
    assert _("Shall it be done?") == "确定要执行吗？"


def test_what_no_catalogue_has_stays_english(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, LANG="zh_CN.UTF-8")
    text = "A text of the morrow."
    assert _(N_(text)) == text


@pytest.mark.parametrize(("count", "expected"), [(0, "things"), (1, "thing"), (2, "things")])
def test_a_number_of_things_agrees(count: int, expected: str) -> None:
    assert n_("thing", "things", count) == expected
