"""URLs of the pages for buyers and of Alipay's page, for one payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import has_request_context, request, url_for

from ..operations.payments import gateway_request
from ..operations.sending import mark_new_as_sent
from .agreement_methods import AgreementMethods
from .payment_methods import P, R
from .preauthorization_methods import PreauthorizationMethods
from .transfer_methods import TransferMethods

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ..protocol.signed_request import SignedRequest


class PageUrls(TransferMethods[P, R], AgreementMethods[P, R], PreauthorizationMethods[P, R]):
    """The blueprint's methods that return URLs for the buyer."""

    #: The endpoint of the application's own result page, if it has one.
    result_endpoint: str | None
    #: The endpoint of the application's own page for buyers with a problem, if it has one.
    problem_endpoint: str | None
    #: Returns the nonce of the application's Content-Security-Policy, if it has one.
    csp_nonce_generator: Callable[[], str] | None

    def checkout_url(self, payment: P) -> str:
        """Return the URL of the page that shows the order and the payment methods."""
        return self.link("checkout", payment)

    def pay_url(self, payment: P, *, bank: str | None = None) -> str:
        """Return the URL that redirects the buyer to Alipay.

        :param bank: on the legacy gateway, the code of the bank that the buyer chose.
        """
        return self.link("pay", payment, bank=bank)

    def result_url(self, payment: P) -> str:
        """Return the URL of the page that shows the payment's status."""
        return self.link("result", payment)

    def status_url(self, payment: P) -> str:
        """Return the URL of the payment's status as JSON, for pages that poll it."""
        return self.link("status", payment)

    def gateway_url(self, payment: P, *, bank: str | None = None) -> str:
        """Return the signed URL at Alipay.

        A payment that is not stored yet gets ``sent_at``; for a stored one use :meth:`pay_url`,
        which records that.

        :param payment: as :meth:`create_payment` made it.
        :param bank: on the legacy gateway, the code of a bank.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self.gateway_request(payment, bank=bank).url

    def gateway_request(
        self, payment: P, *, bank: str | None = None, charset: str | None = None
    ) -> SignedRequest:
        """Return the signed request for Alipay, which can be a form as well as a URL.

        ``sent_at`` is set as by :meth:`gateway_url`.

        :param payment: as :meth:`create_payment` made it.
        :param bank: on the legacy gateway, the code of a bank.
        :param charset: another charset than the configured one.
        :raises InvalidParameter: names the invalid parameter.
        """
        user_agent = request.user_agent.string if has_request_context() else ""
        signed = gateway_request(
            self.merchant, payment, bank=bank, charset=charset, user_agent=user_agent
        )
        mark_new_as_sent(payment)
        return signed

    def link(
        self, route: str, payment: P, issued_at: datetime | None = None, bank: str | None = None
    ) -> str:
        """Return the URL of a page about a payment: the blueprint's, or the application's.

        :param issued_at: the beginning of the link's lifetime, by default now; see
            :meth:`Tokens.make`.
        """
        endpoint = {"result": self.result_endpoint, "help": self.problem_endpoint}.get(route)
        if endpoint is not None:
            return url_for(endpoint, out_trade_no=payment.out_trade_no)
        problem = 1 if route == "help" else None  # a page of the checkout's
        route = "checkout" if problem else route
        merchant = self.merchant
        token = merchant.tokens.make(route, payment.out_trade_no, issued_at)
        return url_for(merchant.endpoint_of(route), token=token, bank=bank, problem=problem)
