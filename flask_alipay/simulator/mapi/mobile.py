"""Payments in apps: an order string as processed by Alipay's SDK on a phone.

An app passes the merchant's order string to the SDK and gets a text back. Here both are transferred
over HTTP, so that no phone is needed. The string is verified byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from ...exceptions import InvalidAmount, InvalidParameter
from ..faults import SYSTEM_ERROR, SYSTEM_ERROR_DONE
from ..replies import ApiError, CallResult, PlainText
from ..trades.orders import Order, TradeEvent
from . import orders
from .call import ApiCall, Context
from .payments import placed

SERVICE: Final = "mobile.securitypay.pay"

#: Results of the library: paid, cannot be paid, cancelled, unknown.
PAID, FAILED, CANCELLED, UNSURE = "9000", "4000", "6001", "8000"

_SIGNED = re.compile(rb'(?P<text>.+)&sign="(?P<sign>[^"]*)"&sign_type="(?P<type>[^"]*)"', re.DOTALL)
_PAIR = re.compile(r'(\w+)="([^"]*)"', re.ASCII)


class MobileService:
    """``mobile.securitypay.pay``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def reply(self, order_string: bytes, cancel: bool, now: datetime) -> CallResult:
        """Pay or cancel the order of an order string; never raise for its content.

        :returns: ``resultStatus={9000};memo={};result={…}``, as the library does.
        """
        try:
            text, call = self._read(order_string, now)
            order = self._order(call)
            if self._context.failing(SYSTEM_ERROR, call):
                return CallResult(_result(UNSURE, "SYSTEM_ERROR"))
            placed(self._context.trades, order, now)
        except InvalidAmount as error:
            return _failed(ApiError("ILLEGAL_FEE_PARAM", str(error)))
        except InvalidParameter as error:
            return _failed(ApiError("ILLEGAL_ARGUMENT", str(error)))
        except ApiError as refusal:
            return _failed(refusal)
        if cancel:
            return CallResult(_result(CANCELLED, "cancelled by the buyer"))
        reply = self._paid(text, order.out_trade_no, now)
        if reply.trades and self._context.failing(SYSTEM_ERROR_DONE, call):
            return replace(reply, reply=_result(UNSURE, "SYSTEM_ERROR"))
        return reply

    def _paid(self, text: str, out_trade_no: str, now: datetime) -> CallResult:
        step = self._context.trades.apply(out_trade_no, TradeEvent.PAY, now)
        if step is None or step.event != TradeEvent.PAY:
            changed = () if step is None or step.event is None else (step.trade,)
            return CallResult(_failed(ApiError("TRADE_HAS_CLOSE")).reply, trades=changed)
        done = f'{text}&success="true"'
        sign = self._context.signer.sign_text(done.encode("utf-8"), "RSA")
        answer = _result(PAID, "", f'{done}&sign_type="RSA"&sign="{sign}"')
        return CallResult(answer, trades=(step.trade,))

    def _read(self, order_string: bytes, now: datetime) -> tuple[str, ApiCall]:
        signed = _SIGNED.fullmatch(order_string)
        if signed is None:
            raise ApiError("ILLEGAL_SIGN", "the string must end in sign and sign_type, quoted")
        if signed["type"] != b"RSA":
            raise ApiError("ILLEGAL_SIGN_TYPE", "sign_type must be RSA")
        try:
            text = signed["text"].decode("utf-8")
        except UnicodeDecodeError:
            raise ApiError("ILLEGAL_ENCODING", "the string is not UTF-8") from None
        params = _pairs(text)
        if params.get("service") != SERVICE:
            raise ApiError("ILLEGAL_SERVICE")
        if params.get("_input_charset", "").lower() not in ("utf-8", "utf8"):
            raise ApiError("ILLEGAL_CHARSET", "_input_charset must be utf-8")
        if params.get("partner") != self._context.merchant.partner:
            raise ApiError("ILLEGAL_PARTNER")
        sign = unquote(signed["sign"].decode("latin-1"))
        if not self._context.signer.verifies_text(signed["text"], sign, "RSA"):
            raise ApiError("ILLEGAL_SIGN", "signed with another key, or altered on the way")
        return text, ApiCall(SERVICE, params, "utf-8", "RSA", now)

    def _order(self, call: ApiCall) -> Order:
        merchant = self._context.merchant
        call.require("notify_url", "seller_id", "total_fee", "body")
        if call.get("seller_id") not in (merchant.partner, merchant.seller_email):
            raise ApiError("SELLER_NOT_EXIST", "seller_id is not this merchant's")
        order = orders.read_direct(call)
        if not order.choose_fund():
            raise ApiError("ILLEGAL_ARGUMENT", "enable_paymethod leaves nothing to pay with")
        return order


def _pairs(text: str) -> dict[str, str]:
    """Return the values by name; URLs may be percent-encoded, as by most apps."""
    pairs = []
    for part in re.split(r'(?<=")&(?=\w+=")', text):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            raise ApiError("ILLEGAL_ARGUMENT", 'the string must be name="value" joined by &')
        pairs.append((pair[1], unquote(pair[2]) if pair[1].endswith("_url") else pair[2]))
    if len(dict(pairs)) != len(pairs) or "\0" in text:
        raise ApiError("ILLEGAL_ARGUMENT", "a name stands there twice, or a NUL character")
    return dict(pairs)


def _failed(refusal: ApiError) -> CallResult:
    return CallResult(_result(FAILED, str(refusal)))


def _result(status: str, memo: str, result: str = "") -> PlainText:
    return PlainText(f"resultStatus={{{status}}};memo={{{memo}}};result={{{result}}}")
