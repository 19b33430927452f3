"""Diagnosis by ``doctor``: unknown settings and malformed application numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .findings import FAIL, OK, WARN, Finding
from .i18n import _

if TYPE_CHECKING:
    from ..config import Config
    from ..settings import ConfigReader

_NUMBER = re.compile("[0-9]{16}")


def check_names(
    settings: ConfigReader, config: Config | None, others: Iterable[str] = ()
) -> Iterator[Finding]:
    """Check the names of settings, and the APPID.

    :param settings: the merchant's settings.
    :param config: its configuration; ``None`` if that is invalid.
    :param others: the prefixes of the app's other merchants.
    :return: the findings.
    """
    unknown = settings.unknown(others)
    for key, likely in unknown.items():
        fix = _("Did you mean {key}?").format(key=likely) if likely else _("Remove it.")
        text = _("There is no setting {key}; it is ignored.").format(key=key)
        yield Finding("settings", WARN, text, fix=fix)
    if not unknown:
        text = _("All settings with the prefix {prefix} are known.")
        yield Finding("settings", OK, text.format(prefix=settings.prefix))
    if config is not None and config.protocol == "openapi" and not config.simulator:
        yield from _app_id(settings.key("APP_ID"), config.merchant)


def _app_id(key: str, app_id: str) -> Iterator[Finding]:
    fix = _("Copy the application's APPID (16 digits) from Alipay's console.")
    if app_id.startswith("2088"):
        text = _("{key} is an account number (PID), not an APPID.")
        yield Finding("app_id", FAIL, text.format(key=key), fix=fix)
    elif not _NUMBER.fullmatch(app_id):
        text = _("{key} is not an APPID.")
        yield Finding("app_id", FAIL, text.format(key=key), fix=fix)
    else:
        yield Finding("app_id", OK, _("{key} has the format of an APPID.").format(key=key))
