"""QR codes of the addresses of pages, which a phone on the same network can open."""

from __future__ import annotations

import io

from markupsafe import Markup


def qr_code(url: str) -> Markup:
    """Return a QR code as SVG for a page."""
    import segno  # only where there is something to draw

    return Markup(segno.make(url, micro=False).svg_inline(scale=4, border=2))  # noqa: S704 - no text


def framed_qr_code(url: str) -> Markup:
    """Return the same code, as wide as its frame."""
    import segno

    picture = segno.make(url, micro=False).svg_inline(border=2, omitsize=True)
    return Markup(picture)  # noqa: S704 - no text


def qr_picture(url: str, size: int) -> bytes:
    """Return a QR code as an SVG file.

    :param size: its width and height in pixels.
    """
    import segno

    code = segno.make(url, micro=False)
    scale = size / code.symbol_size(border=4)[0]
    file = io.BytesIO()
    code.save(file, kind="svg", border=4, scale=scale, light="#fff")
    return file.getvalue()
