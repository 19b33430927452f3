"""Visits of the app's buyer to the embedded simulator, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from ..merchant import Merchant
from ..operations.agreements import sign_request
from ..operations.payments import gateway_request
from .embedded_simulator import site_of

if TYPE_CHECKING:
    from flask import Flask


def visit(app: Flask, url_of: Callable[[Merchant], str | None]) -> str:
    """Send a payment or an agreement of the app to Alipay, as its buyer's browser would.

    :param url_of: returns the URL of a merchant's gateway, ``None`` if it belongs to another.
    :returns: a description of the response; empty if there is no such payment or agreement.
    """
    schemes: tuple[str, ...] = (app.config["PREFERRED_URL_SCHEME"], "https")
    for scheme in schemes:
        url = _gateway_url(app, url_of, scheme)
        if url is None:
            return ""
        response = _get(app, url)
        location = response.headers.get("Location", "")
        if not (scheme == "http" and location.startswith("https:")):
            break  # an https-only app redirects the buyer to https
    path = str(urlsplit(url).path)
    result = f"{path} responded with status {response.status_code}"
    return f"{result} and Location {location}" if location else result


def _gateway_url(app: Flask, url_of: Callable[[Merchant], str | None], scheme: str) -> str | None:
    """Return the URL to which the merchant of a payment or an agreement redirects the buyer."""
    for merchant in merchants_of(app):
        with app.test_request_context(base_url=site_of(app, scheme)):
            url = url_of(merchant)
            if url is not None:
                return url
    return None


def pay_url(merchant: Merchant, out_trade_no: str) -> str | None:
    """Return the URL of a payment at the gateway, ``None`` if the merchant has no such payment."""
    payment = find_payment(merchant, out_trade_no)
    return None if payment is None else gateway_request(merchant, payment).url


def sign_url(merchant: Merchant, number: str) -> str | None:
    """Return the URL of an agreement at the gateway, ``None`` if the merchant has no such one."""
    model = merchant.models.Agreement
    if model is None:
        return None
    found = select(model).filter_by(external_agreement_no=number, merchant=merchant.config.merchant)
    agreement = merchant.session.scalars(found).unique().one_or_none()
    return None if agreement is None else sign_request(merchant, agreement).url


def merchants_of(app: Flask) -> list[Merchant]:
    """Return the merchants of an app."""
    return list(app.extensions.get("alipay", {}).values())


def find_payment(merchant: Merchant, out_trade_no: str) -> Any:
    """Return a payment of a merchant; another merchant's may be in the same table."""
    found = select(merchant.models.Payment).filter_by(
        out_trade_no=out_trade_no, merchant=merchant.config.merchant
    )
    return merchant.session.scalars(found).unique().one_or_none()


def _get(app: Flask, url: str) -> TestResponse:
    """Send a GET outside of an app context, as a browser does, below the app's root path."""
    parts, root = urlsplit(url), app.config["APPLICATION_ROOT"].rstrip("/")
    return Client(app, Response).get(
        parts.path.removeprefix(root),
        base_url=f"{parts.scheme}://{parts.netloc}{root}",
        query_string=parts.query,
    )
