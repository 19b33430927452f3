"""python-alipay-sdk, which the package is measured beside and does not depend on.

It is taken from this environment where somebody has installed it; else from one of its own, made as
the tests make them for other SDKs (:mod:`tests.other_sdks`), which needs a package index once.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from ..other_sdks import python_peer

NAME = "python-alipay-sdk"


class Missing(Exception):
    """It is not here, and cannot be had."""


def interpreter() -> Path:
    """Returns the Python of an environment that has it.

    :raises Missing: if none can be made.
    """
    try:
        return python_peer(NAME)
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        raise Missing(str(error)) from None


def load() -> Any:
    """Returns its module, in this process.

    :raises Missing: if it is not to be had.
    """
    try:
        return _imported()
    except ImportError:
        # Behind all that is here already: the one thing to be found there is the SDK.
        sys.path += map(str, interpreter().parents[1].glob("lib/python3*/site-packages"))
    try:
        return _imported()
    except ImportError as error:
        raise Missing(f"{NAME} cannot be imported ({error})") from None


def _imported() -> Any:
    module: Any = importlib.import_module("alipay")
    if not hasattr(module, "AliPay"):
        raise Missing(f"the module 'alipay' in this environment is not {NAME}'s")
    return module
