"""A payment's parameters on the legacy gateway, read into an :class:`~.trades.Order`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ..banks import BANK_CODE
from ..exceptions import InvalidAmount, InvalidParameter
from ..limits import check_choice, check_out_trade_no, check_pattern, check_text, timeout_minutes
from ..money import to_fen, to_yuan
from .answers import Refusal
from .clock import end_of_china_day
from .trades import Order
from .urls import checked_url

_PAY_METHODS: Final = ("directPay", "bankPay", "creditPay", "cartoon", "CASH")


def read_order(service: str, params: Mapping[str, str], charset: str, now: datetime) -> Order:
    """Returns the order of a payment, every parameter checked.

    :param service: the service that was called.
    :param params: all of the request's, its signature verified.
    :param charset: the request's.
    :param now: the time from which a timeout counts.
    :raises InvalidParameter: names the parameter that Alipay would not take.
    :raises Refusal: for a payment_type that does not exist.
    """
    if params.get("payment_type") != "1":
        raise Refusal("ILLEGAL_PAYMENT_TYPE")
    check_out_trade_no(params.get("out_trade_no", ""))
    check_text("subject", params.get("subject", ""), most=256, charset=charset)
    for name, most in (("body", 1000), ("extra_common_param", 100)):
        if params.get(name):
            check_text(name, params[name], most=most)
    if params.get("show_url"):
        checked_url("show_url", params["show_url"], most=400)
    if params.get("enable_paymethod") and params.get("disable_paymethod"):
        raise InvalidParameter("enable_paymethod", "and disable_paymethod exclude each other")
    echo = {
        name: params[name]
        for name in ("extra_common_param", "price", "quantity")
        if params.get(name)
    }
    return Order(
        protocol="mapi",
        method=service,
        out_trade_no=params["out_trade_no"],
        subject=params["subject"],
        total_fen=_total_fen(params),
        charset=charset,
        sign_type=params["sign_type"],
        body=params.get("body", ""),
        notify_url=checked_url("notify_url", params.get("notify_url", ""), most=190),
        return_url=checked_url("return_url", params.get("return_url", ""), most=200),
        expires_at=_expires_at(params, now),
        bank=_bank(params),
        echo=echo,
    )


def _total_fen(params: Mapping[str, str]) -> int:
    """``total_fee``, or ``price`` times ``quantity``; never both."""
    total, price, quantity = (params.get(name) for name in ("total_fee", "price", "quantity"))
    if total:
        if price or quantity:
            raise InvalidAmount("total_fee", "and price x quantity exclude each other")
        return to_fen(total, parameter="total_fee")
    if not price or not quantity:
        raise InvalidAmount("total_fee", "or price and quantity are required")
    if not (quantity.isascii() and quantity.isdigit() and len(quantity) <= 7):
        raise InvalidAmount("quantity", "must be a whole number")
    # Back through text, so that the product is held to the limits of an amount as well.
    return to_fen(to_yuan(to_fen(price, parameter="price") * int(quantity)), parameter="price")


def _expires_at(params: Mapping[str, str], now: datetime) -> datetime | None:
    if not params.get("it_b_pay"):
        return None
    minutes = timeout_minutes("it_b_pay", params["it_b_pay"])
    return end_of_china_day(now) if minutes is None else now + timedelta(minutes=minutes)


def _bank(params: Mapping[str, str]) -> str:
    """The bank that the buyer chose in the shop, if it was a bank."""
    if params.get("paymethod"):
        check_choice("paymethod", params["paymethod"], _PAY_METHODS)
    if params.get("paymethod") != "bankPay":
        return ""
    bank = params.get("defaultbank", "")
    check_pattern("defaultbank", bank, BANK_CODE, "the code of a bank, like ICBCB2C")
    return bank
