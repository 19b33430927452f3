"""The table of a payment's state transitions.

Rows are the payment's state, columns the reported trade status. A cell is the effect of the report:

``paid``, ``failed``, ``refunded``, ``finished``
    the payment changes to the reported status, and these events occur;
``recorded``
    the payment changes without an event;
``duplicate``
    the payment has the status already;
``stale``
    the report is older than the ledger's state; a payment never moves back.

Two rows share Alipay's status ``TRADE_CLOSED``: ``CLOSED_UNPAID``, from which a late payment is
still a sale, and ``REFUNDED``, closed after a payment that was refunded in full.
"""

from __future__ import annotations

from functools import lru_cache

from ..protocol.trade_status import TradeStatus

# In escrow, WAIT_SELLER_SEND_GOODS means that the buyer has paid. The statuses after it prove the
# same if their notification arrives first.
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
"""  # noqa: E501 - the table keeps its rows

#: The events that a cell may name, in order of occurrence.
EVENTS = ("paid", "finished", "failed", "refunded")

#: Closed without payment.
CLOSED_UNPAID = "CLOSED_UNPAID"
#: Closed after payment, refunded in full.
REFUNDED = "REFUNDED"


def read_table(table: str) -> dict[tuple[str, str], str]:
    """Return the cells of a table of transitions, by row and column."""
    columns, *rows = (line.split() for line in table.strip().splitlines())
    return {
        (row[0], reported): cell
        for row in rows
        for reported, cell in zip(columns, row[1:], strict=True)
    }


#: The effect of a report, by the payment's state and the reported trade status.
TRANSITIONS = read_table(_TABLE)

#: Alipay's statuses of a payment that is not a sale yet and can become one.
BEFORE_SALE = tuple(
    TradeStatus.TRADE_CLOSED if row == CLOSED_UNPAID else row
    for (row, reported), cell in TRANSITIONS.items()
    if reported == TradeStatus.TRADE_SUCCESS and cell == "paid"
)


def ledger_state(trade_status: str, paid: bool, refunded_fen: int) -> str:
    """Return the state of a payment: its row in the table.

    :param trade_status: Alipay's status.
    :param paid: whether the payment is or was a sale.
    :param refunded_fen: the refunded amount in fen.
    """
    if trade_status != TradeStatus.TRADE_CLOSED:
        return trade_status
    return REFUNDED if paid or refunded_fen else CLOSED_UNPAID


@lru_cache(maxsize=64)
def parse_events(cell: str) -> tuple[str, ...]:
    """Return the events that a cell names, none for ``recorded``, ``duplicate`` and ``stale``."""
    return tuple(event for event in EVENTS if event in cell.split("+"))


def changes_state(cell: str) -> bool:
    """Return whether a cell changes the payment."""
    return cell not in ("duplicate", "stale")
