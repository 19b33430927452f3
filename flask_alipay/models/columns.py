"""Types of columns that several tables share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Integer, String

# SQLite generates keys only for a column of type INTEGER.
Id = BigInteger().with_variant(Integer(), "sqlite")

# MariaDB and MySQL ignore case by default; Alipay's and the shop's numbers are case-sensitive.
Number = String(64).with_variant(String(64, collation="utf8mb4_bin"), "mysql", "mariadb")
OpenId = String(128).with_variant(String(128, collation="utf8mb4_bin"), "mysql", "mariadb")
# A merchant, a colon and a notify_id.
MessageId = String(161).with_variant(String(161, collation="utf8mb4_bin"), "mysql", "mariadb")


#: Returns the current time as aware UTC.
utc_now: Callable[[], datetime] = partial(datetime.now, timezone.utc)


def is_inherited(cls: Any, mixin: type) -> bool:
    """Return whether a class inherits from another one that has the mixin's columns in a table."""
    return any(issubclass(base, mixin) and "__table__" in vars(base) for base in cls.__mro__[1:])
