"""Requirements of some tests beyond Python, and what happens if they are missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skips the test, or fails it where all of them are asked for (``FLASK_ALIPAY_TEST_ALL=1``)."""
    if os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1":
        pytest.fail(f"all tests are to run, but {reason}", pytrace=False)
    pytest.skip(reason)
