"""The blueprint's methods for authorisations by users and merchants, in the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from flask import request

from ..exceptions import BadToken
from ..ledger.callbacks import is_async
from ..merchant import TOKEN_LOADER
from .page_urls import PageUrls
from .payment_methods import P, R
from .states import issue_state, redeem_state

if TYPE_CHECKING:
    from ..config import Gateway
    from .callback_registry import CallbackRegistry

L = TypeVar("L", bound=Callable[[str], str | None])

_USER: Final = "user-authorization"
_APP: Final = "app-authorization"
# Alipay's codes have 32 or 33 characters.
_MAX_CODE: Final = 128


class AuthorizationCode(NamedTuple):
    """The result of an authorisation that was begun in the same browser."""

    #: The code for ``system_oauth_token`` or ``open_auth_token_app`` of the gateway; valid once.
    code: str
    #: The value that the URL was made with.
    reference: Any


class AuthorizationMethods(PageUrls[P, R]):
    """Authorisations by users (OAuth), and by the merchants of a third-party application."""

    _callbacks: CallbackRegistry

    def app_auth_token_loader(self, loader: L) -> L:
        """Register the function that returns the tokens of a third-party application's merchants.

        It is called before each call about a payment with an ``auth_app_id``, and may use the
        session; it must not commit.

        :param loader: takes the APPID of a merchant (``auth_app_id``) and returns the
            ``app_auth_token``, or ``None`` if there is none.
        :returns: the function, unchanged: use it as a decorator. The function registered last is
            called.
        :raises TypeError: if it is a generator or ``async`` function.
        """
        if is_async(loader):
            raise TypeError("app_auth_token_loader must not be async: its result is needed at once")
        self._callbacks.add(TOKEN_LOADER, loader)
        return loader

    def gateway_of(self, auth_app_id: str) -> Gateway:
        """Return the client of the gateway for calls of a third-party application for a merchant.

        :param auth_app_id: the APPID of the merchant's application.
        :raises AppAuthTokenError: if :meth:`app_auth_token_loader` returns no token for the
            merchant, or fails.
        """
        return self.merchant.gateway_of(auth_app_id)

    def user_authorization_url(
        self,
        redirect_uri: str,
        *,
        scope: str = "auth_base",
        reference: Any = None,
        app_id: str | None = None,
    ) -> str:
        """Return the URL of the page on which a user authorises the application.

        Redirect the user's browser there: the ``state`` in the URL is signed, valid for half an
        hour, once, and only in the browser that this request comes from (Flask's session). The view
        at ``redirect_uri`` calls :meth:`user_authorization_code`.

        :param redirect_uri: the URL to which Alipay sends the browser; it must be the callback
            address (授权回调地址) of the console.
        :param scope: ``auth_base``, the user's identity without a question, or ``auth_user``,
            which also allows ``user_info_share`` and asks the user.
        :param reference: JSON that :meth:`user_authorization_code` returns; it stays in the
            session.
        :param app_id: in a third-party application, the merchant's application (``auth_app_id``).
        :raises InvalidParameter: names the invalid parameter.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.oauth import user_authorization_url

        merchant = self.merchant
        issue = partial(issue_state, merchant.tokens, _USER, [app_id, reference])
        return user_authorization_url(merchant, redirect_uri, scope, app_id, issue)

    def user_authorization_code(self) -> AuthorizationCode:
        """Return the code with which Alipay has sent a user to the current request's view.

        The parameters of the request are not signed: only the ``state`` proves that this browser
        began the authorisation.

        :raises ExpiredToken: if the authorisation has taken too long.
        :raises BadToken: if it was not begun here in this browser, was finished before, is for
            another application, or was not granted.
        """
        return self._code(_USER, "auth_code")

    def app_authorization_url(
        self, redirect_uri: str, *, application_types: Sequence[str] = (), reference: Any = None
    ) -> str:
        """Return the URL of the page on which a merchant authorises this third-party application.

        The ``state`` is that of :meth:`user_authorization_url`: the merchant has to open the URL in
        the browser that this request comes from. The view at ``redirect_uri`` calls
        :meth:`app_authorization_code`.

        :param redirect_uri: the URL to which Alipay sends the browser; it must be the callback
            address of the console.
        :param application_types: the kinds of applications that the merchant may choose:
            ``TINYAPP``, ``WEBAPP``, ``MOBILEAPP``, ``PUBLICAPP``, ``ARAPP``; by default Alipay's
            older page, without this choice.
        :param reference: JSON that :meth:`app_authorization_code` returns, for example the number
            of the merchant's account at yours.
        :raises InvalidParameter: names the invalid parameter.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.oauth import app_authorization_url

        merchant = self.merchant
        issue = partial(issue_state, merchant.tokens, _APP, [None, reference])
        return app_authorization_url(merchant, redirect_uri, application_types, issue)

    def app_authorization_code(self) -> AuthorizationCode:
        """Return the code with which Alipay has sent a merchant to the current request's view;
        raises as :meth:`user_authorization_code` does.
        """
        return self._code(_APP, "app_auth_code")

    def _code(self, purpose: str, name: str) -> AuthorizationCode:
        args, merchant = request.args, self.merchant
        expected, reference = redeem_state(merchant.tokens, purpose, args.get("state", ""))
        if args.get("app_id", "") not in ("", expected or merchant.config.merchant):
            raise BadToken("the authorisation is for another application")
        code = args.get(name, "")
        if not code or len(code) > _MAX_CODE:
            raise BadToken("the authorisation has no code")
        return AuthorizationCode(code, reference)
