"""A bar chart of takings as SVG: shapes in numbers, drawn by the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..ledger.takings import Takings

#: The size of the drawing, in its own units.
WIDTH: Final = 960
HEIGHT: Final = 240
#: The space for amounts on the left.
LEFT: Final = 100
_BOTTOM, _TOP, _RIGHT = 28, 12, 16
_LABELS = 8


@dataclass(frozen=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class ChartColumn:
    """The bars of one period."""

    sales: Bar
    refunds: Bar
    #: The middle of the column.
    x: float
    #: Its label, empty where there is no room for one.
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart of one currency."""

    columns: list[ChartColumn]
    #: Heights with the amounts that they stand for, in minor units.
    lines: list[tuple[float, int]]


def chart(found: Sequence[Takings], labels: Sequence[str]) -> Chart:
    """Lay out a chart.

    :param found: the periods, the oldest first.
    :param labels: one for each period.
    """
    highest = _round_up(max(max(each.sales_fen, each.refunds_fen) for each in found))
    room = HEIGHT - _TOP - _BOTTOM
    step = (WIDTH - LEFT - _RIGHT) / len(found)
    every = -(-len(found) // _LABELS)

    def bar(x: float, fen: int) -> Bar:
        height = round(room * fen / highest, 1)
        return Bar(round(x, 1), round(HEIGHT - _BOTTOM - height, 1), round(step * 0.4, 1), height)

    columns = []
    for number, each in enumerate(found):
        x = LEFT + number * step + step * 0.1
        shown = (len(found) - 1 - number) % every == 0
        columns.append(
            ChartColumn(
                bar(x, each.sales_fen),
                bar(x + step * 0.4, each.refunds_fen),
                round(x + step * 0.4, 1),
                labels[number] if shown else "",
            )
        )
    lines = [
        (round(HEIGHT - _BOTTOM - room * part / 2, 1), highest * part // 2) for part in range(3)
    ]
    return Chart(columns, lines)


def _round_up(fen: int) -> int:
    """The least of 2, 5, 10, 20, 50 … yuan that is not below an amount."""
    size = 100
    while True:
        for factor in (2, 5, 10):
            if size * factor >= fen:
                return size * factor
        size *= 10
