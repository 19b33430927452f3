"""Thousands of apps with the same routes and pages: each of these is compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule


def compile_once() -> None:
    """Has Werkzeug and Jinja keep what they compile, from one app to the next."""
    Flask.jinja_options = {"bytecode_cache": _Pages()}
    _keep_routes()


class _Pages(BytecodeCache):
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


def _keep_routes() -> None:
    """Werkzeug compiles two functions for each route of each app. They depend on the route's text
    alone where it has no defaults. A Werkzeug that works otherwise is left alone.
    """
    compile_builder: Callable[..., Any] | None = getattr(Rule, "_compile_builder", None)
    if compile_builder is None:
        return
    known: dict[Any, Any] = {}

    def remembered(rule: Any, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        route = (rule.rule, tuple(rule._trace), append_unknown)
        if route not in known:
            known[route] = compile_builder(rule, append_unknown)
        return known[route]

    Rule._compile_builder = remembered  # type: ignore[method-assign,unused-ignore]
