"""The language of the pages: the buyer's choice, or the browser's.

Flask-Alipay's pages follow Flask-Babel. The Chinese texts are in ``translations``.
"""

from __future__ import annotations

from flask import Flask, has_request_context, request, session
from flask_babel import Babel, get_locale

#: Flask-Babel's names of the languages. Flask-Admin has Chinese texts under this name only.
LOCALES = {"zh": "zh_Hans_CN", "en": "en"}


def add_languages(app: Flask) -> None:
    """Translate the pages, and let the templates link to the other language."""
    Babel(app, locale_selector=_locale)
    app.jinja_env.globals["language"] = _language


def path_of_this_site(path: str, *, below: str = "/") -> str | None:
    """Return a path if a link may lead there; None if it leads to another site or elsewhere.

    :param path: from a form or a query.
    :param below: the allowed beginning.
    """
    safe = path.startswith(below) and not path.startswith("//") and "\\" not in path
    return path if safe and path.isprintable() else None


def _locale() -> str:
    if not has_request_context():  # in a command
        return "en"
    chosen = session.get("language")
    return LOCALES[chosen or request.accept_languages.best_match(tuple(LOCALES), "en")]


def _language() -> str:
    locale = get_locale()
    return "zh" if locale is not None and locale.language == "zh" else "en"
