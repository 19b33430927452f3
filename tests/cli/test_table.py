"""Tables that fit the terminal, whatever their contents."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.cli.table import (
    Column,
    echo_json,
    echo_table,
    json_line,
    strip_control_chars,
    table,
    terminal_width,
    truncate,
    width,
)

NUMBER = Column("out_trade_no")
AMOUNT = Column("amount", right=True)
SUBJECT = Column("subject", min_width=8)
NOTE = Column("note", optional=True)


def test_columns_are_aligned_with_their_headings() -> None:
    assert list(table([NUMBER, AMOUNT], [["T1", "88.88"], ["T1000000000000", "1.00"]])) == [
        "out_trade_no    amount",
        "T1               88.88",
        "T1000000000000    1.00",
    ]


def test_a_chinese_character_takes_two_columns() -> None:
    head, tea, coffee = table([SUBJECT, AMOUNT], [["龙井茶", "8.00"], ["coffee", "12.00"]])
    assert (head, tea, coffee) == ("subject  amount", "龙井茶     8.00", "coffee    12.00")


def test_nothing_is_cut_in_a_wide_terminal() -> None:
    (line,) = list(table([SUBJECT], [["茶" * 500]]))[1:]
    assert line == "茶" * 500


def test_flexible_columns_shrink() -> None:
    lines = list(table([NUMBER, SUBJECT], [["T1", "a" * 50]], 30))
    assert lines[1] == "T1            " + "a" * 15 + "…"


def test_optional_columns_are_left_out_in_a_narrow_terminal() -> None:
    head, _row = table([NUMBER, SUBJECT, NOTE], [["T1", "a" * 50, "b" * 20]], 40)
    assert "note" not in head
    assert width(head) <= 40


def test_control_characters_are_replaced() -> None:
    (line,) = list(table([SUBJECT], [["\x1b[31mred\x07\u202e"]]))[1:]
    assert line == "?[31mred??"


def test_an_empty_cell_is_empty() -> None:
    assert list(table([NUMBER, NOTE], [[None, "x"]]))[1] == "              x"


@given(st.text(), st.integers(1, 40))
def test_a_cut_text_fits(text: str, room: int) -> None:
    assert width(truncate(strip_control_chars(text), room)) <= room


@given(
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))),
    st.integers(40, 120),
)
def test_every_line_fits_the_terminal(rows: list[tuple[str, str, str]], room: int) -> None:
    lines = list(table([NUMBER, SUBJECT, NOTE], rows, room))
    assert len(lines) == len(rows) + 1
    assert all(width(line) <= room for line in lines)


def test_an_output_that_is_no_terminal_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() is None


def test_the_variable_columns_sets_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal_width() == 100


def test_json_is_one_line_with_readable_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"subject": "茶\n"})
    assert capsys.readouterr().out == '{"subject": "茶\\n"}\n'


@pytest.mark.parametrize("encoding", ["gbk", "ascii", "cp1252"])
def test_an_output_that_is_not_utf_8_gets_ascii(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert json_line({"subject": "茶"}) == '{"subject": "\\u8336"}'


@given(st.text())
def test_json_escapes_control_characters(text: str) -> None:
    line = json_line({"subject": text})
    assert json.loads(line) == {"subject": text}
    assert not any(unicodedata.category(c)[0] == "C" for c in line)
    assert len(line.splitlines()) == 1


def test_omitted_columns_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LANGUAGE", "en")
    echo_table([NUMBER, SUBJECT, NOTE], [["T1", "a" * 50, "b" * 20]])
    lines = capsys.readouterr().out.splitlines()
    assert "note" not in lines[0]
    assert lines[-1] == "Not shown for lack of space: note. A wider terminal shows all."
