"""Search and pages of the trades that the control shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...exceptions import InvalidParameter
from ..trades.trades import Trade

#: The number of trades on a page.
PAGE_SIZE: Final = 20

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class TradePage:
    """One page of trades; page 1 has the newest."""

    #: The oldest first.
    trades: Sequence[Trade]
    number: int
    #: The number of pages, at least 1.
    pages: int
    #: The number of trades on all pages.
    total: int


def search(trades: Sequence[Trade], text: str) -> Sequence[Trade]:
    """Return the trades whose subject or number, the merchant's or Alipay's, contains a text.

    :param trades: the trades.
    :param text: in any case; empty: all trades match.
    """
    wanted = text.strip().casefold()
    return [trade for trade in trades if wanted in _searched(trade)] if wanted else trades


def page_of(trades: Sequence[Trade], number: int) -> TradePage:
    """Return a page, or the last one if there are fewer.

    :param trades: the oldest first.
    :param number: of the page, from 1.
    """
    pages = max(1, -(-len(trades) // PAGE_SIZE))
    number = min(number, pages)
    end = len(trades) - (number - 1) * PAGE_SIZE
    return TradePage(trades[max(0, end - PAGE_SIZE) : end], number, pages, len(trades))


def page_number(given: str | None) -> int | None:
    """Return the number of a page from a request.

    :param given: the parameter; ``None``: no page is requested.
    :raises InvalidParameter: if it is not a number from 1.
    """
    if given is None:
        return None
    if not _NUMBER.fullmatch(given):
        raise InvalidParameter("page", "must be a number, from 1")
    return int(given)


def _searched(trade: Trade) -> str:
    order = trade.order
    return f"{order.out_trade_no}\n{trade.trade_no}\n{order.subject}".casefold()
