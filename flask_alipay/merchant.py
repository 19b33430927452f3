"""One merchant in one app: configuration, session, model classes, ledger and external URLs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from flask import current_app

from .exceptions import AppAuthTokenError, ConfigurationError, InvalidParameter
from .gateways.background import BackgroundTasks
from .gateways.query_limit import QueryLimit
from .ledger import Ledger, Models
from .models import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from flask import Flask

    from .config import Config, Gateway
    from .ledger import Callback
    from .ledger.agreements import AgreementLedger
    from .ledger.authorizations import AuthorizationLedger
    from .ledger.messages import MessageLedger
    from .ledger.submissions import SubmissionLedger
    from .ledger.transfers import TransferLedger
    from .protocol.signed_request import SignedRequest

logger = logging.getLogger("flask_alipay")

L = TypeVar("L", bound=Ledger)

#: The name of the callback that returns a merchant's ``app_auth_token``.
TOKEN_LOADER: Final = "app_auth_token"  # noqa: S105 - a name


class UrlProvider(Protocol):
    """The URLs of this site that Alipay receives."""

    @property
    def host(self) -> str | None:
        """The configured host and port; ``None``: the request's, while the app is developed."""

    @property
    def fixed_notify_url(self) -> str | None:
        """The configured URL for notifications, if there is one."""

    @property
    def notify_url(self) -> str:
        """The URL to which Alipay sends notifications.

        :raises InvalidParameter: if no host is configured and the request's is invalid.
        """

    @property
    def return_url(self) -> str:
        """The URL to which Alipay sends the buyer; raises as :attr:`notify_url` does."""

    def page_url(self, route: str, token: str) -> str:
        """Return the URL of a page for a payer; raises as :attr:`notify_url` does."""


@dataclass(frozen=True, kw_only=True)
class Merchant:
    """One registration of the blueprint in one app.

    The blueprint builds it when it is registered. Operations, views and commands take it; they
    need the app's context, but no request.
    """

    #: The name under which the blueprint is registered, dotted if it is nested.
    name: str
    config: Config
    #: The application's classes.
    models: Models
    #: Any object with a ``session``: the application's ``SQLAlchemy()``.
    db: Any = field(repr=False)
    #: The application's callbacks by event: ``paid``, ``failed``, ``refunded``, ``finished``,
    #: ``transferred``, ``transfer_failed``, ``authorized``, ``released``,
    #: ``authorization_closed``, ``agreement_signed``, ``agreement_ended``, ``message``, and
    #: ``message:`` followed by a kind; and the :data:`TOKEN_LOADER`.
    callbacks: Mapping[str, Sequence[Callback]] = field(repr=False)
    urls: UrlProvider = field(repr=False)
    #: The blueprint; receivers of signals get it as ``alipay``.
    blueprint: Any = field(repr=False)
    #: Redirects a request to the embedded simulator instead of Alipay, if there is one.
    route_to_simulator: Callable[[SignedRequest], SignedRequest] = field(repr=False)
    #: Returns the current time, aware, for the dates of agreements.
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)
    #: Limits the queries that reports cause.
    query_limit: QueryLimit = field(default_factory=QueryLimit, repr=False, compare=False)
    #: Queries Alipay while buyers wait.
    background: BackgroundTasks = field(default_factory=BackgroundTasks, repr=False, compare=False)

    @property
    def session(self) -> Any:
        """The application's session."""
        return self.db.session

    @property
    def app(self) -> Flask:
        """The current application."""
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return app

    @property
    def gateway(self) -> Gateway:
        """The client of the merchant's gateway."""
        return self.config.gateway

    @property
    def notify_url(self) -> str:
        """The URL to which Alipay sends notifications; see :class:`UrlProvider`."""
        return self.urls.notify_url

    @property
    def return_url(self) -> str:
        """The URL to which Alipay sends the buyer; see :class:`UrlProvider`."""
        return self.urls.return_url

    def gateway_for(self, payment: Any) -> Gateway:
        """Return the client of the gateway for calls about one payment.

        For a payment with an ``app_auth_token`` or ``auth_app_id`` of its own each call sends that
        token or that merchant's; for any other payment this is :attr:`gateway`.

        :param payment: one of this merchant's.
        :raises AppAuthTokenError: as :meth:`gateway_of` does.
        """
        token = (payment.details or {}).get("app_auth_token")
        if token is not None:
            return self.config.gateway.acting_for(token)
        if payment.auth_app_id is None:
            return self.config.gateway
        return self.gateway_of(payment.auth_app_id)

    @property
    def has_token_loader(self) -> bool:
        """``True`` if the application has a callback that returns merchants' tokens."""
        return bool(self.callbacks.get(TOKEN_LOADER))

    def gateway_of(self, auth_app_id: str) -> Gateway:
        """Return the client of the gateway for calls of a third-party application for a merchant.

        :param auth_app_id: the APPID of the merchant's application.
        :raises AppAuthTokenError: if the application has no token for the merchant.
        """
        token = self._load_token(auth_app_id) if self.has_token_loader else None
        if token is None:
            if auth_app_id == self.config.auth_app_id:
                return self.gateway
            raise AppAuthTokenError(f"there is no app_auth_token for the merchant {auth_app_id}")
        try:
            return self.gateway.acting_for(token)
        except InvalidParameter as error:
            raise AppAuthTokenError(f"for the merchant {auth_app_id}: {error}") from None

    def _load_token(self, auth_app_id: str) -> str | None:
        load: Callable[[Any], Any] = self.callbacks[TOKEN_LOADER][-1]
        try:
            token: str | None = load(auth_app_id)
        except Exception as error:
            # Not its message, nor its traceback, in which error trackers read the token.
            reason = type(error).__name__
            logger.error("the app_auth_token of %s was not loaded: %s", auth_app_id, reason)
            raise AppAuthTokenError(
                f"the app_auth_token of the merchant {auth_app_id} was not loaded: {reason}",
                retryable=True,
            ) from error
        return token

    @cached_property
    def ledger(self) -> Callable[[], Ledger]:
        """Function that returns the ledger of this merchant in the application's session."""
        return self._ledger_factory(Ledger)

    def messages(self) -> MessageLedger:
        """Return the ledger for messages."""
        from .ledger.messages import MessageLedger

        return self._ledger(MessageLedger)

    def transfers(self) -> TransferLedger:
        """Return the ledger with the rows of transfers.

        :raises ConfigurationError: if the application has no class for them.
        """
        from .ledger.transfers import TransferLedger

        if self.models.Transfer is None:
            raise ConfigurationError("the blueprint has no class for transfers", "Transfer")
        return self._ledger(TransferLedger)

    def submissions(self) -> SubmissionLedger:
        """Return the ledger for payments that this server submits."""
        from .ledger.submissions import SubmissionLedger

        return self._ledger(SubmissionLedger)

    def authorizations(self) -> AuthorizationLedger:
        """Return the ledger with the rows of authorizations.

        :raises ConfigurationError: if the application has no class for them.
        """
        from .ledger.authorizations import AuthorizationLedger

        if self.models.Authorization is None:
            raise ConfigurationError(
                "the blueprint has no class for authorizations", "Authorization"
            )
        return self._ledger(AuthorizationLedger)

    def agreements(self) -> AgreementLedger:
        """Return the ledger with the rows of agreements.

        :raises ConfigurationError: if the application has no class for them.
        """
        from .ledger.agreements import AgreementLedger

        if self.models.Agreement is None:
            raise ConfigurationError("the blueprint has no class for agreements", "Agreement")
        return self._ledger(AgreementLedger)

    def _ledger(self, kind: type[L]) -> L:
        return self._ledger_factory(kind)()

    def _ledger_factory(self, kind: type[L]) -> Callable[[], L]:
        return partial(
            kind,
            None,
            self.models,
            merchant=self.config.merchant,
            callbacks=self.callbacks,
            registry=partial(getattr, self.db, "session"),
            has_token=self.config.has_app_auth_token,
        )
