"""Parsing of the order in the XML of the WAP gateway's ``req_data``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ...protocol.conversion import to_minor_units
from ...protocol.validation import check_out_trade_no, check_text
from ..replies import ApiError
from ..trades.orders import Order
from ..web.urls import checked_url
from .call import parse_int

#: The service that a notification and an order name.
CREATE: Final = "alipay.wap.trade.create.direct"

_REQUIRED: Final = ("subject", "out_trade_no", "total_fee", "seller_account_name", "call_back_url")
_MAX_LENGTHS: Final = {
    "subject": 256,
    "out_trade_no": 64,
    "seller_account_name": 100,
    "call_back_url": 200,
    "notify_url": 200,
    "merchant_url": 200,
    "out_user": 32,
}


def children(text: str, root: str) -> dict[str, str]:
    """Return the texts of an untrusted XML document's children by name.

    :param root: what its root must be called.
    :raises ApiError: ``0004`` if it is something else.
    """
    from defusedxml import ElementTree  # not needed before a phone comes
    from defusedxml.common import DefusedXmlException

    try:
        # A declaration would speak of bytes; this is text, decoded in the request's charset.
        bare = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
        found = ElementTree.fromstring(bare, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise ApiError("0004", "req_data is not XML") from None
    if found.tag != root:
        raise ApiError("0004", f"req_data must be <{root}>")
    names = [str(child.tag) for child in found]
    if len(set(names)) != len(names) or any(len(child) for child in found):
        raise ApiError("0004", "req_data has a name twice, or more than texts")
    return {str(child.tag): (child.text or "").strip() for child in found}


def read_order(text: str, charset: str, sign_type: str, now: datetime) -> Order:
    """Parse the order in ``req_data``; the caller checks its seller.

    :param sign_type: how the merchant signs, and is told.
    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: if it is no such document, lacks something, or something is too long.
    """
    fields = children(text, "direct_trade_create_req")
    _check_lengths(fields)
    check_out_trade_no(fields["out_trade_no"])
    check_text("subject", fields["subject"], max_length=256)
    expires_at = None
    if fields.get("pay_expire"):
        minutes = parse_int("pay_expire", fields["pay_expire"], 1, 15 * 24 * 60)
        expires_at = now + timedelta(minutes=minutes)
    return Order(
        protocol="wap",
        method=CREATE,
        out_trade_no=fields["out_trade_no"],
        subject=fields["subject"],
        total_fen=to_minor_units(fields["total_fee"], parameter="total_fee"),
        charset=charset,
        sign_type=sign_type,
        notify_url=checked_url("notify_url", fields.get("notify_url", ""), max_length=200),
        return_url=checked_url("call_back_url", fields["call_back_url"], max_length=200),
        expires_at=expires_at,
        echo={"seller_account_name": fields["seller_account_name"]},
    )


def _check_lengths(fields: Mapping[str, str]) -> None:
    for name in _REQUIRED:
        if not fields.get(name):
            raise ApiError("0007", f"{name} is required")
    for name, max_length in _MAX_LENGTHS.items():
        if len(fields.get(name, "")) > max_length:
            raise ApiError("0008", f"{name} must be at most {max_length} characters")
