"""Accessibility of pages: the rules of axe-core for WCAG 2.2 A and AA."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .other_sdks import node_peer

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PACKAGE = "axe-core@4"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(tab: Page) -> list[str]:
    """Return the rules that a page breaks, each with the elements at fault.

    :param tab: the page, fully loaded.
    """
    tab.evaluate(_source())
    found: dict[str, Any] = tab.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", _TAGS
    )
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@lru_cache(maxsize=1)
def _source() -> str:
    file = node_peer(_PACKAGE) / "node_modules" / "axe-core" / "axe.min.js"
    return file.read_text(encoding="utf-8")
