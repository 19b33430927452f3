"""At the till: the buyer shows a code, the shop reads it, and waits until the money is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.china_time import parse_china_time
from ...protocol.money import to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import pattern, text
from . import biz_content, responses
from .client import MethodSpec
from .payments import REQUIRED, check_channels
from .responses import check_echo, required_text, text_field
from .trades import MADE, TradeCancelResponse, TradeQueryResponse, Trades

#: The buyer has to confirm on the phone first.
_CONFIRMING = "10003"
_PAID = (TradeStatus.TRADE_SUCCESS, TradeStatus.TRADE_FINISHED)
# Minor units and the currency.
_Price: TypeAlias = tuple[int, str]
_REFUSED = "40004"
_HAS_SUCCESS = "ACQ.TRADE_HAS_SUCCESS"

_BAR_CODE = pattern(
    r"(?:2[5-9]|30)[0-9]{14,22}", "the buyer's code, 16 to 24 digits that begin with 25 to 30"
)

PAY = MethodSpec(
    "alipay.trade.pay",
    {**MADE, "scene": text(32), "auth_code": text(64), "buyer_id": biz_content.account},
    required=(*REQUIRED, "scene", "auth_code"),
    success_codes=("10000", _CONFIRMING),
)


@dataclass(frozen=True)
class TradePayResponse:
    """What Alipay says at once. Amounts are in fen, times are aware UTC."""

    #: Whether it is paid; if not, the buyer has to confirm first, and may or may not.
    paid: bool
    #: The shop's number of the order.
    out_trade_no: str
    #: Alipay's number of the trade.
    trade_no: str | None
    #: What it costs.
    total_fen: int | None
    #: What it is priced in (``trans_currency``), ISO 4217.
    currency: str
    #: What the shop gets of it, and what the buyer pays.
    receipt_fen: int | None
    buyer_pay_fen: int | None
    #: When it was paid.
    paid_at: datetime | None
    #: Who pays: ``buyer_user_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(repr=False)
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class BarcodePaymentResult:
    """How a payment at the till ended. Amounts are in fen, times are aware UTC."""

    #: Whether the shop has the money. If not, it will not get it: the trade is closed.
    paid: bool
    #: The shop's number of the order.
    out_trade_no: str
    #: Alipay's number of the trade; ``None`` where none came of it.
    trade_no: str | None
    #: What was paid.
    total_fen: int | None
    #: What it is priced in (``trans_currency``), ISO 4217.
    currency: str
    #: When it was paid.
    paid_at: datetime | None
    #: Who paid.
    buyer_id: str | None = field(repr=False)
    #: How it was taken back at the end of our patience: ``close``, or ``refund`` if the buyer had
    #: paid in between. ``None`` if it was not, or if there was nothing to take back.
    action: str | None
    #: The whole last node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class PollingPolicy:
    """How long to wait at the till."""

    #: Seconds that the buyer has to confirm.
    seconds: float = 30.0
    #: Seconds between two questions.
    interval: float = 3.0
    #: Seconds to try to take the trade back after that.
    cancel_seconds: float = 30.0
    #: The clock, in seconds.
    monotonic: Callable[[], float] = time.monotonic
    #: Lets time pass.
    sleep: Callable[[float], object] = time.sleep

    def attempts(self, seconds: float) -> Iterator[None]:
        """Takes turns, an interval apart, until the seconds are over; there is always one."""
        deadline = self.monotonic() + seconds
        while True:
            yield
            if self.monotonic() + self.interval > deadline:
                return
            self.sleep(self.interval)


class BarcodePayments(Trades):
    """Payments by a code that the buyer shows; further ``fields`` are those of :class:`Trades`."""

    def trade_pay(
        self,
        *,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        auth_code: str,
        scene: str = "bar_code",
        **fields: Any,
    ) -> TradePayResponse:
        """Takes a payment by the code on a buyer's phone (``alipay.trade.pay``), once: see
        :meth:`pay_barcode_and_wait`, which waits for the buyer.

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: what is sold, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param auth_code: the code, as it was read; good for one payment.
        :param scene: ``bar_code``, or ``security_code`` for a face.
        :param fields: see :ref:`trade_pay <parameters-trade_pay>`.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: it is not paid, and with this number it
            should not be tried again. ``ACQ.TRADE_HAS_SUCCESS`` is the exception: it was already.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed: it may be paid.
        """
        if scene == "bar_code":
            _BAR_CODE("auth_code", auth_code, self.charset)
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        code = {"auth_code": auth_code, "scene": scene}
        values = {"product_code": "FACE_TO_FACE_PAYMENT", **fields, **own, **code}
        check_channels({name: value for name, value in values.items() if value is not None})
        node = self._do(PAY, values)
        check_echo(node, "out_trade_no", out_trade_no)
        paid = text_field(node, "code") != _CONFIRMING
        if paid and text_field(node, "trade_status") not in ("", *_PAID):
            raise OutcomeUnknown("the gateway answered another question")  # a query, closed or not
        currency = responses.currency_of(node)
        return TradePayResponse(
            paid=paid,
            out_trade_no=out_trade_no,
            trade_no=required_text(node, "trade_no")
            if paid
            else text_field(node, "trade_no") or None,
            total_fen=responses.amount(node, "total_amount", currency),
            currency=currency,
            receipt_fen=responses.amount(node, "receipt_amount"),
            buyer_pay_fen=responses.amount(node, "buyer_pay_amount"),
            paid_at=parse_china_time(text_field(node, "gmt_payment")),
            buyer_id=text_field(node, "buyer_user_id") or text_field(node, "buyer_open_id") or None,
            params=node,
        )

    def pay_barcode_and_wait(
        self,
        *,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        auth_code: str,
        polling: PollingPolicy | None = None,
        **fields: Any,
    ) -> BarcodePaymentResult:
        """Takes a payment by the code on a buyer's phone, and waits for its end.

        Where the buyer has to confirm, or no answer comes, Alipay is asked again and again what has
        become of it. When our patience is over the trade is taken back, as often as it takes. So
        it ends paid or closed, or nobody knows, and this says which. It may take a minute.

        :param patience: how long to wait; half a minute for the buyer by default.
        :param fields: takes otherwise what :meth:`trade_pay` takes.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: it is not paid. Take another code, and a
            **new** ``out_trade_no``.
        :raises OutcomeUnknown: if nothing could be learned and the trade could not be taken back:
            it may be paid. Ask :meth:`~Trades.trade_query` or :meth:`~Trades.trade_cancel` later,
            and do not let the buyer pay again before.
        """
        polling = PollingPolicy() if polling is None else polling
        currency = str(fields.get("trans_currency") or "CNY")
        price = (to_minor_units(total_amount, currency), currency)
        own: dict[str, Any] = {"subject": subject, "total_amount": total_amount}
        mine = True
        try:
            said = self.trade_pay(out_trade_no=out_trade_no, auth_code=auth_code, **own, **fields)
            if said.paid:
                return _paid(said, price)
        except OutcomeUnknown:
            pass  # it may be paid all the same: asked below
        except GatewayError as error:
            # It was paid before: to take that back would be a refund.
            mine = error.sub_code != _HAS_SUCCESS
            # Alipay signs what a method refuses, and seldom what the gateway does.
            if mine and (error.signed or error.code != _REFUSED):
                raise
        about = {"out_trade_no": out_trade_no, "app_auth_token": fields.get("app_auth_token")}
        ended = self._waited(about, price, polling)
        if ended is None and mine:
            ended = self._taken_back(about, price, polling)
        if ended is None:
            raise OutcomeUnknown("nobody knows whether the buyer has paid", retryable=True)
        return ended

    def _waited(
        self, about: Mapping[str, Any], price: _Price, polling: PollingPolicy
    ) -> BarcodePaymentResult | None:
        """Asks until the trade has ended; ``None`` if it does not, or nobody says so."""
        for _ in polling.attempts(polling.seconds):
            ended = self._ended(about, price)
            if ended is not None:
                return ended
        return None

    def _ended(self, about: Mapping[str, Any], price: _Price) -> BarcodePaymentResult | None:
        """Asks once. No trade is no end: it may be on its way. No answer is none either."""
        try:
            trade = self.trade_query(**about)
        except GatewayError:
            return None
        if trade.trade_status in _PAID:
            return _paid(trade, price)
        return _closed(trade) if trade.trade_status == TradeStatus.TRADE_CLOSED else None

    def _taken_back(
        self, about: Mapping[str, Any], price: _Price, polling: PollingPolicy
    ) -> BarcodePaymentResult | None:
        """Cancels the trade, as often as it takes; ``None`` if it cannot be done."""
        for _ in polling.attempts(polling.cancel_seconds):
            try:
                said = self.trade_cancel(**about)
            except OutcomeUnknown:
                continue
            except GatewayError:
                return self._ended(about, price)  # refused: because it has ended?
            if not said.retry:
                return _closed(said)
        return self._ended(about, price)


def _paid(said: TradePayResponse | TradeQueryResponse, price: _Price) -> BarcodePaymentResult:
    """A payment, of just the amount that was asked for.

    :raises OutcomeUnknown: if it is one of another amount or in another currency.
    """
    if (said.total_fen, said.currency) != price:
        raise OutcomeUnknown("the gateway answered about another total_amount")
    return BarcodePaymentResult(
        paid=True,
        out_trade_no=said.out_trade_no,
        trade_no=said.trade_no,
        total_fen=said.total_fen,
        currency=said.currency,
        paid_at=said.paid_at,
        buyer_id=said.buyer_id,
        action=None,
        params=said.params,
    )


def _closed(said: TradeCancelResponse | TradeQueryResponse) -> BarcodePaymentResult:
    return BarcodePaymentResult(
        paid=False,
        out_trade_no=said.out_trade_no or "",
        trade_no=said.trade_no,
        total_fen=None,
        currency="CNY",
        paid_at=None,
        buyer_id=None,
        action=said.action if isinstance(said, TradeCancelResponse) else None,
        params=said.params,
    )
