""":class:`AlipayBlueprint`, the object that an application registers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from flask import Blueprint

from .. import signals
from ..exceptions import (
    BadToken,
    ConfigurationError,
    NotificationRefused,
    without_secrets,
)
from ..ledger import MESSAGE_EVENT, Models
from ..models import AgreementMixin, AuthorizationMixin, NotificationMixin, TransferMixin
from ..operations.order_number import generate_out_trade_no
from ..operations.payments import build_payment
from ..protocol.content_policy import allow_view_options
from .callback_registry import CallbackRegistry
from .lazy_command import ALIPAY_COMMANDS
from .model_checks import log_bypassed, validate_models
from .notify import NotifyView
from .oauth import AuthorizationMethods
from .payment_methods import P, R
from .registration import build_registration, registrations
from .start_warnings import without_warnings_in_commands
from .views import PAGES, PageViews

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState

    from ..protocol.message import Message


F = TypeVar("F", bound=Callable[[Any], object])
M = TypeVar("M", bound="Callable[[Message], object]")


class AlipayBlueprint(AuthorizationMethods[P, R], Blueprint):
    """Payments through Alipay: routes, callbacks and the ledger of one merchant.

    The blueprint stores no state of an application: it may be registered in several applications,
    and several blueprints, each with its ``name`` and ``config_prefix``, serve several merchants in
    one application. The settings under ``config_prefix`` are read at registration (see
    :meth:`Config.from_mapping <flask_alipay.config.Config.from_mapping>`); later changes are
    ignored.

    :param db: any object with a ``session``: the application's ``SQLAlchemy()``.
    :param Payment: the application's class on :class:`~flask_alipay.PaymentMixin`.
    :param Refund: the application's class on :class:`~flask_alipay.RefundMixin`; without it,
        refunds are only counted.
    :param Notification: the application's class on :class:`~flask_alipay.NotificationMixin`;
        without it there is no journal.
    :param name: the blueprint's name; selects the merchant in ``flask alipay --merchant NAME``.
    :param config_prefix: the prefix of the settings in ``app.config``.
    :param Transfer: the application's class on :class:`~flask_alipay.TransferMixin`, for
        :meth:`transfer`.
    :param Authorization: the application's class on :class:`~flask_alipay.AuthorizationMixin`, for
        pre-authorisations.
    :param Agreement: the application's class on :class:`~flask_alipay.AgreementMixin`, for
        deductions under agreements.
    :param clock: returns the current time, aware, for the dates of agreements; by default the
        machine's time or, with the embedded simulator, the simulator's.
    :param on_paid: a callback, see :meth:`on_paid`.
    :param on_failed: a callback, see :meth:`on_failed`.
    :param result_endpoint: the application's endpoint that shows a payment's result; it receives
        ``out_trade_no``, and buyers return there instead of to the blueprint's page.
    :param problem_endpoint: the application's endpoint for buyers with a problem; it receives
        ``out_trade_no``, and the checkout links to it instead of to the blueprint's help page.
    :param csp_nonce_generator: returns the nonce of the application's Content-Security-Policy for
        the current request; the pages use it, and the application's policy applies to them. Without
        it, each page has its own nonce and policy. The same function as Flask-Admin's.
    :param blueprint_options: options of :class:`flask.Blueprint`.
    :raises ConfigurationError: at registration, if the configuration is invalid.
    """

    payment_paid = signals.payment_paid
    payment_failed = signals.payment_failed
    payment_refunded = signals.payment_refunded
    notification_refused = signals.notification_refused
    attention_needed = signals.attention_needed

    @overload
    def __init__(
        self: AlipayBlueprint[P, Any],
        db: Any,
        Payment: type[P],  # noqa: N803 - they are classes
        Refund: None = None,  # noqa: N803
        Notification: type[NotificationMixin] | None = None,  # noqa: N803
        *,
        name: str = ...,
        config_prefix: str = ...,
        Transfer: type[TransferMixin] | None = ...,  # noqa: N803
        Authorization: type[AuthorizationMixin] | None = ...,  # noqa: N803
        Agreement: type[AgreementMixin] | None = ...,  # noqa: N803
        clock: Callable[[], datetime] | None = ...,
        on_paid: Callable[[Any], object] | None = ...,
        on_failed: Callable[[Any], object] | None = ...,
        result_endpoint: str | None = ...,
        problem_endpoint: str | None = ...,
        csp_nonce_generator: Callable[[], str] | None = ...,
        **blueprint_options: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: AlipayBlueprint[P, R],
        db: Any,
        Payment: type[P],  # noqa: N803 - they are classes
        Refund: type[R],  # noqa: N803
        Notification: type[NotificationMixin] | None = None,  # noqa: N803
        *,
        name: str = ...,
        config_prefix: str = ...,
        Transfer: type[TransferMixin] | None = ...,  # noqa: N803
        Authorization: type[AuthorizationMixin] | None = ...,  # noqa: N803
        Agreement: type[AgreementMixin] | None = ...,  # noqa: N803
        clock: Callable[[], datetime] | None = ...,
        on_paid: Callable[[Any], object] | None = ...,
        on_failed: Callable[[Any], object] | None = ...,
        result_endpoint: str | None = ...,
        problem_endpoint: str | None = ...,
        csp_nonce_generator: Callable[[], str] | None = ...,
        **blueprint_options: Any,
    ) -> None: ...

    def __init__(
        self,
        db: Any,
        Payment: type[P],  # noqa: N803
        Refund: type[R] | None = None,  # noqa: N803
        Notification: type[NotificationMixin] | None = None,  # noqa: N803
        *,
        name: str = "alipay",
        config_prefix: str = "ALIPAY",
        Transfer: type[TransferMixin] | None = None,  # noqa: N803
        Authorization: type[AuthorizationMixin] | None = None,  # noqa: N803
        Agreement: type[AgreementMixin] | None = None,  # noqa: N803
        clock: Callable[[], datetime] | None = None,
        on_paid: Callable[[Any], object] | None = None,
        on_failed: Callable[[Any], object] | None = None,
        result_endpoint: str | None = None,
        problem_endpoint: str | None = None,
        csp_nonce_generator: Callable[[], str] | None = None,
        **blueprint_options: Any,
    ) -> None:
        blueprint_options.setdefault("template_folder", "templates")
        super().__init__(name, "flask_alipay", **blueprint_options)
        self.result_endpoint = result_endpoint
        self.problem_endpoint = problem_endpoint
        self.csp_nonce_generator = csp_nonce_generator
        self._notify = NotifyView(self)
        self._db = db
        self._models = Models(Payment, Refund, Notification, Transfer, Authorization, Agreement)
        self._clock = clock
        self._config_prefix = config_prefix
        self._callbacks = CallbackRegistry()
        self._pages = PAGES
        for event, callback in (("paid", on_paid), ("failed", on_failed)):
            if callback is not None:
                self._add_callback(event, callback)
        self._add_routes()
        self.record(self._register_in)

    def on_paid(self, callback: F) -> F:
        """Register a callback for sales.

        It is called with the payment, an object of the application's class, inside the transaction
        that records the sale and before Alipay receives a response; at most one call for each
        payment is committed. Its changes to the session are committed together with the payment. It
        must not commit. If it raises, everything is rolled back, Alipay receives ``fail`` and
        retries. Actions that cannot be rolled back (mail) belong into a receiver of
        :data:`payment_paid` or a queue.

        :param callback: takes the payment; its result is ignored. An ``async def`` function runs to
            completion and needs the extra ``async``.
        :returns: the callback, unchanged: use it as a decorator, before or after registration.
        :raises TypeError: if it is a generator function.
        :raises ConfigurationError: if it is async, the blueprint is registered, and the extra is
            not installed; before registration, the registration raises it.
        """
        return self._add_callback("paid", callback)

    def on_failed(self, callback: F) -> F:
        """Register a callback for trades that were closed without being paid.

        The rules of :meth:`on_paid` apply. A payment that arrives after the close is still a sale:
        :meth:`on_paid` is then called after this callback.

        :param callback: takes the payment; its result is ignored.
        :returns: the callback, unchanged.
        """
        return self._add_callback("failed", callback)

    def on_refunded(self, callback: F) -> F:
        """Register a callback for refunds of a sale, in full or in part.

        Called once for each refund; the rules of :meth:`on_paid` apply. The payment's
        ``refunded_fen`` includes this refund.

        :param callback: takes the payment; its result is ignored.
        :returns: the callback, unchanged.
        """
        return self._add_callback("refunded", callback)

    def on_finished(self, callback: F) -> F:
        """Register a callback for sales that can no longer be refunded.

        Called at most once for each payment, after those of :meth:`on_paid`, whose rules apply.

        :param callback: takes the payment; its result is ignored.
        :returns: the callback, unchanged.
        """
        return self._add_callback("finished", callback)

    def on_message(self, *kinds: str) -> Callable[[M], M]:
        """Register a callback for messages: verified notifications that are not about a trade.

        For example about an agreement, a pre-authorisation, a complaint or a refund to a bank card.
        Each message is processed once for each ``notify_id``. The rules of :meth:`on_paid` apply:
        the callback is called inside the transaction that records the message, and if it raises,
        everything is rolled back, Alipay receives ``fail`` and retries. Callbacks for all kinds run
        before those for one kind. A message without a callback is recorded and answered with
        ``success``.

        Use it as a decorator, ``@alipay.on_message("dut_user_sign", "dut_user_unsign")``; the
        callback takes a :class:`~flask_alipay.Message`.

        :param kinds: ``notify_type`` or ``msg_method`` of the messages; none: all kinds.
        :returns: the decorator.
        :raises ConfigurationError: without a class for notifications: its table records which
            messages were processed.
        :raises TypeError: if a kind is not a text, or as :meth:`on_paid` raises it.
        """
        if self._models.Notification is None:
            raise ConfigurationError(
                "on_message needs the journal, which records the processed messages: pass a class "
                "on NotificationMixin to the blueprint",
                "Notification",
            )
        for kind in kinds:
            if not isinstance(kind, str) or not kind:
                raise TypeError("a kind must be a text: use @alipay.on_message() for all kinds")
        events = [f"{MESSAGE_EVENT}:{kind}" for kind in dict.fromkeys(kinds)] or [MESSAGE_EVENT]

        def register(callback: M) -> M:
            for event in events:
                self._add_callback(event, callback)
            return callback

        return register

    def create_payment(
        self,
        *,
        subject: str,
        total_amount: str | int | Decimal,
        out_trade_no: str | None = None,
        product: str | None = None,
        currency: str = "CNY",
        agreement: Any = None,
        **details: Any,
    ) -> P:
        """Create a payment and add it to the session; the caller commits.

        :param subject: the title of the goods, one line.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param out_trade_no: the shop's order number, 1 to 64 letters, digits, underscores or
            hyphens; by default 26 digits that cannot be guessed.
        :param product: ``page``, or on the open platform ``wap``; by default chosen by the buyer's
            browser when the buyer is redirected to Alipay.
        :param currency: of ``total_amount``: CNY, or another one in a cross-border product.
        :param agreement: an unsigned one of :meth:`create_agreement`, which the buyer signs
            together with this payment: of the product ``app`` or ``jsapi`` or, without periods,
            ``page``. The payment is no deduction, and may be paid without signing.
        :param details: ``expires_at`` (an aware ``datetime``), columns and relationships of the
            application's class, and further parameters for the gateway, for example ``body`` or
            ``timeout_express``. In a third-party application, ``auth_app_id`` is the APPID of the
            merchant for whom it sells: every call about the payment sends that merchant's token,
            from :meth:`app_auth_token_loader` or from the argument ``app_auth_token``.
        :returns: an object of the application's class, pending in ``db.session``.
        :raises InvalidParameter: names the invalid parameter; nothing is added.
        :raises TypeError: for a ``float`` amount.
        """
        details = self._check_details(agreement, product, details)
        payment: P = build_payment(
            self._models.Payment,
            self.config,
            subject=subject,
            total_amount=total_amount,
            out_trade_no=generate_out_trade_no() if out_trade_no is None else out_trade_no,
            product=product,
            currency=currency,
            details=details,
            has_token_loader=self.merchant.has_token_loader,
        )
        if agreement is not None:
            from ..operations.agreements import sign_with

            sign_with(agreement, payment)
        self._db.session.add(payment)
        return payment

    @property
    def models(self) -> Models:
        """The application's classes."""
        return self._models

    @property
    def session(self) -> Any:
        """The application's session."""
        return self._db.session

    def _add_callback(self, event: str, callback: F) -> F:
        self._callbacks.add(event, callback)
        return callback

    def _add_routes(self) -> None:
        pages = PageViews(self)
        self.add_url_rule("/checkout/<token>", "checkout", pages.checkout)
        self.add_url_rule("/pay/<token>", "pay", pages.pay)
        self.add_url_rule("/notify", "notify", self._notify.notify, methods=["POST"])
        self.add_url_rule("/return", "return", pages.return_from_alipay)
        self.add_url_rule("/result/<token>", "result", pages.result)
        self.add_url_rule("/status/<token>", "status", pages.status)
        if self._models.Agreement is not None:
            from .agreement_views import AGREEMENT_PAGES, AgreementViews

            agreements = AgreementViews(self)
            self.add_url_rule("/sign/<token>", "sign", agreements.sign)
            self.add_url_rule("/sign-status/<token>", "sign_status", agreements.sign_status)
            self._pages += AGREEMENT_PAGES
        if self._models.Authorization is not None:
            from .preauthorization_views import AUTHORIZATION_PAGES, AuthorizationViews

            deposits = AuthorizationViews(self)
            self.add_url_rule("/authorize/<token>", "authorize", deposits.authorize)
            status = deposits.authorize_status
            self.add_url_rule("/authorize-status/<token>", "authorize_status", status)
            self._pages += AUTHORIZATION_PAGES
        self.register_error_handler(BadToken, pages.handle_bad_token)
        self.register_error_handler(NotificationRefused, pages.handle_bad_return)
        # Runs before the app's ``before_request`` functions, that of CSRFProtect among them.
        self.url_value_preprocessor(self._notify.prepare)

    def register(self, app: Any, options: dict[str, Any]) -> None:
        """Register the blueprint, and ``flask alipay`` for ``app.test_cli_runner()``."""
        super().register(app, options)
        app.cli.add_command(ALIPAY_COMMANDS)

    @without_secrets
    @without_warnings_in_commands()
    def _register_in(self, setup: BlueprintSetupState) -> None:
        app = cast("Flask", setup.app)
        # Comes first: callbacks that a factory defines after an error belong to the next
        # registration.
        callbacks = self._callbacks.register()
        callbacks.check()
        validate_models(self._models, self._db)
        log_bypassed(self._models)
        try:
            registrations(app)[self] = build_registration(
                setup,
                self._config_prefix,
                callbacks,
                blueprint=self,
                db=self._db,
                models=self._models,
                clock=self._clock,
            )
        except ConfigurationError as error:
            if sys.version_info >= (3, 11):
                error.add_note("'flask alipay doctor' checks keys and settings.")
            raise
        with app.app_context():
            self._notify.exempt_from_csrf()
        if registrations(app)[self].simulator_gateway is not None:
            app.before_request(self._notify.exempt_from_csrf)  # also for requests to the simulator
        endpoints = map(registrations(app)[self].endpoint_of, self._pages)
        allow_view_options(app.view_functions, endpoints, own_policy=not self.csp_nonce_generator)
