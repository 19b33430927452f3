"""A payment page's parameters on the open platform, read into an :class:`~.trades.Order`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from ..exceptions import InvalidParameter
from ..limits import check_out_trade_no, check_text, timeout_minutes
from ..money import to_fen
from .answers import Refusal
from .clock import end_of_china_day, read_china_text
from .trades import Order
from .urls import checked_url

#: The methods that a browser brings, and the product_code of each.
PRODUCTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY",
        "alipay.trade.wap.pay": "QUICK_WAP_WAY",
    }
)
# The texts that are told back in a notification, and their most characters.
_TEXTS: Final[Mapping[str, int]] = MappingProxyType(
    {"subject": 256, "body": 128, "passback_params": 512}
)


def read_order(method: str, params: Mapping[str, str], charset: str, now: datetime) -> Order:
    """Returns the order of a payment page, every parameter checked.

    :param method: one of :data:`PRODUCTS`.
    :param params: all of the request's, its signature verified.
    :param charset: the request's.
    :param now: the time from which a timeout counts.
    :raises InvalidParameter: names the parameter that Alipay would not take.
    :raises Refusal: if the time to pay is over before it began.
    """
    biz = _biz_content(params.get("biz_content", ""))
    for name in ("out_trade_no", "total_amount", "subject", "product_code"):
        if name not in biz:
            raise InvalidParameter(name, "is required, as a text")
    check_out_trade_no(biz["out_trade_no"])
    if biz["product_code"] != PRODUCTS[method]:
        raise InvalidParameter("product_code", f"must be {PRODUCTS[method]} for this method")
    for name, most in _TEXTS.items():
        if name in biz:
            check_text(name, biz[name], most=most)
            # JSON can spell characters that the charset does not have; they could not be told back.
            check_text(name, biz[name], most=4 * most, charset=charset)
    return Order(
        protocol="openapi",
        method=method,
        out_trade_no=biz["out_trade_no"],
        subject=biz["subject"],
        total_fen=to_fen(biz["total_amount"]),
        charset=charset,
        sign_type=params["sign_type"],
        body=biz.get("body", ""),
        notify_url=checked_url("notify_url", params.get("notify_url", ""), most=256),
        return_url=checked_url("return_url", params.get("return_url", ""), most=256),
        expires_at=_expires_at(biz, now),
        echo={"passback_params": biz["passback_params"]} if "passback_params" in biz else {},
    )


def _biz_content(text: str) -> dict[str, str]:
    """The texts of biz_content; numbers as they were written, so that no amount is rounded."""
    try:
        content = json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError):
        raise InvalidParameter("biz_content", "must be a JSON object") from None
    if not isinstance(content, dict):
        raise InvalidParameter("biz_content", "must be a JSON object")
    return {name: value for name, value in content.items() if isinstance(value, str) and value}


def _expires_at(biz: Mapping[str, str], now: datetime) -> datetime | None:
    """``time_expire`` wins over ``timeout_express``."""
    if "time_expire" in biz:
        moment = read_china_text(biz["time_expire"])
        if moment is None:
            raise InvalidParameter("time_expire", "must be like 2026-01-31 08:00:00")
        if moment <= now:
            raise Refusal("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
        return moment
    if "timeout_express" in biz:
        minutes = timeout_minutes("timeout_express", biz["timeout_express"])
        return end_of_china_day(now) if minutes is None else now + timedelta(minutes=minutes)
    return None


def _no_number(text: str) -> str:
    raise ValueError("NaN and Infinity are not JSON")
