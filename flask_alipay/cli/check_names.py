"""``doctor`` checks names: settings that do not exist, and an APP_ID that is none."""

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
    """Check the names of settings, and the application's number.

    :param settings: the merchant's.
    :param config: its configuration; ``None`` if that is invalid.
    :param others: the prefixes of the app's merchants.
    """
    unknown = settings.unknown(others)
    for key, likely in unknown.items():
        mend = _("Did you mean {key}?").format(key=likely) if likely else _("Remove it.")
        told = _("There is no setting {key}: it is ignored.").format(key=key)
        yield Finding("settings", WARN, told, fix=mend)
    if not unknown:
        told = _("All settings below {prefix} are known.")
        yield Finding("settings", OK, told.format(prefix=settings.prefix))
    if config is not None and config.protocol == "openapi" and not config.simulator:
        yield from _app_id(settings.key("APP_ID"), config.merchant)


def _app_id(key: str, app_id: str) -> Iterator[Finding]:
    mend = _("Copy the APPID of the application from Alipay's console: 16 digits.")
    if app_id.startswith("2088"):
        told = _("{key} is the number of an account (PID), not of an application.")
        yield Finding("app_id", FAIL, told.format(key=key), fix=mend)
    elif not _NUMBER.fullmatch(app_id):
        told = _("{key} is not the number of an application.")
        yield Finding("app_id", FAIL, told.format(key=key), fix=mend)
    else:
        yield Finding("app_id", OK, _("{key} looks like an application's.").format(key=key))
