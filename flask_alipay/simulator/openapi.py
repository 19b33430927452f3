"""The open platform: parameters in, answer out.

A request goes through the gateway in Alipay's order: which method, whose app, whose signature, then
the rest of the common parameters, then the method's own. Each step refuses with its ``sub_code``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..china_time import to_china
from ..exceptions import InvalidParameter
from ..money import to_yuan
from ..signer import Signer, sign_content
from . import codes
from .answers import Answer, ErrorPage, JsonText, Notice, Refusal, Reply, ToCashier
from .clock import read_china_text
from .merchant import Merchant
from .notify_ids import NotifyIds
from .openapi_order import PRODUCTS, read_order
from .trades import Order, Trade, TradeStore
from .urls import usable_url
from .wire import RawForm, Unreadable, encode

# How far a timestamp may be off. Alipay means China time; but some of its SDKs send the time of
# their host, wherever that is, and are served, so a day either way must do.
_SKEW: Final = timedelta(hours=24)


@dataclass(frozen=True)
class _Call:
    """A request that was read and is known to be the merchant's."""

    method: str
    params: Mapping[str, str]
    charset: str
    now: datetime


class OpenApi:
    """Alipay's open platform, version 2.

    :param merchant: the only one it knows.
    :param trades: where orders become trades.
    :param notify_ids: gives notifications their numbers.
    """

    def __init__(self, merchant: Merchant, trades: TradeStore, notify_ids: NotifyIds) -> None:
        self._merchant = merchant
        self._trades = trades
        self._notify_ids = notify_ids
        signers = merchant.alipay_signers()
        self._signers: Mapping[str, Signer] = {name: signers[name] for name in ("RSA2", "RSA")}
        self._methods: Mapping[str, Callable[[_Call], Answer]] = dict.fromkeys(PRODUCTS, self._pay)

    def answer(self, form: RawForm, now: datetime) -> Reply:
        """Answers a request to the gateway; never raises for what is in it."""
        return Reply(self._answer(form, now))

    def _answer(self, form: RawForm, now: datetime) -> Answer:
        method = form.word("method") or ""
        shop_url = ""
        try:
            call = self._received(method, form, now)
            shop_url = usable_url(call.params.get("return_url", ""))
            return self._methods[method](call)
        except Refusal as refusal:
            return _refused(method, refusal, shop_url)

    def notice(self, trade: Trade) -> Notice | None:
        """Returns what the merchant is to be told of the trade; ``None`` without a notify_url."""
        if not trade.order.notify_url:
            return None
        notify_id = self._notify_ids.new()

        def compose(now: datetime) -> bytes:
            fields = self._notification(trade, notify_id, now)
            return self._signed(fields, trade.order).encode("ascii")

        return Notice(trade.order.notify_url, trade.order.out_trade_no, notify_id, compose)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Returns the signed query with which the buyer of a paid trade returns to the shop."""
        order = trade.order
        fields = {
            "charset": order.charset,
            "out_trade_no": order.out_trade_no,
            "method": f"{order.method}.return",
            "total_amount": to_yuan(order.total_fen),
            "trade_no": trade.trade_no,
            "auth_app_id": self._merchant.app_id,
            "version": "1.0",
            "app_id": self._merchant.app_id,
            "seller_id": self._merchant.partner,
            "timestamp": to_china(now),
        }
        return self._signed(fields, order)

    # From the wire to a call that is known to be the merchant's.

    def _received(self, method: str, form: RawForm, now: datetime) -> _Call:
        if not method:
            raise Refusal("isv.missing-method")
        if method not in self._methods:
            raise Refusal("isv.invalid-method")
        charset = form.word("charset") or "utf-8"
        params = _read(form, charset)
        self._authenticate(params, charset)
        _check_common(params, now)
        return _Call(method, params, charset, now)

    def _authenticate(self, params: Mapping[str, str], charset: str) -> None:
        if not params.get("app_id"):
            raise Refusal("isv.missing-app-id")
        if params["app_id"] != self._merchant.app_id:
            raise Refusal("isv.invalid-app-id")
        if not params.get("sign_type"):
            raise Refusal("isv.missing-signature-type")
        signer = self._signers.get(params["sign_type"])
        if signer is None:
            raise Refusal("isv.invalid-signature-type", "sign_type must be RSA2 or RSA")
        if not params.get("sign"):
            raise Refusal("isv.missing-signature")
        if not _verifies(params, signer, charset):
            raise Refusal(
                "isv.invalid-signature",
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )

    # The methods.

    def _pay(self, call: _Call) -> Answer:
        try:
            order = read_order(call.method, call.params, call.charset, call.now)
        except InvalidParameter as error:
            raise Refusal("ACQ.INVALID_PARAMETER", str(error)) from None
        trade = self._trades.place(order, call.now)
        if not trade.order.agrees_with(order):
            raise Refusal("ACQ.CONTEXT_INCONSISTENT")
        if trade.paid:
            raise Refusal("ACQ.TRADE_HAS_SUCCESS")
        if not trade.waiting:
            raise Refusal("ACQ.TRADE_HAS_CLOSE")
        return ToCashier(trade)

    # What Alipay says.

    def _notification(self, trade: Trade, notify_id: str, now: datetime) -> dict[str, str]:
        order = trade.order
        fields = {
            "notify_time": to_china(now),
            "notify_type": "trade_status_sync",
            "notify_id": notify_id,
            "charset": order.charset,
            "version": "1.0",
            "app_id": self._merchant.app_id,
            "auth_app_id": self._merchant.app_id,
            "trade_no": trade.trade_no,
            "out_trade_no": order.out_trade_no,
            "trade_status": trade.status,
            "total_amount": to_yuan(order.total_fen),
            "subject": order.subject,
            "body": order.body,
            "buyer_id": self._merchant.buyer_id,
            "seller_id": self._merchant.partner,
            "gmt_create": to_china(trade.created_at),
            **order.echo,
        }
        if trade.paid_at is not None:
            fields |= _paid(to_yuan(order.total_fen), trade.paid_at)
        if trade.closed_at is not None:
            fields["gmt_close"] = to_china(trade.closed_at)
        return fields

    def _signed(self, fields: dict[str, str], order: Order) -> str:
        told = {name: value for name, value in fields.items() if value}
        told["sign_type"] = order.sign_type
        content = sign_content(told, charset=order.charset)
        told["sign"] = self._signers[order.sign_type].sign(content)
        return encode(told, order.charset)


def _read(form: RawForm, charset: str) -> dict[str, str]:
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise Refusal("isv.invalid-charset", str(error)) from None
    except Unreadable as error:
        raise Refusal("isv.invalid-charset", f"the request {error}") from None


def _verifies(params: Mapping[str, str], signer: Signer, charset: str) -> bool:
    try:
        # A request's sign_type is signed, a notification's is not.
        content = sign_content(params, exclude=("sign",), charset=charset)
    except InvalidParameter:  # a codec may read what it cannot write
        return False
    return signer.verify(content, params["sign"])


def _check_common(params: Mapping[str, str], now: datetime) -> None:
    if not params.get("timestamp"):
        raise Refusal("isv.missing-timestamp")
    timestamp = read_china_text(params["timestamp"])
    if timestamp is None:
        raise Refusal("isv.invalid-timestamp", "timestamp must be like 2026-01-31 08:00:00")
    if abs(now - timestamp) > _SKEW:
        raise Refusal("isv.invalid-timestamp", "timestamp is more than a day off; use China time")
    if not params.get("version"):
        raise Refusal("isv.missing-version")
    if params["version"] != "1.0":
        raise Refusal("isv.invalid-parameter", "version must be 1.0")
    if params.get("format", "JSON").upper() != "JSON":
        raise Refusal("isv.invalid-format")
    if params.get("encrypt_type"):
        raise Refusal("isv.invalid-encrypt-type", "a payment page's biz_content is not encrypted")


def _paid(yuan: str, paid_at: datetime) -> dict[str, str]:
    """The fields that a notification has once the money came; the buyer paid all of it himself."""
    bill = [{"amount": yuan, "fundChannel": "ALIPAYACCOUNT"}]
    return {
        "gmt_payment": to_china(paid_at),
        "receipt_amount": yuan,
        "invoice_amount": yuan,
        "buyer_pay_amount": yuan,
        "point_amount": "0.00",
        "fund_bill_list": json.dumps(bill, separators=(",", ":")),
    }


def _refused(method: str, refusal: Refusal, shop_url: str) -> Answer:
    """A page where a browser brought the request, Alipay's ``error_response`` otherwise."""
    meaning = codes.OPENAPI[refusal.code]
    if method in PRODUCTS:
        return ErrorPage(refusal.code, meaning, refusal.detail, shop_url)
    code = codes.class_of(refusal.code)
    error = {
        "code": code,
        "msg": codes.CLASSES[code],
        "sub_code": refusal.code,
        "sub_msg": meaning[1],
    }
    return JsonText(json.dumps({"error_response": error}, ensure_ascii=False))
