"""Order numbers that sort by day and cannot be guessed."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone

from ..protocol.conversion import CHINA_TIME

_RANDOM_DIGITS = 18


def generate_out_trade_no() -> str:
    """Generate an order number of 26 digits: the date in China, then 18 digits from the operating
    system's source of randomness.
    """
    day = datetime.now(timezone.utc).astimezone(CHINA_TIME).strftime("%Y%m%d")
    return f"{day}{secrets.randbelow(10**_RANDOM_DIGITS):0{_RANDOM_DIGITS}d}"
