"""Parsing of an order on the open platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import to_minor_units
from ...protocol.validation import check_out_trade_no, check_text, timeout_minutes
from ..clock import end_of_china_day, read_china_text
from ..replies import ApiError
from ..trades.funding import allowed_channels
from ..trades.orders import Order
from ..web.urls import checked_url
from .call import ApiCall
from .content import texts

PAGE: Final = "alipay.trade.page.pay"
WAP: Final = "alipay.trade.wap.pay"
APP: Final = "alipay.trade.app.pay"
PRECREATE: Final = "alipay.trade.precreate"
CREATE: Final = "alipay.trade.create"
PAY: Final = "alipay.trade.pay"
SIGN: Final = "alipay.user.agreement.page.sign"
#: The product code of a payment in a mini-program.
JSAPI: Final = "JSAPI_PAY"

#: The methods that a browser brings, and the product_codes that each accepts: the documented one
#: first. QUICK_WAP_PAY is in none of Alipay's documents, but SDKs in several languages have sent it
#: for years, and their payments are served.
PAGES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {PAGE: ("FAST_INSTANT_TRADE_PAY",), WAP: ("QUICK_WAP_WAY", "QUICK_WAP_PAY")}
)
# The app's is brought by Alipay's library.
_CODES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {**PAGES, APP: ("QUICK_MSECURITY_PAY",)}
)
# The methods without a default product_code (Alipay's PHP SDK of version 3).
_REQUIRED_CODE: Final = (PAGE,)
# Texts that notifications repeat, with maximum lengths.
_TEXTS: Final[Mapping[str, int]] = MappingProxyType(
    {"subject": 256, "body": 128, "passback_params": 512}
)
# How long an order waits that sets no limit; the others wait for ever here.
_WAITS: Final[Mapping[str, timedelta]] = MappingProxyType(
    {PRECREATE: timedelta(hours=2), PAY: timedelta(hours=3)}
)


def read_order(call: ApiCall, buyer: str = "") -> Order:
    """Parse and validate the order of a call.

    :param buyer: the buyer for whom the trade is created, if it is for one.
    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: if the time to pay is already over.
    """
    biz = texts(call.content)
    required = ("out_trade_no", "total_amount", "subject")
    for name in (*required, "product_code") if call.method in _REQUIRED_CODE else required:
        if name not in biz:
            raise InvalidParameter(name, "is required, as a text")
    check_out_trade_no(biz["out_trade_no"])
    known = _CODES.get(call.method)
    if known is not None and biz.get("product_code", known[0]) not in known:
        raise InvalidParameter("product_code", f"must be {known[0]} for this method")
    for name, max_length in _TEXTS.items():
        if name in biz:
            check_text(name, biz[name], max_length=max_length)
            # JSON can spell characters that the charset does not have; they could not be sent back.
            check_text(name, biz[name], max_length=4 * max_length, charset=call.charset)
    return Order(
        protocol="openapi",
        method=call.method,
        out_trade_no=biz["out_trade_no"],
        subject=biz["subject"],
        total_fen=to_minor_units(biz["total_amount"]),
        charset=call.charset,
        sign_type=call.sign_type,
        body=biz.get("body", ""),
        notify_url=checked_url("notify_url", call.params.get("notify_url", ""), max_length=256),
        return_url=checked_url("return_url", call.params.get("return_url", ""), max_length=256),
        expires_at=_expires_at(call.method, biz, call.now),
        funds=_funds(biz),
        app_auth_token=call.params.get("app_auth_token", ""),
        buyer=buyer,
        echo={"passback_params": biz["passback_params"]} if "passback_params" in biz else {},
    )


def _funds(biz: Mapping[str, str]) -> tuple[str, ...]:
    enabled, disabled = (biz.get(f"{word}_pay_channels", "") for word in ("enable", "disable"))
    if enabled and disabled:
        raise InvalidParameter("disable_pay_channels", "excludes enable_pay_channels")
    return allowed_channels(
        *(list(filter(None, words.split(","))) for words in (enabled, disabled))
    )


def _expires_at(method: str, biz: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the end of the time to pay; a QR code expires after at most two hours."""
    requested = _requested_limit(biz, now)
    own = now + _WAITS[method] if method in _WAITS else None
    if requested is None:
        return own
    return min(requested, own) if own is not None and method == PRECREATE else requested


def _requested_limit(biz: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the requested limit: ``time_expire`` before ``timeout_express`` before that of the QR
    code.
    """
    if "time_expire" in biz:
        time_expire = read_china_text(biz["time_expire"])
        if time_expire is None:
            raise InvalidParameter("time_expire", "must be like 2026-01-31 08:00:00")
        if time_expire <= now:
            raise ApiError("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
        return time_expire
    for name in ("timeout_express", "qr_code_timeout_express"):
        if name in biz:
            minutes = timeout_minutes(name, biz[name])
            return end_of_china_day(now) if minutes is None else now + timedelta(minutes=minutes)
    return None
