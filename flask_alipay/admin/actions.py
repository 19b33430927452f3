"""Actions of operators on one payment: query, refund, close, replay.

Each is an operation of the package, as on the command line. It is safe to submit twice: a refund is
identified by its number, and the ledger settles everything else once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import AlipayError
from ..ledger.session import LedgerSession
from ..operations.queries import close, query
from ..protocol.trade_status import TradeStatus
from . import rows
from .acting import ActingView
from .confirmations import Confirmation, problem_of_form, token
from .errors import explain
from .refund_form import PasswordRefundForm, RefundForm
from .texts import ACTIONS, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

_FOREX = ("forex", "forex_wap")
_UNPAID = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


def offered(alipay: AlipayBlueprint[Any, Any], payment: Any) -> list[str]:
    """Return the actions that a payment's status permits."""
    found = ["query"]
    if can_refund(alipay, payment):
        found.append("refund")
        if can_confirm_at_alipay(alipay):
            found.append("refund_with_password")
    if payment.trade_status in _UNPAID:
        found.append("close")
    return found


def can_refund(alipay: AlipayBlueprint[Any, Any], payment: Any) -> bool:
    """Return whether a part of a payment can be refunded here."""
    domestic = payment.currency == "CNY" and payment.product not in _FOREX
    kept = alipay.models.Refund is not None
    left = payment.total_fen > payment.refunded_fen
    return bool(payment.paid and domestic and kept and left)


def can_confirm_at_alipay(alipay: AlipayBlueprint[Any, Any]) -> bool:
    """Return whether refunds can be confirmed with the account's password on a page of Alipay's:
    on the legacy gateway.
    """
    return "confirm_refund" not in alipay.gateway.unsupported


class PaymentActions(ActingView):
    """The pages of actions below the page of a payment."""

    about = "payment"
    number = "out_trade_no"
    status = "trade_status"
    confirmation_template = "confirm.html"

    def find(self, number: str) -> Any | None:
        """Return a payment as the database has it now, or ``None``."""
        return self.alipay.ledger().find(number)

    @expose("/<out_trade_no>/query", methods=("GET", "POST"))
    def query(self, out_trade_no: str) -> ResponseReturnValue:
        """Query Alipay about a payment and update the ledger."""
        payment = self.target(out_trade_no)
        text = _("Alipay is queried about this payment, and the ledger is updated.")
        confirmation = Confirmation(_(ACTIONS["query"]), text)
        return self.confirmed(payment, "query", confirmation, "", self._query)

    @expose("/<out_trade_no>/close", methods=("GET", "POST"))
    def close(self, out_trade_no: str) -> ResponseReturnValue:
        """Close an unpaid payment at Alipay and in the ledger."""
        payment = self.target(out_trade_no)
        if "close" not in offered(self.alipay, payment):
            return self.impossible(payment, _("Only an unpaid payment can be closed."))
        text = _("The payment is closed at Alipay and here: it can no longer be paid.")
        confirmation = Confirmation(_(ACTIONS["close"]), text)
        return self.confirmed(payment, "close", confirmation, "", self._close)

    @expose("/<out_trade_no>/replay/<int:row_id>", methods=("GET", "POST"))
    def replay(self, out_trade_no: str, row_id: int) -> ResponseReturnValue:
        """Verify and settle a notification of the journal again."""
        from .notifications import journal_row

        payment = self.target(out_trade_no)
        row = journal_row(self, row_id)
        if row is None or row.out_trade_no != out_trade_no or not rows.is_replayable(row):
            abort(404)
        payload = dict(row.payload)
        detail = f"#{row_id}"
        try:
            foreseen = self.alipay.replay(payload, journalled=True, dry_run=True)
        except (AlipayError, SQLAlchemyError) as error:
            LedgerSession(self.alipay.session).roll_back()
            return self.impossible(self.target(out_trade_no), explain(error))
        text = _("Notification {row} is verified and settled again. It would be: {outcome}.")
        text = text.format(row=detail, outcome=_outcome(foreseen))
        confirmation = Confirmation(_(ACTIONS["replay"]), text)

        def work(payment: Any) -> tuple[str, str]:
            replayed = self.alipay.replay(payload, journalled=True)
            return "success", _("The notification is: {outcome}.").format(
                outcome=_outcome(replayed)
            )

        return self.confirmed(payment, "replay", confirmation, detail, work)

    @expose("/<out_trade_no>/refund", methods=("GET", "POST"))
    def refund(self, out_trade_no: str) -> ResponseReturnValue:
        """Refund all or a part of a payment."""
        payment = self.target(out_trade_no)
        return self._refund(payment, RefundForm(self.alipay, payment))

    @expose("/<out_trade_no>/refund-with-password", methods=("GET", "POST"))
    def refund_with_password(self, out_trade_no: str) -> ResponseReturnValue:
        """Record a refund that the merchant confirms with a password on Alipay's page."""
        payment = self.target(out_trade_no)
        if not can_confirm_at_alipay(self.alipay):
            abort(404)
        return self._refund(payment, PasswordRefundForm(self.alipay, payment))

    def _refund(self, payment: Any, form: RefundForm) -> ResponseReturnValue:
        if form.is_done:
            text = _("Refund {number} has succeeded already; nothing was refunded twice.")
            return self.impossible(payment, text.format(number=form.number))
        if form.row is None and not can_refund(self.alipay, payment):
            text = _("Only a paid payment that is not refunded in full can be refunded.")
            return self.impossible(payment, text)
        if request.method == "GET":
            return self.render("refund.html", payment=payment, form=form, token=token(), problem="")
        problem = form.problem or problem_of_form()
        if problem:
            page = self.render(
                "refund.html", payment=payment, form=form, token=token(), problem=problem
            )
            return page, 400
        if not request.form.get("confirmed"):
            return self.confirmation_page(payment, form.confirmation, "")
        detail = " · ".join(filter(None, (form.text, form.number, form.reason)))
        done = self.confirmed(payment, form.action, form.confirmation, detail, form.submit)
        if not form.alipay_url:
            return done
        # A page with a link, not a redirect: the shop's policy for forms may allow no other site.
        return self.render("refund_at_alipay.html", payment=payment, form=form)

    def _query(self, payment: Any) -> tuple[str, str]:
        before = payment.trade_status, payment.refunded_fen
        return query_result(query(self.alipay.merchant, payment), before)

    def _close(self, payment: Any) -> tuple[str, str]:
        before = payment.trade_status, payment.refunded_fen
        result = close(self.alipay.merchant, payment)
        if result.payment.paid:
            return "warning", _("The buyer has just paid: it is settled as a sale.")
        return query_result(result, before)


def query_result(result: Any, before: tuple[str, int]) -> tuple[str, str]:
    """Return the category and the text for Alipay's response about a payment.

    :param result: the operation's result.
    :param before: the payment's status and refunded amount before.
    """
    payment, reported = result
    status = rows.payment_status(payment)
    if payment.paid and reported in (None, TradeStatus.WAIT_BUYER_PAY):
        return "error", _(
            "Alipay has no paid trade with this number, but the ledger has a sale. Was it paid at "
            "another gateway or in the sandbox? Please check in Alipay's merchant portal."
        )
    if (payment.trade_status, payment.refunded_fen) != before:
        return "success", _("The ledger is updated: {status}.").format(status=status)
    if reported is None:
        return "info", _(
            "Alipay has no trade with this number: the buyer has not begun to pay. The ledger is "
            "unchanged: {status}."
        ).format(status=status)
    return "info", _("Alipay reports {reported}. The ledger is unchanged: {status}.").format(
        reported=reported, status=status
    )


def _outcome(replay: Any) -> str:
    from .texts import OUTCOMES

    text = _(OUTCOMES.get(replay.outcome, replay.outcome))
    events = rows.events(replay.events)
    text = f"{text} ({events})" if events else text
    if replay.queries:
        text = _("{outcome}, if Alipay's response to a query agrees").format(outcome=text)
    return text
