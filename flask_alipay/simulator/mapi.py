"""The legacy gateway, MAPI: parameters in, answer out.

Two services: ``create_direct_pay_by_user``, brought by the buyer's browser, and ``notify_verify``,
asked by the merchant's server without a signature. A paid trade becomes ``TRADE_SUCCESS``, as a
merchant with the advanced contract for direct payment sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..china_time import to_china
from ..exceptions import InvalidAmount, InvalidParameter
from ..money import to_yuan
from ..signer import Signer, sign_content
from . import codes
from .answers import Answer, ErrorPage, Notice, PlainText, Refusal, ToCashier
from .mapi_order import read_order
from .merchant import Merchant
from .notify_ids import NotifyIds
from .trades import Order, Trade, TradeStore
from .urls import usable_url
from .wire import RawForm, Unreadable, encode

DIRECT_PAY: Final = "create_direct_pay_by_user"
NOTIFY_VERIFY: Final = "notify_verify"


@dataclass(frozen=True)
class _Call:
    """A request that was read and, but for ``notify_verify``, is known to be the merchant's."""

    service: str
    params: Mapping[str, str]
    charset: str
    now: datetime


class Mapi:
    """Alipay's legacy gateway.

    :param merchant: the only one it knows.
    :param trades: where orders become trades.
    :param notify_ids: gives notifications their numbers and knows them again.
    """

    def __init__(self, merchant: Merchant, trades: TradeStore, notify_ids: NotifyIds) -> None:
        self._merchant = merchant
        self._trades = trades
        self._notify_ids = notify_ids
        self._signers = merchant.alipay_signers()
        self._services: Mapping[str, Callable[[_Call], Answer]] = {
            DIRECT_PAY: self._direct_pay,
        }

    def answer(self, form: RawForm, now: datetime) -> Answer:
        """Answers a request to the gateway; never raises for what is in it."""
        service = form.word("service") or ""
        if service == NOTIFY_VERIFY:
            return self._notify_verify(form, now)
        shop_url = ""
        try:
            call = self._received(service, form, now)
            shop_url = usable_url(call.params.get("return_url", ""))
            return self._services[service](call)
        except Refusal as refusal:
            return ErrorPage(refusal.code, codes.MAPI[refusal.code], refusal.detail, shop_url)

    def notice(self, trade: Trade) -> Notice | None:
        """Returns what the merchant is to be told of the trade, ``None`` without a notify_url."""
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
        notify_id = self._notify_ids.new()
        self._notify_ids.sent(notify_id, now)  # a return can be checked like a notification
        fields = {
            "is_success": "T",
            "exterface": order.method,
            "total_fee": to_yuan(order.total_fen),
            **self._common(trade, notify_id, now),
        }
        return self._signed(fields, order)

    # From the wire to a call that is known to be the merchant's.

    def _received(self, service: str, form: RawForm, now: datetime) -> _Call:
        if service not in self._services:
            raise Refusal("ILLEGAL_SERVICE")
        charset = form.word("_input_charset")
        if not charset:
            raise Refusal("ILLEGAL_CHARSET", "_input_charset is required")
        params = _read(form, charset)
        self._authenticate(params, charset)
        return _Call(service, params, charset, now)

    def _authenticate(self, params: Mapping[str, str], charset: str) -> None:
        if params.get("partner") != self._merchant.partner:
            raise Refusal("ILLEGAL_PARTNER")
        signer = self._signers.get(params.get("sign_type", ""))
        if signer is None:
            raise Refusal("ILLEGAL_SIGN_TYPE", "sign_type must be MD5, RSA or RSA2")
        if not params.get("sign"):
            raise Refusal("ILLEGAL_SIGN", "sign is missing")
        if not _verifies(params, signer, charset):
            raise Refusal(
                "ILLEGAL_SIGN",
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )

    # The services.

    def _direct_pay(self, call: _Call) -> Answer:
        try:
            self._check_seller(call.params)
            order = read_order(call.service, call.params, call.charset, call.now)
        except InvalidAmount as error:
            raise Refusal("ILLEGAL_FEE_PARAM", str(error)) from None
        except InvalidParameter as error:
            raise Refusal("ILLEGAL_ARGUMENT", str(error)) from None
        trade = self._trades.place(order, call.now)
        if not trade.order.agrees_with(order):
            raise Refusal("TRADE_DATA_MATCH_ERROR")
        if trade.paid:
            raise Refusal("TRADE_HAS_SUCCESS")
        if not trade.waiting:
            raise Refusal("TRADE_HAS_CLOSE")
        return ToCashier(trade)

    def _check_seller(self, params: Mapping[str, str]) -> None:
        """The seller is named by number, by address or by account name; the first one counts."""
        for name, own in (
            ("seller_id", self._merchant.partner),
            ("seller_email", self._merchant.seller_email),
            ("seller_account_name", self._merchant.seller_email),
        ):
            if params.get(name):
                if params[name] != own:
                    raise Refusal("SELLER_NOT_EXIST", f"{name} is not this merchant's")
                return
        raise InvalidParameter("seller_id", "or seller_email is required")

    def _notify_verify(self, form: RawForm, now: datetime) -> Answer:
        notify_id = form.word("notify_id")
        if form.word("partner") != self._merchant.partner or not notify_id:
            return PlainText("invalid")
        return PlainText("true" if self._notify_ids.fresh(notify_id, now) else "false")

    # What Alipay says.

    def _notification(self, trade: Trade, notify_id: str, now: datetime) -> dict[str, str]:
        yuan = to_yuan(trade.order.total_fen)
        fields = {
            **self._common(trade, notify_id, now),
            "total_fee": yuan,
            "price": trade.order.echo.get("price", yuan),
            "quantity": trade.order.echo.get("quantity", "1"),
            "discount": "0.00",
            "is_total_fee_adjust": "N",
            "use_coupon": "N",
            "gmt_create": to_china(trade.created_at),
        }
        if trade.paid_at is not None:
            fields["gmt_payment"] = to_china(trade.paid_at)
        if trade.closed_at is not None:
            fields["gmt_close"] = to_china(trade.closed_at)
        return fields

    def _common(self, trade: Trade, notify_id: str, now: datetime) -> dict[str, str]:
        """The fields that a notification and a return share."""
        order = trade.order
        return {
            "notify_id": notify_id,
            "notify_time": to_china(now),
            "notify_type": "trade_status_sync",
            "out_trade_no": order.out_trade_no,
            "trade_no": trade.trade_no,
            "trade_status": trade.status,
            "payment_type": "1",
            "subject": order.subject,
            "body": order.body,
            "extra_common_param": order.echo.get("extra_common_param", ""),
            "seller_id": self._merchant.partner,
            "seller_email": self._merchant.seller_email,
            "buyer_id": self._merchant.buyer_id,
            "buyer_email": self._merchant.buyer_email,
        }

    def _signed(self, fields: dict[str, str], order: Order) -> str:
        """Encoded in the request's charset, of which the payload says nothing."""
        told = {name: value for name, value in fields.items() if value}
        content = sign_content(told, charset=order.charset)
        told["sign_type"] = order.sign_type
        told["sign"] = self._signers[order.sign_type].sign(content)
        return encode(told, order.charset)


def _read(form: RawForm, charset: str) -> dict[str, str]:
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise Refusal("ILLEGAL_CHARSET", str(error)) from None
    except Unreadable as error:
        raise Refusal("ILLEGAL_ENCODING", f"the request {error}") from None


def _verifies(params: Mapping[str, str], signer: Signer, charset: str) -> bool:
    try:
        return signer.verify(sign_content(params, charset=charset), params["sign"])
    except InvalidParameter:  # a codec may read what it cannot write
        return False
