"""Translations of the package's texts, from one gettext catalogue per language.

The texts in the code are English and need no catalogue. The catalogues are below ``locale``, as
``<language>/LC_MESSAGES/flask_alipay.po`` and compiled as ``.mo``; ``python -m tests.translations``
collects the texts and compiles the catalogues. A shop may supply catalogues for the buyers' pages,
with other languages or other texts: they take precedence.

A text is looked up before values are inserted: ``_("Set {key}.").format(key=key)``. A text outside
a function is marked with :func:`N_` and looked up where it is shown, in the reader's language.
"""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

_DOMAIN: Final = "flask_alipay"
_LOCALE: Final = Path(__file__).parent.parent / "locale"

#: The package's languages, as in ``Accept-Language``. A browser that accepts both equally gets
#: the first.
LANGUAGES: Final = ("zh", "en")
#: The language of readers who request none of these.
DEFAULT: Final = "en"

# Catalogue directories by language.
_FOLDERS: Final = {"zh": "zh_CN"}

# The environment variables that choose the language, in gettext's order: the first that is set.
_VARIABLES: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def N_(text: str) -> str:  # noqa: N802 - gettext's name
    """Mark a text for translation and return it unchanged."""
    return text


def translate(text: str, language: str, folder: Path | None = None) -> str:
    """Return a text in a language; in English if no catalogue has it.

    :param text: in English, as in the code.
    :param language: one of :func:`languages`.
    :param folder: the shop's catalogues.
    """
    # gettext's entry for the empty text is the header of the catalogue.
    return _catalogue(language, folder).gettext(text) if text else text


def translate_plural(one: str, several: str, count: int, language: str) -> str:
    """Return the singular or plural text for a number of things in a language.

    :param one: for one thing, in English.
    :param several: for any other number.
    :param count: the number.
    :param language: one of :data:`LANGUAGES`.
    """
    return _catalogue(language, None).ngettext(one, several, count)


def translator(language: str, folder: Path | None = None) -> Callable[[str], str]:
    """Return :func:`translate` for one language; the pages call it ``_t``.

    The pages leave the names ``_`` and ``gettext`` to the app: a shop's own template that a page
    extends may translate with Flask-Babel.
    """
    return partial(translate, language=language, folder=folder)


def languages(folder: Path | None = None) -> tuple[str, ...]:
    """Return the languages that have texts, as ``Accept-Language`` names them.

    :param folder: the shop's catalogues.
    """
    if folder is None:
        return LANGUAGES
    return tuple(dict.fromkeys((*LANGUAGES, *catalogues_in(folder))))


@lru_cache(maxsize=16)
def catalogues_in(folder: Path) -> tuple[str, ...]:
    """Return the languages of the catalogues in a folder, as ``Accept-Language`` names them."""
    compiled = sorted(folder.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo"))
    return tuple(path.parts[-3].replace("_", "-") for path in compiled)


def environment_language() -> str:
    """Return the language, one of :data:`LANGUAGES`, that the environment selects.

    ``LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` choose it, in this order.
    """
    setting = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    name = next(filter(None, setting.split(":")), "")
    base = re.split(r"[_.@-]", name.lower(), maxsplit=1)[0]
    return base if base in LANGUAGES else DEFAULT


@lru_cache(maxsize=64)
def _catalogue(language: str, folder: Path | None) -> gettext.NullTranslations:
    name = language.replace("-", "_")
    package = gettext.translation(
        _DOMAIN, str(_LOCALE), [_FOLDERS.get(name.split("_")[0], name)], fallback=True
    )
    if folder is None:
        return package
    shop = gettext.translation(_DOMAIN, str(folder), [name], fallback=True)
    shop.add_fallback(package)
    return shop
