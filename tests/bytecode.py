"""Compiled modules: kept for the next run and for the programs that tests start, and divided
between the workers of a run.

Pytest rewrites the assertions of a test module while it imports the module, and keeps the result
where Python keeps its own. Workers import the same modules at the same time, so that each would
rewrite all of them, which takes two thirds of the collection.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

_VARIABLE = "PYTHONDONTWRITEBYTECODE"


def keep_bytecode() -> None:
    """Where Python is told to write no bytecode (images for containers do), keep it in pytest's
    folder instead of beside the sources: hundreds of processes would compile Flask and SQLAlchemy.

    Programs that only import a module of the tests are left alone.
    """
    if "pytest" not in sys.modules or _VARIABLE not in os.environ or not sys.dont_write_bytecode:
        return
    folder = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)
    del os.environ[_VARIABLE]
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def import_in_turn(config: pytest.Config) -> None:
    """Import the test modules before they are collected, each worker from a different one on.

    What a module raises is left to the collection, which imports the module again.
    """
    import pytest

    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    ignored: list[str] = config.getini("norecursedirs")
    modules = [
        ".".join(file.relative_to(config.rootpath).with_suffix("").parts)
        for file in sorted(Path(__file__).parent.rglob("test_*.py"))
        if not any(fnmatch(part, each) for part in file.parts for each in ignored)
    ]
    number = int(str(worker["workerid"]).removeprefix("gw")) % int(worker["workercount"])
    first = len(modules) * number // int(worker["workercount"])
    for module in (*modules[first:], *modules[:first]):
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(module)
