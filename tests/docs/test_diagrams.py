"""The diagrams of the documentation are current."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from flask_alipay.ledger.transitions import TRANSITIONS, changes_state

from .reading import ROOT, load_script, page

STATIC = ROOT / "docs" / "_static"
DIAGRAMS = load_script(ROOT / "docs" / "generate_diagrams.py")


def svg(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def arrows(text: str) -> list[tuple[str, str, str]]:
    """Return the tail, the head and the label of each arrow of a picture."""
    found = re.findall(r'class="edge">\s*<title>(.*?)</title>(.*?)</g>', text, re.DOTALL)
    return [
        (*unescape(title).split("->"), *re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
        for title, drawn in found
    ]


def test_the_picture_of_the_states_has_the_arrows_of_the_table() -> None:
    groups = DIAGRAMS.groups()
    expected = [
        (groups.get(source, (source,))[0], new, event) for source, new, event in DIAGRAMS.arrows()
    ]
    assert sorted(arrows(svg("states.svg"))) == sorted(expected), "run docs/generate_diagrams.py"


def test_the_arrows_are_all_changes_of_the_table() -> None:
    groups = DIAGRAMS.groups()
    drawn = [
        (state, event)
        for source, _new, event in DIAGRAMS.arrows()
        for state in groups.get(source, (source,))
    ]
    changes = [(state, cell) for (state, _), cell in TRANSITIONS.items() if changes_state(cell)]
    assert sorted(drawn) == sorted(changes)


def test_the_picture_of_the_states_has_every_state() -> None:
    nodes = re.findall(r'class="node">\s*<title>(.*?)</title>', svg("states.svg"))
    assert set(nodes) == {state for state, _reported in TRANSITIONS}


@pytest.mark.parametrize(("name", "language"), [("payment.svg", 0), ("payment.zh_CN.svg", 1)])
def test_the_sequence_of_a_payment_has_every_step(name: str, language: int) -> None:
    drawn = "".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg(name))).replace("&#45;", "-")
    steps = [step[2 + language].replace("\\n", "") for step in DIAGRAMS.STEPS]
    titles = [titles[language] for titles in DIAGRAMS.PARTICIPANTS.values()]
    assert [text for text in (*steps, *titles) if text not in unescape(drawn)] == []
    ends = [arrow[:2] for arrow in arrows(svg(name)) if arrow[0].startswith("from")]
    assert len(ends) == sum(sender != receiver for sender, receiver, *_ in DIAGRAMS.STEPS)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.svg")), ids=lambda path: path.name)
def test_a_diagram_is_small_and_loads_nothing(path: Path) -> None:
    assert path.stat().st_size <= 150_000
    assert not re.search(r"<(?:image|script)|@import", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["states.svg", "payment.svg"])
def test_the_page_about_notifications_shows_the_diagrams(name: str) -> None:
    assert f".. image:: _static/{name}\n    :alt: " in page("notify.rst")
