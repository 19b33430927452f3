"""The Chinese README's statements, examples and commands."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from docutils.core import publish_doctree

from flask_alipay.settings import KNOWN

from ..test_chinese_texts import AVOIDED, HAN
from .reading import README, ROOT, code_blocks, section, words
from .test_readme import RUN, TEST

CHINESE = (ROOT / "README.zh-CN.rst").read_text(encoding="utf-8")

#: Words that are avoided in the program's texts and that a README may have.
ALLOWED = {"你"}


def prose() -> str:
    """The README without literals, code, tables and addresses."""
    text = re.sub(r"\n\.\. code-block::.*\n\n(?:    .*\n|\n)+", "\n\n", CHINESE)
    text = re.sub(r"::\n\n(?:    .*\n|\n)+", "：\n\n", text)
    text = re.sub(r"``[^`]+``|`[^`]+`__|https?://\S+", " ", text)
    return "\n".join(line for line in text.splitlines() if not re.search(r"={4,}|  {2,}", line))


def test_each_readme_links_to_the_other_at_its_start() -> None:
    assert "README.zh-CN.rst" in "".join(README.splitlines()[:6])
    assert "README.rst" in "".join(CHINESE.splitlines()[:6])


@pytest.mark.parametrize("command", [RUN, TEST])
def test_the_commands_are_those_of_the_english_readme(command: str) -> None:
    assert f"\n\n    {command}\n\n" in CHINESE


@pytest.mark.parametrize("tool", ["uvx", "pipx"])
def test_the_simulator_runs_with_the_same_tools(tool: str) -> None:
    commands = re.findall(rf"^    ({tool} .+)$", README, re.MULTILINE)
    assert commands == re.findall(rf"^    ({tool} .+)$", CHINESE, re.MULTILINE) != []


def test_the_examples_are_those_of_the_english_readme() -> None:
    assert code_blocks(CHINESE) == code_blocks(README)


def test_each_setting_exists() -> None:
    table = section(CHINESE, "换成真实的支付宝").split("===\n", 3)[2]
    documented = {word for line in table.splitlines() for word in words(line[:37])}
    assert documented - KNOWN == set()


def test_the_help_is_what_the_command_prints(
    tea: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh")
    runner = tea.app.test_cli_runner()
    printed = runner.invoke(args=["alipay", "--help"], prog_name="flask", terminal_width=78).output
    documented = section(CHINESE, "命令行").partition("::\n\n")[2]
    shown = "\n".join(line.removeprefix("    ") for line in documented.splitlines())
    assert printed.rstrip() in shown


def test_each_file_that_it_names_exists() -> None:
    named = {word for word in words(CHINESE) if re.fullmatch(r"docs/[\w-]+\.rst|[A-Z]+\.rst", word)}
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("word", sorted(AVOIDED.keys() - ALLOWED))
def test_it_has_no_word_that_alipay_does_not_use(word: str) -> None:
    assert word not in CHINESE, f"instead: {AVOIDED[word]}"


def test_marks_after_chinese_characters_are_full_width() -> None:
    assert re.findall(rf"{HAN}[,;:?!()]", prose()) == []


def test_there_is_a_space_between_chinese_and_latin() -> None:
    assert re.findall(rf".{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}.", prose()) == []


def test_a_paragraph_has_one_line() -> None:
    """A line break between Chinese characters is shown as a space."""
    assert re.findall(rf"{HAN}[，。；：]?\n *{HAN}.*", prose().replace("\n\n", "\n \n")) == []


def test_it_renders_without_sphinx() -> None:
    settings = {"report_level": 1, "halt_level": 5, "warning_stream": False}
    document = publish_doctree(CHINESE, settings_overrides=settings)
    assert [message.astext() for message in document.parse_messages] == []
