"""Translation of exception messages into the reader's language.

``str()`` of an exception is English, for logs. A message is recognised by the template in the code,
and its values are inserted into that template's translation.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import Formatter

from .error_texts import TEMPLATES
from .i18n import _, language
from .parameter_texts import RULES


def translate_error(message: str) -> str:
    """Translate the message of an exception; return an unknown one unchanged.

    :param message: in English, without the parameter or setting at its beginning.
    :return: the message in the reader's language.
    """
    if language() == "en":
        return message
    for template, pattern in _patterns():
        found = pattern.fullmatch(message)
        translated = _(template)
        if found is not None and translated != template:
            values = {name: translate_error(value) for name, value in found.groupdict().items()}
            return translated.format(**values)
    return message


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return each template with its pattern, those with the longest literal text first."""
    literal = re.compile(r"\{\w\}")
    texts = {*TEMPLATES, *RULES}
    ordered = sorted(texts, key=lambda text: (-len(literal.sub("", text)), text))
    return [(template, _pattern(template)) for template in ordered]


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _spec, _conversion in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>.+?)")
    return re.compile("".join(parts), re.DOTALL)
