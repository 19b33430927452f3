"""The page on which a payer signs an agreement, and its live status.

A token in the URL selects the agreement, as on the pages of payments. On a phone the page opens
Alipay's app; on a desktop it shows a QR code of its own address, for the phone: the signed request
is too long for a code that can be scanned.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import jsonify, redirect, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from ..exceptions import (
    AppAuthTokenError,
    BadToken,
    ExpiredToken,
    GatewayError,
    InvalidParameter,
    NotificationRefused,
)
from ..operations.agreements import query_agreement, sign_link
from ..protocol.agreements import AgreementStatus
from ..protocol.conversion import format_amount
from ..protocol.i18n import N_
from .confirming import run_soon
from .gateway_requests import blocks_alipay
from .views import PageViews

if TYPE_CHECKING:
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

#: The routes of this module, also with an error page.
AGREEMENT_PAGES: Final = ("sign", "sign_status")
#: The time between two queries for a waiting payer.
_QUERY_INTERVAL: Final = timedelta(seconds=5)

_STATES: Final = {
    AgreementStatus.TEMP: "waiting",
    AgreementStatus.NORMAL: "signed",
    AgreementStatus.STOP: "suspended",
    AgreementStatus.UNSIGN: "ended",
}
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
        N_("Please go back to the shop: it shows whether automatic payments are turned on."),
    ),
    502: (
        N_("Alipay cannot be opened"),
        N_("Trying again will not help: please go back to the shop."),
    ),
}


class AgreementViews(PageViews):
    """The routes for payers who sign an agreement.

    :param alipay: the blueprint.
    """

    _messages = _ERRORS

    def sign(self, token: str) -> BaseResponse:
        """Show the agreement, and how to sign it at Alipay."""
        try:
            agreement, issued_at = self._agreement("sign", token)
        except BadToken as error:
            return self.handle_bad_token(error)
        if request.query_string:  # Alipay adds data of the payer to the URL
            return redirect(request.base_url, 303)
        agreement = _updated(self._alipay.merchant, agreement)
        link, page_url = None, self._page_url(token)
        if agreement.status == AgreementStatus.TEMP:
            try:
                link = sign_link(self._alipay.merchant, agreement, page_url)
            except (InvalidParameter, AppAuthTokenError) as error:
                logger.warning("sign refused: %s", error)
                return self._error(502 if isinstance(error, AppAuthTokenError) else 400)
            agreement = _find(self._alipay.merchant, agreement.external_agreement_no)
        phone = self._alipay.merchant.gateway.product_for(request.user_agent.string) == "wap"
        return self._page(
            "sign.html",
            agreement=agreement,
            single=_yuan(agreement.single_fen),
            total=_yuan(agreement.total_fen),
            state=_STATES[agreement.status],
            sign_link=link,
            phone=phone,
            wallet="alipayclient" in request.user_agent.string.lower(),
            link=request.base_url if blocks_alipay() else None,
            qr_svg=None if phone or link is None else _qr_code(page_url or request.base_url),
            status_url=self._alipay.agreement_link("sign_status", agreement, issued_at),
        )

    def sign_status(self, token: str) -> BaseResponse:
        """Return the agreement's status as JSON, for a page that polls it."""
        try:
            agreement, _ = self._agreement("sign_status", token)
        except BadToken as error:
            return self.handle_bad_token(error)
        agreement = _updated(self._alipay.merchant, agreement)
        return jsonify(
            external_agreement_no=agreement.external_agreement_no,
            status=agreement.status,
            signed=agreement.status == AgreementStatus.NORMAL,
        )

    def handle_bad_token(self, error: BadToken) -> BaseResponse:
        """Respond to an invalid or expired link."""
        return self._error(410 if isinstance(error, ExpiredToken) else 404)

    def _agreement(self, purpose: str, token: str) -> tuple[Any, datetime]:
        """Return the agreement of a token, and the time when the first link was issued."""
        claim = self._alipay.merchant.tokens.read(purpose, token)
        agreement = _find(self._alipay.merchant, claim.out_trade_no)
        if agreement is None:
            raise BadToken("the token is for an agreement that is not in the ledger")
        return agreement, claim.issued_at

    def _page_url(self, token: str) -> str | None:
        try:
            return self._alipay.merchant.urls.page_url("sign", token)
        except InvalidParameter:
            return None


def _find(merchant: Merchant, number: str) -> Any:
    return merchant.agreements().find_agreement(number)


def _updated(merchant: Merchant, agreement: Any) -> Any:
    """Have Alipay queried about an unsigned agreement that was sent to the payer.

    :return: the agreement as the ledger has it now.
    """
    if agreement.status != AgreementStatus.TEMP or agreement.sent_at is None:
        return agreement
    number = agreement.external_agreement_no
    if not run_soon(merchant, ("agreement", number), partial(_query, merchant, number)):
        return agreement
    return _find(merchant, number)


def _query(merchant: Merchant, number: str) -> None:
    try:
        if merchant.agreements().lease_query(number, _QUERY_INTERVAL):
            query_agreement(merchant, _find(merchant, number))
    except (GatewayError, NotificationRefused, SQLAlchemyError) as error:
        merchant.session.rollback()
        reason = type(error).__name__ if isinstance(error, SQLAlchemyError) else error
        logger.warning("the agreement %s was not queried: %s", number, reason)


def _qr_code(text: str) -> str:
    """Return the image of a QR code as SVG, to be embedded in a page."""
    import segno  # only imported if a code is shown

    picture = segno.make(text, error="m", micro=False)
    return str(picture.svg_inline(border=2, omitsize=True, dark="#000", light="#fff"))


def _yuan(fen: int | None) -> str | None:
    return None if fen is None else format_amount(fen)
