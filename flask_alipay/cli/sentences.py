"""Exceptions as sentences for the reader of a command."""

from __future__ import annotations

import re

# A dot or an underscore inside a word: it is a name in somebody's code.
_NAME = re.compile(r"\w[._]\w")


def sentence(error: BaseException, *, without_parameter: bool = False) -> str:
    """Return the message of an exception as a sentence, with a capital letter and a full stop.

    :param without_parameter: leave out the name that an ``InvalidParameter`` begins with.
    """
    text = str(error).strip() or type(error).__name__
    parameter = getattr(error, "parameter", None)
    if without_parameter and parameter:
        text = text.removeprefix(parameter).strip()
    first = text.split(maxsplit=1)[0].rstrip(".,:;")
    if first != parameter and not without_parameter and not _NAME.search(first):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", "。")) else f"{text}."
