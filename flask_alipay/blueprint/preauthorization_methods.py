"""Methods of the blueprint for pre-authorisations (资金预授权)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import url_for

from ..exceptions import ConfigurationError
from .payment_methods import P, PaymentMethods, R

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from ..gateways.openapi import PollingPolicy
    from ..ledger import Models
    from ..operations.qr_codes import PaymentQrCode

F = TypeVar("F", bound=Callable[[Any], object])


class PreauthorizationMethods(PaymentMethods[P, R]):
    """Pre-authorisations, their captures and releases, and the application's class for them."""

    _models: Models

    def on_authorized(self, callback: F) -> F:
        """Register a callback for authorizations whose amount is frozen.

        Called once for each authorization, with the application's object; the rules of
        :meth:`~flask_alipay.AlipayBlueprint.on_paid` apply.

        :param callback: takes the authorization; its result is ignored.
        :returns: the callback, unchanged.
        :raises ConfigurationError: if the blueprint has no class for authorizations.
        """
        return self._add_authorization_callback("authorized", callback)

    def on_released(self, callback: F) -> F:
        """Register a callback for releases of a frozen amount, in full or in part: by the
        merchant, by a capture that completes the authorization, or by Alipay when its time is over.

        Called whenever ``released_fen`` increases; the rules of
        :meth:`~flask_alipay.AlipayBlueprint.on_paid` apply.

        :param callback: takes the authorization; its result is ignored.
        :returns: the callback, unchanged.
        :raises ConfigurationError: if the blueprint has no class for authorizations.
        """
        return self._add_authorization_callback("released", callback)

    def on_authorization_closed(self, callback: F) -> F:
        """Register a callback for authorizations that have ended without the amount being frozen:
        expired, rejected or cancelled.

        The rules of :meth:`~flask_alipay.AlipayBlueprint.on_paid` apply. If the payer was faster
        after all, :meth:`on_authorized` is called after this callback.

        :param callback: takes the authorization; its result is ignored.
        :returns: the callback, unchanged.
        :raises ConfigurationError: if the blueprint has no class for authorizations.
        """
        return self._add_authorization_callback("authorization_closed", callback)

    def create_authorization(
        self,
        *,
        title: str,
        amount: str | int | Decimal,
        out_order_no: str | None = None,
        out_request_no: str | None = None,
        product_code: str = "PREAUTH_PAY",
        **details: Any,
    ) -> Any:
        """Create an authorization that the payer then confirms, and add it to the session; the
        caller commits (open platform).

        :param title: shown to the payer, at most 100 characters.
        :param amount: the amount to freeze in yuan: ``str``, ``int`` or
            :class:`~decimal.Decimal`.
        :param out_order_no: the merchant's number of the authorization, never used before; by
            default 26 digits that cannot be guessed.
        :param out_request_no: the number of the freeze; by default ``out_order_no``.
        :param product_code: the product of the contract with Alipay.
        :param details: ``auth_app_id``, columns of the application's class, and further parameters
            for the gateway: ``pay_timeout`` (the payer's time, 15 minutes by default),
            ``payee_user_id``, ``extra_param`` …; see :ref:`fund_auth_order_app_freeze
            <parameters-fund_auth_order_app_freeze>`.
        :returns: an object of the application's class, pending in ``db.session``.
        :raises InvalidParameter: names the invalid parameter; nothing is added.
        :raises TypeError: for a ``float`` amount.
        :raises ConfigurationError: without a class for authorizations, or on the legacy gateway.
        """
        from ..operations.preauthorizations import build_authorization

        authorization = build_authorization(
            self.merchant,
            title=title,
            amount=amount,
            out_order_no=out_order_no,
            out_request_no=out_request_no,
            product_code=product_code,
            details=details,
        )
        self.merchant.session.add(authorization)
        return authorization

    def authorization_url(self, authorization: Any) -> str:
        """Return the URL of the page on which the payer confirms an authorization: with a QR code
        for the phone, a link on the phone itself, and the live status.

        :param authorization: one of this merchant's.
        """
        return self.authorization_link("authorize", authorization)

    def authorization_link(
        self, route: str, authorization: Any, issued_at: datetime | None = None
    ) -> str:
        """Return the URL of a page about an authorization.

        :param route: ``authorize`` or ``authorize_status``.
        :param issued_at: the beginning of the link's lifetime, by default now.
        """
        merchant = self.merchant
        token = merchant.tokens.make(route, authorization.out_order_no, issued_at)
        return url_for(merchant.endpoint_of(route), token=token)

    def freeze_order_string(self, authorization: Any) -> str:
        """Return the order string that the merchant's app passes to Alipay's SDK, which asks the
        payer to confirm. The session is committed.

        :param authorization: one that was not confirmed yet.
        :raises InvalidParameter: names the invalid parameter; also if it can no longer be frozen.
        """
        from ..operations.preauthorizations import freeze_order_string

        return freeze_order_string(self.merchant, authorization)

    def freeze_qr_code(self, authorization: Any) -> PaymentQrCode:
        """Return the QR code that the payer scans to confirm; it is stored, and requested once. The
        session is committed.

        :param authorization: one that was not confirmed yet.
        :raises InvalidParameter: names the invalid parameter; also if it can no longer be frozen.
        :raises GatewayError: if Alipay rejects the request.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        from ..operations.preauthorizations import freeze_qr_code

        return freeze_qr_code(self.merchant, authorization)

    def freeze_barcode(
        self, authorization: Any, auth_code: str, *, polling: PollingPolicy | None = None
    ) -> Any:
        """Freeze the amount by the payer's code, and wait for the payer's confirmation; without
        one, the authorization is cancelled. The session is committed. This may take a minute.

        :param authorization: one that was not confirmed yet.
        :param auth_code: the scanned code.
        :param polling: limits of the polling; by default the payer has half a minute.
        :returns: the application's object: ``AUTHORIZED`` or ``CLOSED``.
        :raises InvalidParameter: names the invalid parameter; also if it can no longer be frozen.
        :raises GatewayError: if Alipay rejects the code: the authorization is closed.
        :raises OutcomeUnknown: if the result is unknown: call :meth:`query_authorization` later.
        """
        from ..operations.preauthorizations import freeze_barcode

        return freeze_barcode(self.merchant, authorization, auth_code, polling)

    def query_authorization(self, authorization: Any) -> Any:
        """Query an authorization at Alipay, and update the ledger; one whose time to confirm is
        over is closed. The session is committed.

        :param authorization: one of this merchant's.
        :returns: the application's object, as the ledger has it now.
        :raises GatewayError: if Alipay rejects the query.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        :raises NotificationRefused: if the ledger rejects the response, or a callback raised.
        """
        from ..operations.preauthorizations import query_authorization

        return query_authorization(self.merchant, authorization)

    def cancel_authorization(self, authorization: Any) -> Any:
        """Cancel an authorization that is not confirmed yet. If the payer was faster, Alipay
        releases the amount. The session is committed.

        :param authorization: in the status ``INIT``; for a frozen one use :meth:`release`.
        :returns: the application's object, ``CLOSED``.
        :raises InvalidParameter: if it is frozen.
        :raises GatewayError: if Alipay rejects the cancellation.
        :raises OutcomeUnknown: if the result is unknown, or the payer may still open it: it is
            closed by ``reconcile`` when its time is over.
        :raises NotificationRefused: if the ledger rejects the response, or a callback raised.
        """
        from ..operations.preauthorizations import cancel_authorization

        return cancel_authorization(self.merchant, authorization)

    def capture(
        self,
        authorization: Any,
        amount: str | int | Decimal,
        *,
        out_trade_no: str | None = None,
        complete: bool = False,
        subject: str | None = None,
        **details: Any,
    ) -> P:
        """Capture a part of the frozen amount, or all of it: a payment, which settles and is
        refunded like any other.

        The amount is reserved and the payment committed before Alipay is called. A call with the
        same number is the same capture: it never charges twice. The session is committed.

        :param authorization: in the status ``AUTHORIZED``.
        :param amount: yuan, at most the frozen rest.
        :param out_trade_no: the number of the payment; generated by default. Give your own: it
            makes a repeated call safe.
        :param complete: whether Alipay then releases the rest and finishes the authorization;
            nothing else may be reserved.
        :param subject: the title of the payment, by default that of the authorization.
        :param details: columns of the application's class of payments, and further parameters for
            the gateway; see :ref:`trade_pay <parameters-trade_pay>`.
        :returns: the payment: paid, or not yet if Alipay collects the amount later.
        :raises InvalidParameter: names the invalid parameter, also for a number that was used for
            another amount; nothing is recorded.
        :raises TypeError: for a ``float`` amount.
        :raises OutcomeUnknown: if the result is unknown: the amount stays reserved. Call this again
            with the exception's ``out_trade_no``, or run ``reconcile``; never use another number.
        :raises GatewayError: if the capture has failed: the payment is closed, and its amount no
            longer reserved. A new attempt needs a new number.
        :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
        """
        from ..operations.captures import capture

        payment = capture(
            self.merchant,
            authorization,
            amount,
            out_trade_no=out_trade_no,
            complete=complete,
            subject=subject,
            details=details,
        )
        return cast("P", payment)

    def release(
        self,
        authorization: Any,
        amount: str | int | Decimal | None = None,
        *,
        out_request_no: str | None = None,
        reason: str | None = None,
    ) -> Any:
        """Release the frozen rest, or a part of it, to the payer.

        The amount is reserved, and the number committed, before Alipay is called; one release at a
        time. A call with the same number is the same release, and one without a number continues a
        release whose result is unknown. The session is committed.

        :param authorization: in the status ``AUTHORIZED``.
        :param amount: yuan; by default the rest.
        :param out_request_no: the number of the release; generated by default. Give your own: it
            makes a repeated call safe.
        :param reason: shown to the payer, at most 100 characters.
        :returns: the application's object, as the ledger has it now.
        :raises InvalidParameter: names the invalid parameter, also for a number that was used for
            another amount; nothing is recorded.
        :raises TypeError: for a ``float`` amount.
        :raises OutcomeUnknown: if the result is unknown: the amount stays reserved. Call this again
            with the exception's ``out_request_no``, or run ``reconcile``.
        :raises GatewayError: if Alipay has rejected the release: nothing was released.
        :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
        """
        from ..operations.captures import release

        return release(self.merchant, authorization, amount, out_request_no, reason)

    def _add_authorization_callback(self, event: str, callback: F) -> F:
        if self._models.Authorization is None:
            raise ConfigurationError(
                f"on_{event} needs the application's class for authorizations: "
                "AlipayBlueprint(db, Payment, Authorization=…)",
                "Authorization",
            )
        return self._add_callback(event, callback)

    if TYPE_CHECKING:
        # The blueprint's own.
        def _add_callback(self, event: str, callback: F) -> F: ...
