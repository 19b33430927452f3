"""Settings of the pages for buyers: the shop's appearance, and what the checkout offers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

_COLOR: Final = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_MAX_NAME: Final = 40
_MAX_CONTACT: Final = 200
_MAX_LOGO: Final = 2048


class SettingsReader(Protocol):
    """The methods of :class:`~flask_alipay.settings.ConfigReader` that read these settings."""

    def text(self, name: str) -> str | None:
        """Return a text."""

    def address(self, name: str) -> str | None:
        """Return a URL or path."""

    def flag(self, name: str, default: bool) -> bool:
        """Return a switch."""

    def error(self, name: str, message: str) -> Exception:
        """Return an error that names the setting."""


@dataclass(frozen=True)
class PageSettings:
    """The settings ``SHOP_NAME``, ``SHOP_LOGO``, ``SHOP_COLOR``, ``SHOP_CONTACT``, ``CHECKOUT_QR``
    and ``SKIP_CHECKOUT``.

    :param name: the shop's name.
    :param logo: the URL of its logo: a path on this site or an absolute URL.
    :param color: the colour of the main buttons, ``#rrggbb``.
    :param contact: a line for buyers with a problem: telephone, mail, opening hours.
    :param checkout_qr: whether the checkout has a QR code beside its button on a desktop.
    :param skip_checkout: whether a payment that can be paid in one way alone skips the checkout.
    """

    name: str | None = None
    logo: str | None = None
    color: str | None = None
    contact: str | None = None
    checkout_qr: bool = False
    skip_checkout: bool = False

    @property
    def text_color(self) -> str:
        """Black or white, whichever is easier to read on :attr:`color`: the contrast is at least
        4.5:1, as WCAG 2.2 AA requires.
        """
        light = _luminance(self.color or "#000000")
        return "#000" if (light + 0.05) ** 2 > 1.05 * 0.05 else "#fff"

    @property
    def logo_source(self) -> str:
        """The origin of a logo on another site, for the Content-Security-Policy; ``""`` without."""
        parts = urlsplit(self.logo or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def read_page_settings(settings: SettingsReader) -> PageSettings:
    """Read the settings of the pages.

    :param settings: the merchant's.
    :raises ConfigurationError: names the setting at fault.
    """
    return PageSettings(
        name=_line(settings, "SHOP_NAME", _MAX_NAME),
        logo=_logo(settings),
        color=_color(settings),
        contact=_line(settings, "SHOP_CONTACT", _MAX_CONTACT),
        checkout_qr=settings.flag("CHECKOUT_QR", False),
        skip_checkout=settings.flag("SKIP_CHECKOUT", False),
    )


def _line(settings: SettingsReader, name: str, max_length: int) -> str | None:
    value = settings.text(name)
    if value is not None and (len(value) > max_length or not value.isprintable()):
        raise settings.error(name, f"must be one line of at most {max_length} characters")
    return value


def _color(settings: SettingsReader) -> str | None:
    value = settings.text("SHOP_COLOR")
    if value is not None and not _COLOR.fullmatch(value):
        raise settings.error("SHOP_COLOR", "must be a colour like #0d62d4")
    return value


def _logo(settings: SettingsReader) -> str | None:
    value = settings.address("SHOP_LOGO")
    if value is None:
        return None
    parts = urlsplit(value)
    local = value.startswith("/") and not value.startswith("//")
    remote = parts.scheme in ("http", "https") and re.fullmatch(r"[\w.\-\[\]:]+", parts.netloc)
    if not (local or remote) or len(value) > _MAX_LOGO or re.search(r"[\s\"'<>;,]", value):
        raise settings.error("SHOP_LOGO", "must be a path on this site or an absolute URL")
    return value


def _luminance(color: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    found = _COLOR.fullmatch(color)
    assert found is not None  # noqa: S101 - checked by _color
    channels = [int(part, 16) / 255 for part in found.groups()]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
