"""Pages on which an operator confirms an action, protected against forged and repeated requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import request
from flask_admin.form import SecureForm

from .texts import _

#: The field of the token; Flask-WTF's CSRFProtect uses ``csrf_token`` for its own.
TOKEN = "alipay_csrf_token"  # noqa: S105


class ActionForm(SecureForm):
    """The token of a form, bound to the operator's session and valid for half an hour."""

    class Meta(SecureForm.Meta):
        """The name of the token's field."""

        csrf_field_name = TOKEN


@dataclass(frozen=True)
class Confirmation:
    """The contents of a page on which an operator confirms an action."""

    #: In words, for the heading and the button.
    title: str
    #: A sentence: what is going to happen.
    text: str
    #: Points to consider first.
    warnings: tuple[str, ...] = ()
    #: Fields that the form carries on, by name.
    fields: dict[str, str] = field(default_factory=dict)
    #: A sentence that has to be ticked; empty: none.
    tick: str = ""


def token() -> str:
    """Return the token that a form of the current session carries."""
    form = ActionForm()
    return str(form[TOKEN].current_token)


def problem_of_form(confirmation: Confirmation | None = None) -> str:
    """Return the problem of the submitted form; empty if it is valid.

    :param confirmation: the confirmation that the form belongs to.
    :return: a sentence in the operator's language.
    """
    form: Any = ActionForm(request.form)
    if not form.validate():
        return _("This form is too old or comes from another page. Please try again.")
    if confirmation is not None and confirmation.tick and not request.form.get("tick"):
        return _("Please tick the box to confirm.")
    return ""
