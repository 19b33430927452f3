"""Messages of exceptions as sentences, for the output of commands."""

from __future__ import annotations

import re

from .error_translation import translate_error

# A dot or an underscore inside a word marks a name in code.
_NAME = re.compile(r"\w[._]\w")


def sentence(error: BaseException, *, without_parameter: bool = False) -> str:
    """Return the message of an exception in the reader's language, as a sentence.

    :param error: the exception.
    :param without_parameter: whether to leave out the parameter at the beginning of an
        ``InvalidParameter``'s message.
    :return: the sentence.
    """
    text = str(error).strip() or type(error).__name__
    name, message = _split(error, text)
    translated = translate_error(message)
    if translated != message:
        head = "" if without_parameter and hasattr(error, "parameter") else f"{name} "
        return f"{head}{translated}。".lstrip() if name else f"{translated}。"
    if without_parameter and hasattr(error, "parameter"):
        text = message
    elif not name and not _NAME.search(text.split(maxsplit=1)[0].rstrip(".,:;")):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", "。")) else f"{text}."


def _split(error: BaseException, text: str) -> tuple[str, str]:
    """Split a message into the parameter or setting at its beginning, if any, and the rest."""
    key = getattr(error, "key", None)
    for name in (getattr(error, "parameter", None), key and f"'{key}'"):
        if name and text.startswith(f"{name} "):
            return name, text.removeprefix(name).strip()
    return "", text
