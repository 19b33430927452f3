"""Translation of the command line into the language of the environment.

Exit statuses, option names, Alipay's values and ``--json`` are the same in all languages.
"""

from __future__ import annotations

import sys

from ..protocol.i18n import N_ as N_
from ..protocol.i18n import environment_language, translate, translate_plural


def _(text: str) -> str:
    """Return a text in the reader's language.

    :param text: in English, as in the code.
    :return: its translation.
    """
    return translate(text, language())


def n_(one: str, several: str, count: int) -> str:
    """Return the text for a number of things in the reader's language.

    :param one: for one thing, in English.
    :param several: for any other number.
    :param count: the number.
    :return: the translation of the fitting form.
    """
    return translate_plural(one, several, count, language())


def language() -> str:
    """Return the reader's language, ``zh`` or ``en``.

    It is English if the output cannot encode Chinese.
    """
    chosen = environment_language()
    return chosen if chosen != "zh" or _can_be_written("中文") else "en"


def _can_be_written(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
