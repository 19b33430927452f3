"""The language of the person who reads a page."""

from __future__ import annotations

from collections.abc import Iterable

from flask import current_app, has_request_context, request
from werkzeug.datastructures import LanguageAccept

from ..protocol.i18n import DEFAULT


def reader_language(available: Iterable[str]) -> str:
    """Return the language of a page: Flask-Babel's choice if the shop has it, else the browser's.

    :param available: the languages that have texts, as ``Accept-Language`` names them.
    :return: one of them, or English.
    """
    if "babel" in current_app.extensions:
        from flask_babel import get_locale

        accepted = LanguageAccept([(str(get_locale() or DEFAULT).replace("_", "-"), 1)])
    elif has_request_context():
        accepted = request.accept_languages
    else:
        return DEFAULT
    return accepted.best_match(available, DEFAULT)
