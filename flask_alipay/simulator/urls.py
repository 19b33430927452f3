"""The addresses that a merchant gives: where it is told, and where its buyer goes back to."""

from __future__ import annotations

from ..exceptions import InvalidParameter
from ..limits import check_url


def checked_url(parameter: str, value: str, *, most: int, query: bool = True) -> str:
    """Returns the URL; nothing is a URL that was not given.

    :param most: the most characters.
    :param query: whether it may have a query of its own: on the legacy gateway it may not.
    :raises InvalidParameter: if it is not absolute, not http(s), too long or has what it may not.
    """
    if value:
        check_url(parameter, value, most=most, query=query)
    return value


def usable_url(value: str) -> str:
    """Returns the URL if one may be sent there, nothing otherwise."""
    try:
        return checked_url("url", value, most=2000)
    except InvalidParameter:
        return ""
