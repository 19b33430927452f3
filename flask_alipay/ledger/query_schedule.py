"""Times of the queries that waiting buyers cause. No database.

Any number of pages, workers and processes look at the same payment. Its row states when Alipay was
last queried, how often, and until when one process alone may query it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..protocol.trade_status import TradeStatus

#: In seconds: no query waits for its response longer than this.
QUERY_TIMEOUT: Final = 5.0
#: One process alone may query a payment for this long; longer than a query takes. A process that
#: is killed meanwhile delays the next query by no more.
LEASE: Final = timedelta(seconds=10)
#: The same while ``reconcile`` queries, with the configured timeouts.
RECONCILE_LEASE: Final = timedelta(seconds=30)

#: The shortest pause between two queries about one payment.
MIN_PAUSE: Final = timedelta(seconds=3)
#: The longest.
MAX_PAUSE: Final = timedelta(minutes=5)
#: The maximum of queries about a payment before its buyer returns: two hours, if a page stays open.
#: With :data:`MAX_QUERIES_AFTER_RETURN`, the limit for one payment.
MAX_QUERIES: Final = 60
#: The maximum of queries after the buyer's return.
MAX_QUERIES_AFTER_RETURN: Final = 16
#: After the buyer's return the payment counts as being confirmed for this long, or until its
#: queries are used up.
CONFIRMATION_PERIOD: Final = timedelta(minutes=6)

# Growth of the pauses; after the return, the first queries are the most likely to find the payment.
_GROWTH: Final = 1.1
_GROWTH_AFTER_RETURN: Final = 1.25

#: The statuses in which a buyer may still pay, or has just paid.
OPEN: Final = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


@dataclass(frozen=True)
class QuerySchedule:
    """The queries about one payment, made and due.

    :param asked_at: the last query, aware; ``None``: none yet.
    :param query_count: how many queries buyers have caused, since the return if there was one.
    :param leased_until: until when one process alone may query, aware.
    :param returned_at: when the buyer came back from Alipay, aware.
    """

    asked_at: datetime | None
    query_count: int
    leased_until: datetime | None
    returned_at: datetime | None

    @classmethod
    def of(cls, payment: Any) -> QuerySchedule:
        """Return the schedule of a payment, from the application's object."""
        return cls(
            payment.asked_at,
            payment.query_count or 0,
            payment.query_leased_until,
            payment.returned_at,
        )

    @property
    def limit(self) -> int:
        """The maximum number of queries."""
        return MAX_QUERIES if self.returned_at is None else MAX_QUERIES_AFTER_RETURN

    @property
    def pause(self) -> timedelta:
        """The time from the last query to the next one."""
        growth = _GROWTH if self.returned_at is None else _GROWTH_AFTER_RETURN
        return min(MAX_PAUSE, MIN_PAUSE * growth ** max(0, self.query_count - 1))

    def is_due(self, now: datetime) -> bool:
        """Return whether Alipay should be queried.

        :param now: aware.
        """
        if self.query_count >= self.limit:
            return False
        if self.leased_until is not None and self.leased_until > now:
            return False
        return self.asked_at is None or self.asked_at + self.pause <= now

    def is_confirming(self, now: datetime) -> bool:
        """Return whether the buyer has returned, and queries continue.

        :param now: aware.
        """
        if self.returned_at is None or self.query_count >= self.limit:
            return False
        return now < self.returned_at + CONFIRMATION_PERIOD


def may_be_paid(payment: Any) -> bool:
    """Return whether a payment may be paid at Alipay although the ledger does not know it: it is
    open, or was closed although the buyer returned from Alipay as having paid.
    """
    if payment.paid or payment.refunded_fen:
        return False
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    return payment.trade_status in OPEN or (closed and payment.returned_at is not None)
