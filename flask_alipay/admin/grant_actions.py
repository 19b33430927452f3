"""Base class of the operator pages about authorizations and agreements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from ..exceptions import OutcomeUnknown
from . import grant_rows
from .acting import ActingView
from .confirmations import Confirmation, problem_of_form, token
from .grant_forms import GrantForm
from .texts import ACTIONS, _


class GrantActions(ActingView):
    """Actions with a form of their own."""

    def submitted(self, row: Any, form: GrantForm) -> ResponseReturnValue:
        """Show a form, its confirmation, or the result.

        :param row: the authorization or agreement.
        :param form: about it.
        """
        if not form.is_offered:
            return self.impossible(row, _("This is not possible in the present status."))
        problem = ""
        if request.method == "POST":
            problem = form.problem or problem_of_form()
        if request.method == "GET" or problem:
            page = self.render(
                "grant_form.html",
                **{self.about: row},
                form=form,
                token=token(),
                problem=problem,
                back=self.url_of(row),
            )
            return page, 400 if problem else 200
        if not request.form.get("confirmed"):
            return self.confirmation_page(row, form.confirmation, "")
        return self.confirmed(row, form.action, form.confirmation, form.detail, form.submit)

    def explain(self, error: Exception) -> str:
        """Return the message about an error of an action, and the next step."""
        if not isinstance(error, OutcomeUnknown):
            return super().explain(error)
        text = _(
            "The result is unknown. Continue the same action under its number, or reconcile; do "
            "not make another one."
        )
        return f"{text} ({error})"

    def without_form(
        self, row: Any, action: str, text: str, work: Callable[[Any], tuple[str, str]]
    ) -> ResponseReturnValue:
        """Confirm an action without a form, or act.

        :param action: a key of :data:`.texts.ACTIONS`.
        :param text: a sentence: what is going to happen.
        :param work: see :meth:`~.acting.ActingView.confirmed`.
        """
        return self.confirmed(row, action, Confirmation(_(ACTIONS[action]), text), "", work)

    def render(self, template: str, **context: Any) -> str:
        """Render a page; see :meth:`~.base.AlipayView.render`."""
        return super().render(template, **{"grant_rows": grant_rows, **context})
