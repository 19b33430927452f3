"""The form for a refund, and the refund that it describes."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from flask import request

from ..exceptions import InvalidParameter
from ..ledger.refunds import SUCCESS
from ..models import utc_now
from ..operations.order_number import generate_out_trade_no
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.validation import check_out_trade_no, check_text
from . import rows
from .confirmations import Confirmation
from .texts import ACTIONS, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

#: The category of the result of an action that goes on at Alipay.
AT_ALIPAY: Final = "at_alipay"

# A refund of the same amount within this time is probably the one that is meant.
_RECENT: Final = timedelta(days=1)


class RefundForm:
    """A refund as an operator enters it.

    The form has the refund's number from the beginning: submitting it again does not refund twice.

    :param alipay: the merchant's blueprint.
    :param payment: a payment of this merchant's.
    """

    #: The action that is recorded, a key of :data:`.texts.ACTIONS`.
    action = "refund"
    #: Whether Alipay requires a reason.
    needs_reason = False
    #: The page of Alipay's on which the refund is confirmed; empty: none, or not yet.
    alipay_url = ""

    def __init__(self, alipay: AlipayBlueprint[Any, Any], payment: Any) -> None:
        self._alipay = alipay
        self._payment = payment
        sent = request.form if request.method == "POST" else request.args
        #: The refund's number (``out_request_no``).
        self.number = sent.get("number", "").strip() or generate_out_trade_no()
        #: The refundable amount in fen.
        self.left_fen = payment.total_fen - payment.refunded_fen
        #: The refund's row, if it was requested before.
        self.row = self._find()
        default = format_amount(self.row.refund_fen if self.row is not None else self.left_fen)
        #: The amount in yuan as it was written.
        self.amount = sent.get("amount", default).strip()
        if self.row is not None:
            self.amount = default
        #: The reason, for the buyer; empty: none.
        self.reason = sent.get("reason", "").strip()

    @property
    def title(self) -> str:
        """The action in words, for a heading."""
        return _(ACTIONS[self.action])

    @property
    def is_done(self) -> bool:
        """True if Alipay has confirmed this refund."""
        return self.row is not None and self.row.status == SUCCESS

    @property
    def left(self) -> str:
        """The refundable amount in yuan."""
        return format_amount(self.left_fen)

    @property
    def text(self) -> str:
        """The amount for a sentence."""
        return rows.money(to_minor_units(self.amount))

    @cached_property
    def problem(self) -> str:
        """The problem of the input; empty if it is valid."""
        try:
            check_out_trade_no(self.number, "number")
            fen = to_minor_units(self.amount, parameter="amount")
            if self.reason:
                charset = self._alipay.config.charset
                check_text("reason", self.reason, max_length=256, charset=charset)
        except InvalidParameter as error:
            if error.parameter == "amount":
                return _("Please write an amount like 88.88.")
            if error.parameter == "reason":
                return _("The reason is too long or has characters that Alipay does not accept.")
            return _("The refund's number is damaged; please start again.")
        if self.needs_reason and not self.reason:
            return _("Please write a reason.")
        if self.row is None and fen > self.left_fen:
            text = _("At most {left} can be refunded.")
            return text.format(left=rows.money(self.left_fen))
        return ""

    @property
    def confirmation(self) -> Confirmation:
        """The page on which the operator confirms the refund."""
        warnings, tick = [], ""
        same = self._recent()
        if same is not None:
            text = _("{amount} of this payment was refunded within the last day: refund {number}.")
            warnings.append(text.format(amount=self.text, number=same))
            tick = _("This is another refund of the same amount.")
        text = self._question()
        return Confirmation(
            self.title,
            text.format(amount=self.text),
            tuple(warnings),
            {
                "number": self.number,
                "amount": self.amount,
                "reason": self.reason,
                "confirmed": "yes",
            },
            tick,
        )

    def submit(self, payment: Any) -> tuple[str, str]:
        """Refund, and return the category and the text of the result.

        :param payment: as it is now.
        :raises AlipayError: see :meth:`AlipayBlueprint.refund <flask_alipay.AlipayBlueprint>`.
        """
        row = self._alipay.refund(
            payment, self.amount, reason=self.reason or None, out_request_no=self.number
        )
        text = _("Refund {number} of {amount}: {status}.")
        category = "success" if row.status == SUCCESS else "info"
        status = rows.refund_status(row)
        return category, text.format(number=self.number, amount=self.text, status=status)

    def _question(self) -> str:
        return _("Refund {amount} to the buyer? This cannot be undone.")

    def _find(self) -> Any | None:
        refunds = self._alipay.ledger().refunds
        if refunds is None or not self.number.isprintable():
            return None
        return refunds.find(self._payment.out_trade_no, self.number[:64])

    def _recent(self) -> str | None:
        refunds = self._alipay.ledger().refunds
        if refunds is None or self.row is not None:
            return None
        number = self._payment.out_trade_no
        return refunds.find_recent(number, to_minor_units(self.amount), utc_now() - _RECENT)


class PasswordRefundForm(RefundForm):
    """A refund that the merchant confirms with the account's password on Alipay's page."""

    action = "refund_with_password"
    needs_reason = True

    def submit(self, payment: Any) -> tuple[str, str]:
        """Record the refund and set :attr:`alipay_url`; there is no text, but a page.

        :param payment: as it is now.
        :raises AlipayError: see :meth:`~flask_alipay.AlipayBlueprint.refund_url`.
        """
        self.alipay_url = self._alipay.refund_url(
            payment, self.amount, reason=self.reason, out_request_no=self.number
        )
        return AT_ALIPAY, ""

    def _question(self) -> str:
        return _(
            "The refund of {amount} is recorded here. Then a page of Alipay's is offered, where it "
            "is confirmed with the account's password: only that refunds the buyer."
        )
