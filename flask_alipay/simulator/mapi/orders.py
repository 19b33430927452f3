"""Parsing of orders from the parameters of payments on the legacy gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ...exceptions import InvalidAmount, InvalidParameter
from ...protocol.banks import BANK_CODE
from ...protocol.conversion import format_amount, parse_minor_units, to_minor_units
from ...protocol.validation import (
    check_choice,
    check_out_trade_no,
    check_pattern,
    check_text,
    timeout_minutes,
)
from ..clock import end_of_china_day
from ..replies import ApiError
from ..trades import exchange_rates
from ..trades.funding import KINDS, allowed_channels
from ..trades.orders import Order, TradeEvent
from ..web.urls import checked_notify_url, checked_url
from .call import ApiCall, parse_int

DIRECT: Final = "create_direct_pay_by_user"
WAP: Final = "alipay.wap.create.direct.pay.by.user"
ESCROW: Final = "create_partner_trade_by_buyer"
DUAL: Final = "trade_create_by_buyer"
FOREX: Final = "create_forex_trade"
FOREX_WAP: Final = "create_forex_trade_wap"

#: How the parcel may travel.
TRANSPORTS: Final = ("POST", "EXPRESS", "EMS", "DIRECT")

_PAY_METHODS: Final = ("directPay", "bankPay", "creditPay", "cartoon", "CASH")
_LOGISTICS_PAYMENTS: Final = ("SELLER_PAY", "BUYER_PAY", "BUYER_PAY_AFTER_RECEIVE")
# Receiver of the parcel, with maximum lengths.
_RECEIVER: Final = (
    ("receive_name", 128),
    ("receive_address", 256),
    ("receive_zip", 20),
    ("receive_phone", 30),
    ("receive_mobile", 30),
)
_PRODUCT_CODES: Final = {FOREX: "NEW_OVERSEAS_SELLER", FOREX_WAP: "NEW_WAP_OVERSEAS_SELLER"}


def read_direct(call: ApiCall) -> Order:
    """Parse the order of an instant payment.

    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: for a payment_type that does not exist.
    """
    _check_payment_type(call)
    enabled, disabled = call.get("enable_paymethod"), call.get("disable_paymethod")
    if enabled and disabled:
        raise InvalidParameter("enable_paymethod", "and disable_paymethod exclude each other")
    return _order(
        call,
        total_fen=_total_fen(call.params),
        expires_at=expiry(call.params, "it_b_pay", call.now),
        bank=_bank(call),
        funds=allowed_channels(
            *(list(filter(None, words.split("^"))) for words in (enabled, disabled))
        ),
        echo=_echo(call, "extra_common_param", "price", "quantity"),
    )


def read_wap(call: ApiCall) -> Order:
    """Parse the order of an instant payment on a phone.

    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: for a payment_type that does not exist, or a charset other than UTF-8.
    """
    if call.charset.lower() not in ("utf-8", "utf8"):
        raise ApiError("ILLEGAL_CHARSET", "this service takes utf-8 only")
    call.require("seller_id", "show_url", "total_fee")
    return read_direct(call)


def read_escrow(call: ApiCall) -> Order:
    """Parse the order of an escrow payment, or of one with the buyer's choice.

    Its amount is ``price`` times ``quantity``, plus ``discount``, plus ``logistics_fee`` where the
    buyer pays for the parcel (``BUYER_PAY``). Alipay's guide has the discount *added*: one that is
    negative makes it cheaper. That the parcel's fee is in the total is an inference.

    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: for a payment_type that does not exist.
    """
    _check_payment_type(call)
    if call.get("total_fee"):
        raise InvalidAmount("total_fee", "is not a parameter of this service: price and quantity")
    call.require("logistics_type", "logistics_fee", "logistics_payment")
    check_choice("logistics_type", call.get("logistics_type"), TRANSPORTS)
    check_choice("logistics_payment", call.get("logistics_payment"), _LOGISTICS_PAYMENTS)
    fee = parse_minor_units(call.get("logistics_fee"), parameter="logistics_fee")
    for name, max_length in _RECEIVER:
        if call.get(name):
            check_text(name, call.get(name), max_length=max_length)
    total = _total_fen(call.params) + _discount(call.get("discount"))
    if call.get("logistics_payment") == "BUYER_PAY":
        total += fee
    dual = call.service == DUAL
    return _order(
        call,
        total_fen=_within_limits(total),
        expires_at=expiry(call.params, "it_b_pay", call.now),
        ways=(TradeEvent.PAY, TradeEvent.DEPOSIT) if dual else (TradeEvent.DEPOSIT,),
        echo={
            **_echo(call, "extra_common_param", "price", "quantity", "discount"),
            **_echo(call, "logistics_type", "logistics_payment"),
            **_echo(call, *(name for name, _ in _RECEIVER)),
            "logistics_fee": format_amount(fee),
        },
    )


def read_forex(call: ApiCall) -> Order:
    """Parse the order of a payment that is settled in a foreign currency.

    Its price is in that money (``total_fee``) or in yuan (``rmb_fee``), never both.

    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: for a currency or a timeout_rule that does not exist.
    """
    call.require("notify_url", "currency")
    currency, rmb_fen = call.get("currency"), None
    try:
        exchange_rates.check_currency(currency)
    except InvalidParameter as error:
        raise ApiError("ILLEGAL_CURRENCY", str(error)) from None
    if bool(call.get("total_fee")) == bool(call.get("rmb_fee")):
        raise InvalidAmount("total_fee", "or rmb_fee is required, and not both")
    if call.get("product_code"):
        check_choice("product_code", call.get("product_code"), (_PRODUCT_CODES[call.service],))
    if call.get("merchant_url"):
        checked_url("merchant_url", call.get("merchant_url"), max_length=400)
    if call.get("rmb_fee"):
        rmb_fen = to_minor_units(call.get("rmb_fee"), parameter="rmb_fee")
        units = exchange_rates.from_rmb(rmb_fen, currency)
    else:
        units = exchange_rates.read_units(call.get("total_fee"), currency, "total_fee")
    try:
        expires_at = expiry(call.params, "timeout_rule", call.now)
    except InvalidParameter as error:
        raise ApiError("ILLEGAL_TIMEOUT_RULE", str(error)) from None
    return _order(
        call,
        total_fen=units,
        currency=currency,
        rmb_fen=rmb_fen,
        expires_at=expires_at,
        ways=(TradeEvent.SETTLE,),
    )


def expiry(params: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    """Return the end of the time to pay, ``None`` if there is no limit.

    :param name: the parameter with the limit.
    :raises InvalidParameter: if it is none.
    """
    if not params.get(name):
        return None
    minutes = timeout_minutes(name, params[name])
    return end_of_china_day(now) if minutes is None else now + timedelta(minutes=minutes)


def _order(
    call: ApiCall,
    *,
    total_fen: int,
    currency: str = "CNY",
    rmb_fen: int | None = None,
    expires_at: datetime | None = None,
    bank: str = "",
    funds: tuple[str, ...] = KINDS,
    ways: tuple[str, ...] = (TradeEvent.PAY,),
    echo: Mapping[str, str] | None = None,
) -> Order:
    """Return the validated fields that all services share."""
    check_out_trade_no(call.get("out_trade_no"))
    check_text("subject", call.get("subject"), max_length=256, charset=call.charset)
    for name, max_length in (("body", 1000), ("extra_common_param", 100)):
        if call.get(name):
            check_text(name, call.get(name), max_length=max_length)
    check_pattern("extra_common_param", call.get("extra_common_param"), "[^=&]*", "without = and &")
    checked_url("show_url", call.get("show_url"), max_length=400)
    return Order(
        protocol="mapi",
        method=call.service,
        out_trade_no=call.get("out_trade_no"),
        subject=call.get("subject"),
        total_fen=total_fen,
        charset=call.charset,
        sign_type=call.sign_type,
        body=call.get("body"),
        notify_url=checked_notify_url(call.get("notify_url")),
        return_url=checked_url("return_url", call.get("return_url"), max_length=200, query=False),
        expires_at=expires_at,
        bank=bank,
        funds=funds,
        currency=currency,
        rmb_fen=rmb_fen,
        payment_events=ways,
        echo=echo or {},
    )


def _check_payment_type(call: ApiCall) -> None:
    if call.get("payment_type") != "1":
        raise ApiError("ILLEGAL_PAYMENT_TYPE")


def _total_fen(params: Mapping[str, str]) -> int:
    """Return the amount: either ``total_fee``, or ``price`` times ``quantity``."""
    total, price, quantity = (params.get(name) for name in ("total_fee", "price", "quantity"))
    if total:
        if price or quantity:
            raise InvalidAmount("total_fee", "and price x quantity exclude each other")
        return to_minor_units(total, parameter="total_fee")
    if not price or not quantity:
        raise InvalidAmount("total_fee", "or price and quantity are required")
    try:
        many = parse_int("quantity", quantity, 1, 9_999_999)
    except InvalidParameter as error:
        raise InvalidAmount("quantity", str(error).removeprefix("quantity ")) from None
    return _within_limits(to_minor_units(price, parameter="price") * many)


def _within_limits(fen: int) -> int:
    """Check a sum against the limits of an amount by formatting and parsing it."""
    return to_minor_units(format_amount(fen), parameter="price")


def _discount(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"-?[0-9]{1,8}(\.[0-9]{1,2})?", text, re.ASCII):
        raise InvalidAmount("discount", "must be an amount, negative if it is to reduce the price")
    fen = parse_minor_units(text.removeprefix("-"), parameter="discount")
    return -fen if text.startswith("-") else fen


def _bank(call: ApiCall) -> str:
    """Return the bank that the buyer chose in the shop, if any."""
    if call.get("paymethod"):
        check_choice("paymethod", call.get("paymethod"), _PAY_METHODS)
    if call.get("paymethod") != "bankPay":
        return ""
    bank = call.get("defaultbank")
    check_pattern("defaultbank", bank, BANK_CODE, "the code of a bank, like ICBCB2C")
    return bank


def _echo(call: ApiCall, *names: str) -> dict[str, str]:
    return {name: call.get(name) for name in names if call.get(name)}
