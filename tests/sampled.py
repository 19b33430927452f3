"""Representative combinations of settings, and all of them where all tests are to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

ALL = os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1"


def sampled(combinations: Mapping[str, Value], *names: str) -> dict[str, Value]:
    """Return the named combinations, all with ``FLASK_ALIPAY_TEST_ALL=1``.

    :param combinations: all combinations by name.
    :param names: a sample in which each single setting occurs.
    """
    return {name: combinations[name] for name in (combinations if ALL else names)}
