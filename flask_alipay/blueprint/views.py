"""Pages for buyers. A token in the URL selects the payment: no session, no cookie."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from ..exceptions import (
    AppAuthTokenError,
    BadToken,
    BodyTooLarge,
    ExpiredToken,
    GatewayError,
    InvalidParameter,
    NotificationRefused,
    OutcomeUnknown,
)
from ..models import utc_now
from ..operations.payment_state import confirming_for, is_payable, payment_state
from ..operations.sending import note_sent
from ..operations.settlement import is_for_merchant
from ..protocol.banks import CHECKOUT_BANKS, bank_name
from ..protocol.conversion import format_amount, parse_china_time
from ..protocol.i18n import N_, languages, translator
from ..protocol.parameter_names import MAPI_RETURN_NAMES, OPENAPI_RETURN_NAMES
from .confirming import confirmed_soon, returned
from .gateway_requests import (
    QR_WIDTH,
    blocks_alipay,
    in_frame,
    offers_qr,
    payment_request,
    wants_frame,
)
from .order_items import order_items
from .page_policy import content_security_policy, gateway_forms, gateway_frames
from .reader_language import reader_language
from .return_url import return_signer, verify_return, without_foreign

if TYPE_CHECKING:
    from .page_urls import PageUrls

logger = logging.getLogger("flask_alipay")

#: The routes that respond with pages, also with an error page.
PAGES: tuple[str, ...] = ("checkout", "pay", "return", "result", "status")

_ERRORS = {
    400: (
        N_("This link is incomplete"),
        N_(
            "It may be truncated, or you returned from Alipay without paying. The page that "
            "you left open and the shop show the status of your payment."
        ),
    ),
    404: (
        N_("Payment not found"),
        N_("The link may be incomplete. Please go back to the shop and open it from there."),
    ),
    409: (
        N_("This payment is closed"),
        N_("It can no longer be paid. Please go back to the shop and order again."),
    ),
    410: (
        N_("This page has expired"),
        N_(
            "Payment pages can be opened for a limited time only. Your payment is safe: the "
            "shop has recorded it."
        ),
    ),
    502: (
        N_("Alipay does not accept this payment"),
        N_("You have not been charged. Trying again will not help: please go back to the shop."),
    ),
    503: (
        N_("Alipay cannot be reached"),
        N_("You have not been charged. Please try again in a few minutes."),
    ),
}

# More than any return from Alipay has.
_MAX_QUERY = 16 * 1024

# Paid in the shop's mobile app, in a mini-program, by barcode or by a capture, not in a browser.
_ELSEWHERE = ("app", "jsapi", "barcode", "preauth")
_HAS_SUCCESS = "ACQ.TRADE_HAS_SUCCESS"
# Alipay's codes for an order that can no longer be paid.
_OVER = ("ACQ.TRADE_HAS_CLOSE", "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")


class PageViews:
    """The routes for buyers.

    :param alipay: the blueprint.
    """

    _messages: Mapping[int, tuple[str, str]] = _ERRORS

    def __init__(self, alipay: PageUrls[Any, Any]) -> None:
        self._alipay = alipay

    def checkout(self, token: str) -> BaseResponse:
        """Show the order and the payment methods."""
        payment, issued_at = self._find("checkout", token)
        result_url = self._alipay.link("result", payment, issued_at)
        if not is_payable(payment) or payment.product in _ELSEWHERE:
            return redirect(result_url, 303)
        if "problem" in request.args:
            return self._help_page(payment, issued_at, result_url)
        if payment.product == "qr":
            return self._qr_page(payment, issued_at)
        if blocks_alipay():
            return self._open_in_browser(payment, issued_at)
        pay_url = self._alipay.link("pay", payment, issued_at)
        banks = self._banks(payment, issued_at)
        with_qr = offers_qr(self._alipay.merchant, payment)
        if self._alipay.config.pages.skip_checkout and not banks and not with_qr:
            return redirect(pay_url, 303)
        return self._page(
            "checkout.html",
            **self._about(payment, issued_at),
            pay_url=pay_url,
            qr_url=in_frame(pay_url) if with_qr else None,
            qr_width=QR_WIDTH,
            banks=banks,
            result_url=result_url,
            problem_url=self._alipay.link("help", payment, issued_at),
            policy_frames=gateway_frames(self._alipay.config.gateway.gateway_url)
            if with_qr
            else "'none'",
        )

    def _help_page(self, payment: Any, issued_at: datetime, result_url: str) -> BaseResponse:
        """Show help for a buyer with a problem."""
        return self._page(
            "help.html",
            **self._about(payment, issued_at),
            pay_url=self._alipay.link("checkout", payment, issued_at),
            result_url=result_url,
        )

    def pay(self, token: str) -> BaseResponse:
        """Redirect the buyer to Alipay or, if the payment is paid or closed, to the result."""
        payment, issued_at = self._find("pay", token)
        if not is_payable(payment) or payment.product in _ELSEWHERE:
            return redirect(self._alipay.link("result", payment, issued_at), 303)
        if payment.product == "qr":
            return redirect(self._alipay.link("checkout", payment, issued_at), 303)
        if blocks_alipay():
            return self._open_in_browser(payment, issued_at)
        bank = request.args.get("bank")
        framed = wants_frame() and offers_qr(self._alipay.merchant, payment)
        try:
            signed = payment_request(self._alipay.merchant, payment, bank=bank, in_frame=framed)
        except InvalidParameter as error:
            # The payment was checked when it was created, but the bank and possibly the host of the
            # URLs come from the browser.
            logger.warning("pay refused: %s", error)
            return self._error(400)
        except AppAuthTokenError as error:
            logger.warning("pay refused: %s", error)
            return self._error(502)
        if len(signed.url) <= self._alipay.config.max_url_length:
            response = redirect(signed.url, 303)
        else:
            response = self._page(
                "pay.html",
                **self._about(payment, issued_at),
                form_action=signed.form_action,
                form_charset=signed.form_charset,
                form_fields=signed.form_fields,
                policy_form_action=gateway_forms(signed.gateway_url),
            )
        note_sent(self._alipay.merchant, payment)
        return response

    def _open_in_browser(self, payment: Any, issued_at: datetime) -> BaseResponse:
        """Explain how to open this page in a browser that opens Alipay."""
        return self._page(
            "open_in_browser.html",
            **self._about(payment, issued_at),
            link=request.url,
            result_url=self._alipay.link("result", payment, issued_at),
        )

    def return_from_alipay(self) -> BaseResponse:
        """Redirect a buyer who returns from Alipay to the result.

        The URL's parameters are not shown: they contain buyer data, and only the ledger's state
        counts.
        """
        config, query = self._alipay.config, self._signed_query()
        names = OPENAPI_RETURN_NAMES if config.protocol == "openapi" else MAPI_RETURN_NAMES
        if config.show_url and not without_foreign(query, names):
            return redirect(config.show_url, 303)  # the buyer left Alipay without paying
        params = verify_return(query, return_signer(config, query), config.charset, names)
        payment = self._alipay.ledger().find(params.get("out_trade_no", ""))
        if payment is None or not is_for_merchant(
            config, params, confirmed=_same_trade(payment, params)
        ):
            raise BadToken("the return is for no payment of this merchant")
        returned_at = parse_china_time(params.get("timestamp") or params.get("notify_time"))
        issued_at = min(returned_at or payment.created_at, utc_now())
        # A stored return URL must not outlive the result page.
        if utc_now() - issued_at > timedelta(seconds=config.result_max_age):
            raise ExpiredToken("the return is too old")
        payment = returned(self._alipay.merchant, payment)
        return redirect(self._alipay.link("result", payment, issued_at), 303)

    def result(self, token: str) -> BaseResponse:
        """Show the payment's state in the ledger."""
        payment, issued_at = self._find("result", token)
        payment = confirmed_soon(self._alipay.merchant, payment)
        state = payment_state(payment)
        payable = is_payable(payment) and payment.product not in _ELSEWHERE
        again = self._alipay.link("checkout", payment, issued_at) if payable else None
        about = self._about(payment, issued_at)
        left = confirming_for(payment) if state == "confirming" else 0
        return self._page("result.html", **about, state=state, pay_url=again, confirming_for=left)

    def status(self, token: str) -> BaseResponse:
        """Return the payment's status as JSON, for a page that polls it."""
        payment, _ = self._find("status", token)
        payment = confirmed_soon(self._alipay.merchant, payment)
        return jsonify(
            out_trade_no=payment.out_trade_no,
            trade_status=payment.trade_status,
            paid=payment.paid,
        )

    def handle_bad_token(self, error: BadToken) -> BaseResponse:
        """Respond to an invalid or expired link."""
        return self._error(410 if isinstance(error, ExpiredToken) else 404)

    def handle_bad_return(self, error: NotificationRefused) -> BaseResponse:
        """Respond to a return that Alipay did not sign."""
        logger.warning("return refused (%s): %s", error.reason, error)
        return self._error(400)

    def _qr_page(self, payment: Any, issued_at: datetime) -> BaseResponse:
        """Show the QR code to scan, or the reason why there is none."""
        from ..operations.qr_codes import qr_code

        number = payment.out_trade_no
        try:
            code = qr_code(self._alipay.merchant, payment)
        except GatewayError as error:
            if error.sub_code == _HAS_SUCCESS:
                return self._paid_before(number, issued_at)
            logger.warning("no QR code for %s: %s", number, error)
            if error.sub_code in _OVER:
                return self._error(409)
            return self._error(503 if isinstance(error, OutcomeUnknown) else 502)
        except InvalidParameter as error:
            logger.warning("no QR code for %s: %s", number, error)
            return self._error(400)
        return self._page(
            "qr.html",
            **self._about(payment, issued_at),
            qr_svg=code.svg,
            qr_link=code.link,
            link=request.url if blocks_alipay() else None,
            qr_left=code.seconds_left,
            result_url=self._alipay.link("result", payment, issued_at),
        )

    def _paid_before(self, number: str, issued_at: datetime) -> BaseResponse:
        """Query a payment that is paid at Alipay, in case its notification has not arrived yet."""
        payment = self._alipay.ledger().find(number)
        try:
            payment = self._alipay.query(payment)
        except (GatewayError, NotificationRefused) as error:
            logger.warning("%s is paid at Alipay, and not in the ledger: %s", number, error)
            payment = self._alipay.ledger().find(number)
        return redirect(self._alipay.link("result", payment, issued_at), 303)

    def _find(self, purpose: str, token: str) -> tuple[Any, datetime]:
        """Return the payment of a token, and the time when the first link was issued."""
        claim = self._alipay.merchant.tokens.read(purpose, token)
        payment = self._alipay.ledger().find(claim.out_trade_no)
        if payment is None:
            raise BadToken("the token is for a payment that is not in the ledger")
        return payment, claim.issued_at

    def _signed_query(self) -> bytes:
        """Return the raw query without the arguments that the shop put into ``RETURN_URL``.

        :raises BodyTooLarge: if it is longer than any return.
        """
        if len(request.query_string) > _MAX_QUERY:
            raise BodyTooLarge("it is larger than any return")
        shop_names = self._alipay.config.return_query
        fields = request.query_string.split(b"&")
        return b"&".join(
            field
            for field in fields
            if field.partition(b"=")[0].decode("latin-1") not in shop_names
        )

    def _about(self, payment: Any, issued_at: datetime) -> dict[str, Any]:
        return {
            "payment": payment,
            "total": format_amount(payment.total_fen, payment.currency),
            "refunded": format_amount(payment.refunded_fen, payment.currency),
            "items": order_items(payment),
            "status_url": self._alipay.link("status", payment, issued_at),
        }

    def _banks(self, payment: Any, issued_at: datetime) -> list[dict[str, str]]:
        # Only instant payment can begin at a bank.
        if self._alipay.config.protocol != "mapi" or payment.product not in (None, "page"):
            return []
        translated = self._translator()
        return [
            {
                "code": code,
                "name": translated(bank_name(code)),
                "url": self._alipay.link("pay", payment, issued_at, bank=code),
            }
            for code in CHECKOUT_BANKS
        ]

    def _page(
        self,
        template: str,
        status: int = 200,
        *,
        policy_form_action: str = "'none'",
        policy_frames: str = "'none'",
        **context: Any,
    ) -> Response:
        config, nonce, shop = self._alipay.config, self._nonce(), self._alipay.config.pages
        text = render_template(
            f"alipay/{template}",
            nonce=nonce,
            lang=self._language(),
            _t=self._translator(),
            shop=shop,
            shop_url=config.show_url or _home_url(),
            simulator=config.simulator,
            status=status,
            **context,
        )
        response = make_response(text, status)
        response.headers["Content-Security-Policy"] = content_security_policy(
            nonce, forms=policy_form_action, frames=policy_frames, pictures=shop.logo_source
        )
        return response

    def _nonce(self) -> str:
        """Return the nonce of the application's policy, or a new one without such a policy."""
        generator = self._alipay.csp_nonce_generator
        return (generator() if generator else "") or secrets.token_urlsafe(16)

    def _language(self) -> str:
        """Return the reader's language among those with translations."""
        return reader_language(languages(self._alipay.config.translations_path))

    def _translator(self) -> Callable[[str], str]:
        return translator(self._language(), self._alipay.config.translations_path)

    def _error(self, status: int) -> Response:
        title, message = map(self._translator(), self._messages[status])
        return self._page("error.html", status, title=title, message=message)


def _same_trade(payment: Any, params: Mapping[str, str]) -> bool:
    """Return whether a return is about the trade in the ledger: returns of cross-border payments
    and of the WAP gateway name no seller.
    """
    return payment.trade_no is not None and payment.trade_no == params.get("trade_no")


def _home_url() -> str | None:
    """Return the URL of the site's home page, ``None`` if the application has none."""
    adapter = current_app.create_url_adapter(request)
    known = adapter is not None and adapter.test("/", "GET")
    return f"{request.script_root}/" if known else None
