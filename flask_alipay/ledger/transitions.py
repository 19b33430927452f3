"""What each piece of news means for a payment, as one table that is read in a glance.

Rows are where a payment stands, columns what Alipay says; a cell is what comes of it:

``paid``, ``failed``, ``refunded``, ``finished``
    the payment moves to what Alipay says, and these events happen;
``recorded``
    it moves, and nothing happens;
``duplicate``
    it stands there already;
``stale``
    the news is older than what the ledger knows, and a payment never moves back.

Two rows share Alipay's word ``TRADE_CLOSED``: ``CLOSED_UNPAID``, from which late money is still a
sale, and ``REFUNDED``, where the money has come and gone.
"""

from __future__ import annotations

from functools import lru_cache

from ..protocol.trade_status import TradeStatus

# In escrow the buyer has paid with WAIT_SELLER_SEND_GOODS. Its successor proves as much, should it
# overtake it.
_TABLE = """
                          WAIT_BUYER_PAY TRADE_PENDING WAIT_SELLER_SEND_GOODS WAIT_BUYER_CONFIRM_GOODS TRADE_SUCCESS TRADE_FINISHED TRADE_CLOSED
WAIT_BUYER_PAY            duplicate      recorded      paid                   paid                     paid          paid+finished  failed
TRADE_PENDING             stale          duplicate     paid                   paid                     paid          paid+finished  failed
WAIT_SELLER_SEND_GOODS    stale          stale         duplicate              recorded                 recorded      finished       refunded
WAIT_BUYER_CONFIRM_GOODS  stale          stale         stale                  duplicate                recorded      finished       refunded
TRADE_SUCCESS             stale          stale         stale                  stale                    duplicate     finished       refunded
TRADE_FINISHED            stale          stale         stale                  stale                    stale         duplicate      refunded
CLOSED_UNPAID             stale          stale         paid                   paid                     paid          paid+finished  duplicate
REFUNDED                  stale          stale         stale                  stale                    stale         stale          duplicate
"""  # noqa: E501 - a table is read in rows

#: The events that a cell may name, in the order in which they happen.
EVENTS = ("paid", "finished", "failed", "refunded")

#: Closed without payment.
CLOSED_UNPAID = "CLOSED_UNPAID"
#: Closed after payment, all of it given back.
REFUNDED = "REFUNDED"


def _read(table: str) -> dict[tuple[str, str], str]:
    columns, *rows = (line.split() for line in table.strip().splitlines())
    return {
        (row[0], news): cell for row in rows for news, cell in zip(columns, row[1:], strict=True)
    }


#: From (where the payment stands, what Alipay says) to what comes of it.
TRANSITIONS = _read(_TABLE)

#: Where a payment stands, in Alipay's words, that is no sale yet: any sale makes one of it.
BEFORE_SALE = tuple(
    TradeStatus.TRADE_CLOSED if row == CLOSED_UNPAID else row
    for (row, news), cell in TRANSITIONS.items()
    if news == TradeStatus.TRADE_SUCCESS and cell == "paid"
)


def ledger_state(trade_status: str, paid: bool, refunded_fen: int) -> str:
    """Returns the row of the table that a payment stands in.

    :param trade_status: Alipay's word.
    :param paid: whether it is or was a sale.
    :param refunded_fen: what went back, in fen.
    """
    if trade_status != TradeStatus.TRADE_CLOSED:
        return trade_status
    return REFUNDED if paid or refunded_fen else CLOSED_UNPAID


@lru_cache(maxsize=64)
def parse_events(cell: str) -> tuple[str, ...]:
    """Returns the events that a cell names, none for ``recorded``, ``duplicate`` and ``stale``."""
    return tuple(event for event in EVENTS if event in cell.split("+"))


def changes_state(cell: str) -> bool:
    """Tells whether a cell moves the payment."""
    return cell not in ("duplicate", "stale")
