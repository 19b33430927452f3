"""Base class of the pages with actions of operators.

An action is confirmed on a page of its own, recorded before it begins and again with its result,
and safe to submit twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import AlipayError
from ..ledger.operator_log import record_action
from ..ledger.session import LedgerSession
from .base import AlipayView
from .confirmations import Confirmation, problem_of_form, token
from .errors import explain
from .refund_form import AT_ALIPAY

logger = logging.getLogger("flask_alipay")


class ActingView(AlipayView):
    """A page about payments, authorizations or agreements, with actions on each.

    The route ``show`` is the page of one; its argument has the name of :attr:`number`.
    """

    #: The kind of thing: see :func:`~flask_alipay.ledger.history.subject_of`; also its name in
    #: templates.
    about: ClassVar[str]
    #: The attribute with the thing's number.
    number: ClassVar[str]
    #: The attribute with Alipay's status.
    status: ClassVar[str] = "status"
    #: The template of the confirmation.
    confirmation_template: ClassVar[str] = "confirm_grant.html"

    def find(self, number: str) -> Any | None:
        """Return the application's object as the database has it now, or ``None``."""
        raise NotImplementedError

    def target(self, number: str) -> Any:
        """Return the object of an action; respond with 403 to a user who may not act, and with 404
        without an object.
        """
        if not self.access.may_act():
            abort(403)
        row = self.find(number)
        if row is None:
            abort(404)
        return row

    def url_of(self, row: Any) -> str:
        """Return the URL of the page of a thing."""
        url: str = self.get_url(".show", **{self.number: getattr(row, self.number)})
        return url

    def confirmed(
        self,
        row: Any,
        action: str,
        confirmation: Confirmation,
        detail: str,
        work: Callable[[Any], tuple[str, str]],
    ) -> ResponseReturnValue:
        """Ask for a confirmation or, if it was given, act.

        :param action: a key of :data:`.texts.ACTIONS`.
        :param detail: for the record, for example the amount; no buyer data.
        :param work: takes the object; returns the category and the text of the result.
        """
        if request.method == "GET":
            return self.confirmation_page(row, confirmation, "")
        problem = problem_of_form(confirmation)
        if problem:
            return self.confirmation_page(row, confirmation, problem), 400
        url = self.url_of(row)
        category, text = self._act(getattr(row, self.number), action, detail, work)
        if text:
            flash(text, category)
        return redirect(url, 303)

    def confirmation_page(self, row: Any, confirmation: Confirmation, problem: str) -> str:
        """Return the page on which an action is confirmed."""
        names = {"payment": None, self.about: row}
        return self.render(
            self.confirmation_template,
            **names,
            confirmation=confirmation,
            token=token(),
            problem=problem,
            back=self.url_of(row),
        )

    def impossible(self, row: Any, text: str) -> ResponseReturnValue:
        """Respond to an action that the object's state does not permit."""
        flash(text, "warning")
        return redirect(self.url_of(row), 303)

    def explain(self, error: Exception) -> str:
        """Return the message about an error of an action; see :func:`.errors.explain`."""
        return explain(error)

    def _act(
        self, number: str, action: str, detail: str, work: Callable[[Any], tuple[str, str]]
    ) -> tuple[str, str]:
        """Act, with a record before and after; return the category and the text of the result."""
        try:
            self._record(number, action, detail)
            category, text = work(self.target(number))
        except (AlipayError, SQLAlchemyError) as error:
            LedgerSession(self.alipay.session).roll_back()
            category, text = "error", self.explain(error)
            result = type(error).__name__
        else:
            result = category if category == AT_ALIPAY else "done"
        try:
            self._record(number, action, detail, result)
        except SQLAlchemyError as error:
            LedgerSession(self.alipay.session).roll_back()
            logger.error("an action was not recorded (%s)", type(error).__name__)
        return category, text

    def _record(self, number: str, action: str, detail: str, result: str = "") -> None:
        operator = self.access.operator_name()
        text = f"{detail} {result}".strip()
        logger.info("operator %s: %s of %s %s", operator, action, number, text)
        row = self.find(number)
        record_action(
            self.alipay.session,
            self.alipay.models,
            self.merchant_of(),
            operator=operator,
            action=action,
            out_trade_no=number,
            about=self.about,
            trade_status=getattr(row, self.status) if row is not None else "",
            detail=detail,
            result=result,
        )
