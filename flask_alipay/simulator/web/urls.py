"""Validation of the merchant's URLs for notifications and returns."""

from __future__ import annotations

import logging

from ...exceptions import InvalidParameter
from ...protocol.validation import check_url

logger = logging.getLogger("flask_alipay.simulator")


def checked_url(parameter: str, value: str, *, max_length: int, query: bool = True) -> str:
    """Validate a URL; an empty one was not given.

    :param max_length: maximum number of characters.
    :param query: whether it may have a query of its own: on the legacy gateway it may not.
    :raises InvalidParameter: if it is not absolute, not http(s), too long or has what it may not.
    """
    if value:
        check_url(parameter, value, max_length=max_length, query=query)
    return value


def checked_notify_url(value: str) -> str:
    """Return the ``notify_url`` of a request to the legacy gateway.

    Alipay's guide allows no query in it. Clients that send one are served, so it only costs a
    warning.

    :raises InvalidParameter: as :func:`checked_url`.
    """
    if "?" in value:
        logger.warning(
            "The notify_url of this request has a query (?…). Alipay's guide for the legacy "
            "gateway does not allow one; put the value into the path."
        )
    return checked_url("notify_url", value, max_length=190)


def valid_url_or_empty(value: str) -> str:
    """Return the URL if it may be used, empty otherwise."""
    try:
        return checked_url("url", value, max_length=2000)
    except InvalidParameter:
        return ""
