"""What a process remembers of the news it has heard."""

from __future__ import annotations

from flask_alipay.ledger import Lately


def test_a_number_is_remembered() -> None:
    lately = Lately()
    assert "A1" not in lately
    lately.add("A1")
    assert "A1" in lately


def test_the_oldest_numbers_make_room() -> None:
    lately = Lately(most=2)
    for number in ("A1", "A2", "A2", "A3"):
        lately.add(number)
    assert [number in lately for number in ("A1", "A2", "A3")] == [False, True, True]
    assert len(lately) == 2
