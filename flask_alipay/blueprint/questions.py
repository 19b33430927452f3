"""What an app asks Alipay about a payment, and tells it to do with one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..config import Gateway
    from ..operations.queries import QueryResult
    from ..operations.reconciliation import ReconcileReport, ReconcileRun
    from .blueprint import AlipayBlueprint


class Questions:
    """The part of :class:`~flask_alipay.AlipayBlueprint` that speaks with Alipay's gateway.

    The session is committed first, with whatever is in it: nothing is locked while Alipay is asked.
    A callback can therefore not ask. What is heard is settled as a notification is, by whoever
    hears it first; where the answer is unknown, the ledger stays as it is.
    """

    def gateway_for(self, payment: Any) -> Gateway:
        """Return the client of the gateway for calls about one payment.

        For a payment with an ``app_auth_token`` of its own each call sends that token; for any
        other payment this is :attr:`~flask_alipay.AlipayBlueprint.gateway`.

        :param payment: one of this merchant's.
        """
        return self._alipay.gateway.acting_for((payment.details or {}).get("app_auth_token"))

    def query(self, payment: Any) -> Any:
        """Asks Alipay what has become of a payment, and brings the ledger in line.

        A trade that does not exist yet is no failure: it begins when the buyer logs in or scans. It
        is one once the payment's time is over (``expires_at``, or 15 days); then it is closed here.

        :param payment: one of this merchant's.
        :returns: the payment as the ledger has it now, the app's object.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        :raises GatewayError: for a no of Alipay's, with its code.
        :raises PaymentMismatch: if Alipay has another amount or another number.
        :raises CallbackFailed: if a callback raised; all of it is rolled back, ask again.
        :raises InvalidParameter: if the payment is another merchant's.
        """
        return self.query_with_result(payment).payment

    def query_with_result(self, payment: Any) -> QueryResult:
        """Does what :meth:`query` does, and tells beside the payment what Alipay said: the ledger
        may know of a trade that Alipay does not, and the other way round.

        :raises: what :meth:`query` raises.
        """
        from ..operations.queries import query

        return query(self._alipay, payment)

    def close(self, payment: Any) -> Any:
        """Closes a payment that is not paid, at Alipay and here: it can no longer be paid.

        One that Alipay does not know is closed here; should its buyer still pay, that is a sale.
        One that the buyer has just paid is settled as a sale instead: look at ``paid``.

        :param payment: one of this merchant's.
        :returns: the payment as the ledger has it now: closed, or paid.
        :raises OutcomeUnknown: if no answer comes: it may be closed, ask again.
        :raises GatewayError: if it is neither closed nor paid.
        :raises NotificationRefused: as :meth:`query` does.
        :raises InvalidParameter: if the payment is another merchant's.
        """
        return self.close_with_result(payment).payment

    def close_with_result(self, payment: Any) -> QueryResult:
        """Does what :meth:`close` does, and tells beside the payment what Alipay said.

        :raises: what :meth:`close` raises.
        """
        from ..operations.queries import close

        return close(self._alipay, payment)

    def cancel(self, payment: Any) -> Any:
        """Takes a payment back whatever became of it (open platform): closes it, or refunds all of
        it if it was paid, on the day it was paid.

        Where Alipay says that it has to be asked again, it is, a few times.

        :param payment: one of this merchant's.
        :returns: the payment as the ledger has it now.
        :raises OutcomeUnknown: if no answer comes, or Alipay has not managed: ask again.
        :raises GatewayError: if it cannot be taken back, for example because it is too late; the
            ledger is then in line with what Alipay has.
        :raises ConfigurationError: on the legacy gateway, which has no such service.
        :raises NotificationRefused: as :meth:`query` does.
        :raises InvalidParameter: if the payment is another merchant's.
        """
        from ..operations.queries import cancel

        return cancel(self._alipay, payment)

    def refund(
        self,
        payment: Any,
        amount: str | int | Decimal,
        *,
        reason: str | None = None,
        out_request_no: str | None = None,
    ) -> Any:
        """Gives money of a sale back to its buyer, all of it or a part.

        The refund is written down and committed under its number before Alipay is asked, so that
        whatever happens in between it is never made twice: the same number again is the same
        refund. Without a number, one of the same amount whose outcome is unknown is gone on with;
        one whose outcome was told meanwhile is not known again, and a second one is made.

        On the legacy gateway Alipay takes it on without a password, if the contract has that, and
        tells later what became of it: the row is still ``REFUND_PROCESSING`` then.

        :param payment: a sale of this merchant's.
        :param amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`; at most what is left.
        :param reason: why; the buyer may see it.
        :param out_request_no: the number of the refund, 1 to 64 letters, digits, underscores or
            hyphens; made here without. On the legacy gateway that of a batch: see
            :meth:`refund_url`.
        :returns: the row of the refund, an object of the app's class, committed.
        :raises InvalidParameter: names the parameter at fault; nothing is written down.
        :raises TypeError: for a ``float`` amount.
        :raises OutcomeUnknown: if no answer comes: the row stays ``REFUND_PROCESSING``. Call this
            again with the same number, which is the exception's ``out_request_no``.
        :raises GatewayError: for a no of Alipay's. One that is signed is in the row's ``status``,
            and the same number may be asked for again (``ACQ.SELLER_BALANCE_NOT_ENOUGH``).
        :raises NotificationRefused: if the ledger could not take it, or a callback raised.
        :raises ConfigurationError: without a class for refunds.
        """
        from ..operations.refunds import refund

        return refund(self._alipay, payment, amount, reason, out_request_no)

    def reconcile(
        self, older_than: timedelta = timedelta(minutes=10), limit: int | None = None
    ) -> ReconcileReport:
        """Asks Alipay about all payments that still wait, and about refunds whose outcome is
        unknown, and brings each in line; closes what expired.

        May run in several processes at once: each takes what no other has taken, and one that dies
        holds nothing for longer than two minutes. What was asked about less than two minutes ago
        is not asked about again. One that cannot be asked about does not hold the others up.

        :param older_than: leaves out what is younger.
        :param limit: the most to ask about; those that were never asked about and those asked about
            longest ago have turns, and so have payments and refunds.
        :returns: what came of it; ``troubles`` are those that could not be asked about. Where no
            answer comes any more, it is ``aborted``.
        :raises InvalidParameter: if one of them is negative.
        """
        from ..operations.reconciliation import reconcile

        return reconcile(self._alipay, older_than, limit)

    def reconcile_round(self, older_than: timedelta, limit: int | None = None) -> ReconcileRun:
        """Returns what :meth:`reconcile` goes through, to follow it one by one.

        :raises InvalidParameter: if one of them is negative.
        """
        from ..operations.reconciliation import ReconcileRun

        return ReconcileRun(self._alipay, older_than, limit)

    def refund_url(
        self,
        payment: Any,
        amount: str | int | Decimal,
        *,
        reason: str,
        out_request_no: str | None = None,
    ) -> str:
        """Returns the URL at which the merchant confirms a refund with the account's password
        (legacy gateway, ``refund_fastpay_by_platform_pwd``).

        The refund is written down first, and committed with whatever else is in the session; what
        became of it Alipay tells later: see :meth:`on_refunded`. The same ``out_request_no`` again
        is the same refund and never a second one.

        :param payment: a sale.
        :param amount: yuan, at most what is left of it.
        :param reason: why; the buyer may see it.
        :param out_request_no: the number of the batch at Alipay: the day in China and 3 to 24
            letters or digits; made here without.
        :raises InvalidParameter: names the parameter at fault; nothing is written down.
        :raises ConfigurationError: on the open platform, or without a class for refunds.
        """
        from ..operations.refunds import refund_request  # the legacy gateway's alone

        return refund_request(self._alipay, payment, amount, reason, out_request_no).url

    @property
    def _alipay(self) -> AlipayBlueprint:
        return cast("AlipayBlueprint", self)
