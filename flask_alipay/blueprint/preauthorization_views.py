"""The page on which a payer confirms a pre-authorisation, and its live status.

A token in the URL selects the authorization, as on the pages of payments.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import jsonify, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from ..exceptions import (
    BadToken,
    ExpiredToken,
    GatewayError,
    InvalidParameter,
    NotificationRefused,
    OutcomeUnknown,
)
from ..models import utc_now
from ..operations.preauthorizations import freeze_qr_code, query_authorization
from ..protocol.conversion import format_amount
from ..protocol.i18n import N_
from ..protocol.preauthorizations import AuthorizationStatus
from .confirming import run_soon
from .gateway_requests import blocks_alipay
from .views import PageViews

if TYPE_CHECKING:
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

#: The routes of this module, also with an error page.
AUTHORIZATION_PAGES: Final = ("authorize", "authorize_status")
#: The time between two queries for a waiting payer.
_QUERY_INTERVAL: Final = timedelta(seconds=5)

_ERRORS: Final = {
    400: (
        N_("This link is incomplete"),
        N_("Please go back to the shop and open it from there."),
    ),
    404: (
        N_("Page not found"),
        N_("The link may be incomplete. Please go back to the shop and open it from there."),
    ),
    410: (
        N_("This page has expired"),
        N_("Please go back to the shop: it shows whether the deposit is held."),
    ),
    502: (
        N_("Alipay does not accept this deposit"),
        N_("Nothing has been frozen. Trying again will not help: please go back to the shop."),
    ),
    503: (
        N_("Alipay cannot be reached"),
        N_("Nothing has been frozen. Please try again in a few minutes."),
    ),
}


class AuthorizationViews(PageViews):
    """The routes for payers who confirm an authorization.

    :param alipay: the blueprint.
    """

    _messages = _ERRORS

    def authorize(self, token: str) -> BaseResponse:
        """Show the amount, and the QR code or link to confirm it; later, the result."""
        try:
            authorization, issued_at = self._authorization("authorize", token)
        except BadToken as error:
            return self.handle_bad_token(error)
        merchant = self._alipay.merchant
        authorization = _updated(merchant, authorization)
        number, code = authorization.out_order_no, None
        if _state(authorization) == "waiting":
            try:
                code = freeze_qr_code(merchant, authorization)
            except InvalidParameter as error:
                logger.warning("no QR code for %s: %s", number, error)
                if _state(_find(merchant, number)) == "waiting":
                    return self._error(400)
            except GatewayError as error:
                logger.warning("no QR code for %s: %s", number, error)
                if _state(_find(merchant, number)) == "waiting":
                    return self._error(503 if isinstance(error, OutcomeUnknown) else 502)
            authorization = _find(merchant, number)
        state = _state(authorization)
        left = (authorization.expires_at - utc_now()) if authorization.expires_at else None
        return self._page(
            "authorize.html",
            authorization=authorization,
            total=format_amount(authorization.total_fen),
            captured=format_amount(authorization.captured_fen),
            released=format_amount(authorization.released_fen),
            state=state,
            qr_svg=code.svg if code is not None else None,
            qr_link=code.link if code is not None else None,
            link=request.base_url if blocks_alipay() else None,
            seconds_left=max(0, int(left.total_seconds())) if left is not None else None,
            status_url=self._alipay.authorization_link(
                "authorize_status", authorization, issued_at
            ),
        )

    def authorize_status(self, token: str) -> BaseResponse:
        """Return the authorization's status as JSON, for a page that polls it."""
        try:
            authorization, _ = self._authorization("authorize_status", token)
        except BadToken as error:
            return self.handle_bad_token(error)
        authorization = _updated(self._alipay.merchant, authorization)
        return jsonify(
            out_order_no=authorization.out_order_no,
            status=authorization.status,
            authorized=authorization.status == AuthorizationStatus.AUTHORIZED,
        )

    def handle_bad_token(self, error: BadToken) -> BaseResponse:
        """Respond to an invalid or expired link."""
        return self._error(410 if isinstance(error, ExpiredToken) else 404)

    def _authorization(self, purpose: str, token: str) -> tuple[Any, datetime]:
        """Return the authorization of a token, and the time when the first link was issued."""
        claim = self._alipay.merchant.tokens.read(purpose, token)
        authorization = _find(self._alipay.merchant, claim.out_trade_no)
        if authorization is None:
            raise BadToken("the token is for an authorization that is not in the ledger")
        return authorization, claim.issued_at


def _state(authorization: Any) -> str:
    """Return the state for the payer: ``waiting``, ``held``, ``settled``, ``released``, ``expired``
    or ``cancelled``.
    """
    status, ends_at = authorization.status, authorization.expires_at
    if status == AuthorizationStatus.AUTHORIZED:
        return "held"
    if status == AuthorizationStatus.FINISH:
        return "settled"
    over = ends_at is not None and ends_at <= (authorization.closed_at or utc_now())
    if status == AuthorizationStatus.INIT:
        return "expired" if over else "waiting"
    if authorization.authorized_at is not None:
        return "released"
    return "expired" if over else "cancelled"


def _find(merchant: Merchant, number: str) -> Any:
    return merchant.authorizations().rows.find(number)


def _updated(merchant: Merchant, authorization: Any) -> Any:
    """Have Alipay queried about an authorization that was sent to the payer.

    :return: the authorization as the ledger has it now.
    """
    if authorization.status != AuthorizationStatus.INIT or authorization.sent_at is None:
        return authorization
    number = authorization.out_order_no
    if not run_soon(merchant, ("authorization", number), partial(_query, merchant, number)):
        return authorization
    return _find(merchant, number)


def _query(merchant: Merchant, number: str) -> None:
    try:
        if merchant.authorizations().lease_query(number, _QUERY_INTERVAL):
            query_authorization(merchant, _find(merchant, number))
    except (GatewayError, NotificationRefused, SQLAlchemyError) as error:
        merchant.session.rollback()
        reason = type(error).__name__ if isinstance(error, SQLAlchemyError) else error
        logger.warning("the authorization %s was not queried: %s", number, reason)
