"""Forms for captures, releases and deductions, and the operations that they describe."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from flask import request

from ..exceptions import AlipayError, InvalidParameter
from ..operations.order_number import generate_out_trade_no
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.validation import check_out_trade_no, check_text
from . import grant_rows, rows
from .confirmations import Confirmation
from .errors import explain
from .texts import ACTIONS, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

_MAX_TEXT = 256


class GrantForm:
    """An operation as an operator enters it.

    The form has the operation's number from the beginning: submitting it again does not repeat it.

    :param alipay: the merchant's blueprint.
    :param grant: an authorization or agreement of this merchant's.
    """

    #: The action that is recorded, a key of :data:`.texts.ACTIONS`.
    action: ClassVar[str]
    #: The name of the field with a text.
    text_name: ClassVar[str]

    def __init__(self, alipay: AlipayBlueprint[Any, Any], grant: Any) -> None:
        self._alipay = alipay
        self._grant = grant
        self._sent = request.form if request.method == "POST" else request.args
        #: The number of the operation without a result that the form continues; empty: none.
        self.pending = self._pending()
        #: The operation's number.
        self.number = self.pending or self._field("number") or generate_out_trade_no()
        #: The amount in yuan as it was written.
        self.amount = self._field("amount", self._default_amount())
        if self.pending:
            self.amount = self._default_amount()
        #: The subject or the reason as it was written.
        self.text = self._field(self.text_name, self._default_text())

    @property
    def title(self) -> str:
        """The action in words, for a heading."""
        return _(ACTIONS[self.action])

    @property
    def fen(self) -> int:
        """The amount in fen."""
        return to_minor_units(self.amount, parameter="amount")

    @property
    def money(self) -> str:
        """The amount for a sentence."""
        return rows.money(self.fen)

    @property
    def detail(self) -> str:
        """The operation for the record."""
        return f"{self.money} · {self.number}"

    @property
    def is_offered(self) -> bool:
        """True if the action is possible in the present state."""
        raise NotImplementedError

    @property
    def hint(self) -> str:
        """A sentence about the amount."""
        raise NotImplementedError

    @property
    def labels(self) -> Labels:
        """The names of the fields."""
        raise NotImplementedError

    @cached_property
    def problem(self) -> str:
        """The problem of the input; empty if it is valid."""
        try:
            check_out_trade_no(self.number, "number")
            to_minor_units(self.amount, parameter="amount")
            if self.text:
                charset = self._alipay.config.charset
                check_text("text", self.text, max_length=_MAX_TEXT, charset=charset)
        except InvalidParameter as error:
            if error.parameter == "amount":
                return _("Please write an amount like 88.88.")
            if error.parameter == "text":
                return _("The text is too long or has characters that Alipay does not accept.")
            return _("The number is damaged; please start again.")
        return self._problem()

    @property
    def confirmation(self) -> Confirmation:
        """The page on which the operator confirms the operation."""
        fields = {
            "number": self.number,
            "amount": self.amount,
            self.text_name: self.text,
            **self._more_fields(),
            "confirmed": "yes",
        }
        return Confirmation(self.title, self._question(), (), fields)

    def submit(self, grant: Any) -> tuple[str, str]:
        """Perform the operation, and return the category and the text of the result.

        :param grant: as it is now.
        :raises AlipayError: see the method of the blueprint.
        """
        raise NotImplementedError

    def _field(self, name: str, default: str = "") -> str:
        return self._sent.get(name, default).strip()

    def _pending(self) -> str:
        return ""

    def _default_amount(self) -> str:
        raise NotImplementedError

    def _default_text(self) -> str:
        return ""

    def _more_fields(self) -> dict[str, str]:
        return {}

    def _problem(self) -> str:
        raise NotImplementedError

    def _question(self) -> str:
        raise NotImplementedError


class Labels(NamedTuple):
    """The names of a form's fields."""

    text: str
    #: A field to tick; empty: none.
    tick: str = ""


class CaptureForm(GrantForm):
    """A capture of a part of a frozen amount."""

    action = "capture"
    text_name = "subject"

    @property
    def is_offered(self) -> bool:
        """True if something is left, or the form continues a capture."""
        return self._grant.rest_fen > 0 or self.number in self._grant.pending_captures

    @property
    def complete(self) -> bool:
        """True if everything else is to be released afterwards."""
        return bool(self._sent.get("complete"))

    @property
    def hint(self) -> str:
        """The amount that is left."""
        return _left(self._grant)

    @property
    def labels(self) -> Labels:
        """The names of the fields."""
        return Labels(_("Subject"), _("Release everything else afterwards"))

    def submit(self, grant: Any) -> tuple[str, str]:
        """Capture."""
        payment = self._alipay.capture(
            grant,
            self.amount,
            out_trade_no=self.number,
            complete=self.complete,
            subject=self.text or None,
        )
        return _payment_result(payment)

    def _pending(self) -> str:
        number = self._field("number")
        return number if number in self._grant.pending_captures else ""

    def _default_amount(self) -> str:
        if self.pending:
            payment = self._alipay.ledger().find(self.pending)
            if payment is not None:
                return format_amount(payment.total_fen)
        return format_amount(self._grant.rest_fen) if self._grant.rest_fen else ""

    def _default_text(self) -> str:
        return str(self._grant.title)

    def _more_fields(self) -> dict[str, str]:
        return {"complete": "yes"} if self.complete else {}

    def _problem(self) -> str:
        if not self.pending and self.fen > self._grant.rest_fen:
            return _left(self._grant)
        return ""

    def _question(self) -> str:
        if self.complete:
            text = _(
                "Charge {amount} of the frozen amount, and release everything else? This cannot be "
                "undone."
            )
        else:
            text = _("Charge {amount} of the frozen amount?")
        return text.format(amount=self.money)


class ReleaseForm(GrantForm):
    """A release of a frozen amount, or of a part of it."""

    action = "release"
    text_name = "reason"

    @property
    def is_offered(self) -> bool:
        """True if something is left, or a release has no result."""
        return bool(self._grant.rest_fen > 0 or self.pending)

    @property
    def hint(self) -> str:
        """The amount that is left, or that a release without a result is continued."""
        if self.pending:
            return _("This release was requested before and has no result.")
        return _left(self._grant)

    @property
    def labels(self) -> Labels:
        """The names of the fields."""
        return Labels(_("Reason (optional, the payer may see it)"))

    def submit(self, grant: Any) -> tuple[str, str]:
        """Release."""
        row = self._alipay.release(
            grant, self.amount, out_request_no=self.number, reason=self.text or None
        )
        text = _("Release {number} of {amount}: done. {left} is left.")
        left = rows.money(row.rest_fen)
        return "success", text.format(number=self.number, amount=self.money, left=left)

    def _pending(self) -> str:
        return self._grant.release_no or ""

    def _default_amount(self) -> str:
        if self.pending:
            return format_amount(self._grant.release_fen)
        return format_amount(self._grant.rest_fen) if self._grant.rest_fen else ""

    def _problem(self) -> str:
        if not self.pending and self.fen > self._grant.rest_fen:
            return _left(self._grant)
        return ""

    def _question(self) -> str:
        text = _("Release {amount} to the payer? This cannot be undone.")
        return text.format(amount=self.money)


class ChargeForm(GrantForm):
    """A deduction under an agreement."""

    action = "charge"
    text_name = "subject"

    @property
    def is_offered(self) -> bool:
        """True if the agreement is in force, or a deduction has no result."""
        return bool(self._grant.status == "NORMAL" or self.pending)

    @property
    def hint(self) -> str:
        """The limits of the agreement, or that a deduction without a result is continued."""
        if self.pending:
            return _("This deduction was requested before and has no result.")
        return grant_rows.limits(self._grant)

    @property
    def labels(self) -> Labels:
        """The names of the fields."""
        return Labels(_("Subject"))

    def submit(self, grant: Any) -> tuple[str, str]:
        """Charge."""
        payment = self._plan(grant)
        self._alipay.session.add(payment)
        return _payment_result(self._alipay.charge(grant, payment))

    def _plan(self, agreement: Any) -> Any:
        from ..operations.deduction_plans import plan_deduction

        return plan_deduction(
            self._alipay.merchant,
            agreement,
            total_fen=self.fen,
            subject=self.text or None,
            out_trade_no=self.number,
        )

    def _pending(self) -> str:
        return self._grant.charge_no or ""

    def _default_amount(self) -> str:
        fen = self._grant.single_fen
        if self.pending:
            payment = self._alipay.ledger().find(self.pending)
            fen = fen if payment is None else payment.total_fen
        return "" if fen is None else format_amount(fen)

    def _default_text(self) -> str:
        from ..operations.deduction_plans import last_subject

        return last_subject(self._alipay.merchant, self._grant)

    def _problem(self) -> str:
        if not self.text and not self.pending:
            return _("Please write a subject.")
        try:
            self._plan(self._grant)
        except AlipayError as error:
            return explain(error)
        return ""

    def _question(self) -> str:
        return _("Deduct {amount} under this agreement?").format(amount=self.money)


def _left(authorization: Any) -> str:
    text = _("At most {left} can be captured or released.")
    return text.format(left=rows.money(authorization.rest_fen))


def _payment_result(payment: Any) -> tuple[str, str]:
    text = _("Payment {number} of {amount}: {status}.")
    category = "success" if payment.paid else "info"
    names = {
        "number": payment.out_trade_no,
        "amount": rows.money(payment.total_fen),
        "status": rows.payment_status(payment),
    }
    return category, text.format(**names)
