"""Assertion rewriting, divided between the workers of a run and kept for the next one.

Pytest rewrites the assertions of a test module while it imports the module, and keeps the result
beside the module unless Python is told to write no bytecode. Workers import the same modules at the
same time, so that each rewrites all of them, which takes two thirds of the collection.
"""

from __future__ import annotations

import hashlib
import importlib
import marshal
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from _pytest.assertion import rewrite

_Rewrite = Callable[[Path, pytest.Config], tuple[Any, CodeType]]


def keep_rewritten(config: pytest.Config) -> None:
    """Keep rewritten modules in pytest's cache. A pytest that works otherwise is left alone."""
    function: _Rewrite | None = getattr(rewrite, "_rewrite_test", None)
    cache = getattr(config, "cache", None)
    if function is None or cache is None:
        return
    try:
        folder: Path = cache.mkdir("rewritten")
    except OSError:
        return

    def rewritten(source: Path, config: pytest.Config) -> tuple[Any, CodeType]:
        versions = f"{pytest.__version__} {sys.implementation.cache_tag}"
        path = folder / hashlib.sha256(f"{source} {versions}".encode()).hexdigest()
        digest = hashlib.sha256(source.read_bytes()).digest()
        with suppress(OSError):
            kept, version, code = pickle.loads(path.read_bytes())
            if kept == digest:
                return version, marshal.loads(code)
        version, made = function(source, config)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(pickle.dumps((digest, version, marshal.dumps(made))))
        temporary.replace(path)
        return version, made

    rewrite._rewrite_test = rewritten  # type: ignore[assignment,unused-ignore]


def import_in_turn(config: pytest.Config) -> None:
    """Import the test modules before they are collected, each worker from a different one on.

    What a module raises is left to the collection, which imports the module again.
    """
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
