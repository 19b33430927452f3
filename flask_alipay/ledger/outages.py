"""What the ledger says where the database is in trouble."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import LedgerUnavailable


def unavailable(
    error: SQLAlchemyError, out_trade_no: str | None, notify_id: str | None
) -> LedgerUnavailable:
    """Returns the refusal of news that the database could not take."""
    return LedgerUnavailable(
        f"the database could not take it ({type(error).__name__})",
        out_trade_no=out_trade_no,
        notify_id=notify_id,
    )
