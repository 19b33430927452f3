"""Numbers and entries of refund and transfer batches."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.validation import Validator, pattern, text
from . import validators

#: Maximum number of entries of a batch.
MAX_ENTRIES = 1000

#: Separators of entries and their parts: no part may contain one.
SEPARATORS = "^|$#"

_batch_number = pattern(
    r"[0-9]{8}(?!000$)[A-Za-z0-9]{3,24}",
    "today's date and 3 to 24 letters or digits that are not 000, like 20260131001",
)


def batch_day() -> str:
    """Return today's date in China, with which the number of a batch must begin."""
    return f"{validators.china_now():%Y%m%d}"


def new_batch_no() -> str:
    """Generate a number for a batch of today: the date in China and 18 digits."""
    return f"{batch_day()}{secrets.randbelow(10**18):018d}"


def batch_no(name: str, value: Any, charset: str) -> str:
    """Today's date in China and 3 to 24 letters or digits, like ``20260131001``."""
    number = _batch_number(name, value, charset)
    if not number.startswith(batch_day()):
        raise InvalidParameter(name, "must begin with today's date in China, like 20260131")
    return number


def statement_day(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or a day like ``20260131``."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return validators.china_datetime(name, value, charset)[:10].replace("-", "")
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{8}", value, re.ASCII):
            datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
            return value
    except ValueError:
        pass
    raise InvalidParameter(name, "must be an aware datetime, or yyyyMMdd")


def entry_text(max_length: int, *, in_bytes: bool = False) -> Validator:
    """Return a validator of text within an entry."""
    return text(max_length, in_bytes=in_bytes, without=SEPARATORS)


def check_entries(entries: Sequence[Any], kind: type, numbers: Collection[str]) -> None:
    """Check that a batch has entries, not too many, and no duplicates.

    :param entries: the batch's entries.
    :param kind: the type of each entry.
    :param numbers: the numbers that identify the entries.
    :raises InvalidParameter: names ``detail_data``.
    """
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise InvalidParameter("detail_data", f"must have 1 to {MAX_ENTRIES} entries")
    if not all(isinstance(entry, kind) for entry in entries):
        raise InvalidParameter("detail_data", f"must be made of {kind.__name__}")
    if len(set(numbers)) != len(entries):
        raise InvalidParameter("detail_data", "must not contain the same number twice")
