"""Headers of the responses: the Content-Security-Policy of the pages for buyers, and privacy."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Response

#: Keep a response out of caches, and its URL out of other sites' logs.
PRIVACY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
}

# The application's own templates may use images of the site.
_POLICY: Final = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
    "connect-src 'self'; img-src {pictures}; base-uri 'none'; frame-src {frames}; "
    "form-action {forms}; frame-ancestors 'none'"
)
# The gateways redirect to cashiers on other hosts of Alipay (excashier.alipay.com for example), and
# browsers apply the policy to these redirects as well.
_CASHIERS: Final = "https://*.alipay.com https://*.alipaydev.com"


def content_security_policy(nonce: str, *, forms: str, frames: str, pictures: str = "") -> str:
    """Return the policy of a page.

    :param nonce: the nonce of its style and scripts.
    :param forms: the sources for ``form-action``.
    :param frames: the sources for ``frame-src``.
    :param pictures: the origin of a logo on another site.
    """
    allowed = " ".join(filter(None, ("'self' data:", pictures)))
    return _POLICY.format(nonce=nonce, forms=forms, frames=frames, pictures=allowed)


def gateway_forms(gateway_url: str) -> str:
    """Return the sources to which a form may be posted: the gateway and the cashiers behind it."""
    parts = urlsplit(gateway_url)
    gateway = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
    return f"{gateway} {_CASHIERS}"


def gateway_frames(gateway_url: str) -> str:
    """Return the sources for the frame of the checkout: Alipay's QR code, through ``pay``."""
    sources = gateway_forms(gateway_url)
    return sources if sources.startswith("'self'") else f"'self' {sources}"


def set_privacy_headers(response: Response) -> Response:
    """Keep a response out of caches, and its URL out of other sites' logs."""
    response.headers.update(PRIVACY_HEADERS)
    return response
