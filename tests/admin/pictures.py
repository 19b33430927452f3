"""Pictures of the operator pages for the documentation.

``FLASK_ALIPAY_SCREENSHOTS=docs/_static python -m pytest -n 0 tests/admin/test_in_a_browser.py``
takes them again. Times and generated numbers are replaced, so that a page that did not change has
the same picture.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flask_alipay.protocol.conversion import CHINA_TIME

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: The folder for the pictures, or ``None``; read now, as the tests may change the environment.
FOLDER = os.environ.get("FLASK_ALIPAY_SCREENSHOTS")

_PNG = b"\x89PNG\r\n\x1a\n"

_PNG = b"\x89PNG\r\n\x1a\n"

# Sphinx shows the file with the language of the documentation, if there is one.
_SUFFIXES = {"en": "", "zh-CN": ".zh_CN"}

# Today becomes 31 January 2026. The times of one page are a minute apart, in their order.
_REPLACE = r"""today => {
    const shift = Date.UTC(2026, 0, 31) - Date.parse(today + 'T00:00Z');
    const moved = date => new Date(Date.parse(date + 'T00:00Z') + shift).toISOString();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
    while (walk.nextNode()) texts.push(walk.currentNode);
    const moment = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g;
    const found = texts.flatMap(text => text.data.match(moment) || []);
    const order = [...new Set(found)].sort(), numbers = new Map();
    const minute = each => `20:${String(order.indexOf(each)).padStart(2, 0)}:00`;
    for (const text of texts) {
        text.data = text.data
            .replace(/(?<![\d-])\d\d-\d\d(?![\d-])/g, each => (
                moved(`${today.slice(0, 4)}-${each}`).slice(5, 10)
            ))
            .replace(/\d{4}-\d\d-\d\d(?! \d)/g, each => moved(each).slice(0, 10))
            .replace(moment, each => `2026-01-31 ${minute(each)}`)
            .replace(/(?<!\d)(?!2026013100)\d{26,28}(?!\d)/g, each => {
                if (!numbers.has(each)) numbers.set(each, numbers.size + 1);
                return '20260131' + String(numbers.get(each)).padStart(each.length - 8, 9);
            })
            .replace(/(?<!\d)\d{16}(?!\d)/g, '9021000000000001');
    }
}"""


def take(page: Page, name: str, kind: str, locale: str) -> None:
    """Take a picture of a page, if a folder is given.

    :param kind: ``desktop`` or ``phone``.
    """
    if FOLDER is None:
        return
    page.evaluate(_REPLACE, f"{datetime.now(CHINA_TIME):%Y-%m-%d}")
    file = Path(FOLDER) / f"admin-{name}-{kind}{_SUFFIXES[locale]}.png"
    file.write_bytes(with_palette(page.screenshot(full_page=True)))


def with_palette(png: bytes) -> bytes:
    """Return a picture of a page with at most 256 colours: about a third of the size.

    :param png: with 8 bits for each of red, green and blue, as Chromium writes it.
    """
    chunks = dict(_chunks(png))
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = _unfiltered(zlib.decompress(chunks[b"IDAT"]), width * 3, height)
    pixels = [row[at : at + 3] for row in rows for at in range(0, width * 3, 3)]
    groups: dict[bytes, bytes] = {}
    for mask in (0xFF, 0xFE, 0xFC, 0xF8, 0xF0, 0xE0):
        groups = {color: bytes(part & mask for part in color) for color in set(pixels)}
        if len(set(groups.values())) <= 256:
            break
    palette = sorted(set(groups.values()))
    places = {color: palette.index(group) for color, group in groups.items()}
    # The lightest shade of a group stands for it, so that white stays white.
    shades = [max(color for color in places if places[color] == at) for at in range(len(palette))]
    indices = bytes(places[pixel] for pixel in pixels)
    lines = (b"\0" + indices[at : at + width] for at in range(0, len(indices), width))
    return _PNG + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(shades)),
            (b"IDAT", zlib.compress(b"".join(lines), 9)),
            (b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each chunk; the data of the picture grows to one chunk."""
    at, picture = len(_PNG), b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if name == b"IDAT":
            picture += data
        yield name, picture if name == b"IDAT" else data
        at += length + 12


def _unfiltered(data: bytes, length: int, height: int) -> Iterator[bytes]:
    """Yield the lines of a picture without the filters of PNG."""
    above = bytearray(length)
    for line in range(height):
        at = line * (length + 1)
        kind, row = data[at], bytearray(data[at + 1 : at + 1 + length])
        for place in range(length):
            left = row[place - 3] if place > 2 else 0
            corner = above[place - 3] if place > 2 else 0
            row[place] = (row[place] + _predicted(kind, left, above[place], corner)) & 0xFF
        yield bytes(row)
        above = row


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda near: abs(guess - near))
