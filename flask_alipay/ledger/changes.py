"""The guarded ``UPDATE``: how many rows it changed is the answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Update
from sqlalchemy.orm import Session


def changed(session: Session, statement: Update) -> int:
    """Runs an ``UPDATE`` past the session's objects and returns how many rows it changed."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)
