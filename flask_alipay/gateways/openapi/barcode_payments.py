"""Payments that the merchant's server makes (``alipay.trade.pay``).

In a barcode payment (当面付) the merchant scans the buyer's code and polls for the outcome. Without
a code, a payment captures a pre-authorised amount, or deducts an amount under an agreement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from ...exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from ...protocol.conversion import parse_china_time, to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import choice, pattern, text
from . import biz_content, responses
from .client import MethodSpec
from .payments import REQUIRED, check_channels
from .responses import check_echo, required_text, text_field
from .trades import BUYER, CREATION_FIELDS, TradeCancelResponse, TradeQueryResponse, Trades

#: Code of a payment that the buyer must confirm on the phone first.
_CONFIRMING = "10003"
_PAID = (TradeStatus.TRADE_SUCCESS, TradeStatus.TRADE_FINISHED)
# Minor units and the currency.
_Price: TypeAlias = tuple[int, str]
_BUSINESS_FAILED = "40004"
_HAS_SUCCESS = "ACQ.TRADE_HAS_SUCCESS"

_BAR_CODE = pattern(
    r"(?:2[5-9]|30)[0-9]{14,22}", "the buyer's code, 16 to 24 digits that begin with 25 to 30"
)

# What the buyer has granted: exactly one of them.
_GRANTS = ("auth_code", "auth_no", "agreement_params")

PAY = MethodSpec(
    "alipay.trade.pay",
    {
        **CREATION_FIELDS,
        **BUYER,
        "scene": text(32),
        "auth_code": text(64),
        "auth_no": text(64),
        "auth_confirm_mode": choice("COMPLETE", "NOT_COMPLETE"),
        "agreement_params": biz_content.object_field(
            {
                "agreement_no": text(64),
                "auth_confirm_no": text(64),
                "apply_token": text(64),
                "deduct_permission": text(64),
            },
            required=("agreement_no",),
        ),
    },
    required=REQUIRED,
    one_of=_GRANTS,
    success_codes=("10000", _CONFIRMING),
)
# Modes in which a success may only mean that Alipay has accepted the payment for later.
_PAID_AT_ONCE = ("", "SYNC_DIRECT_PAY")


@dataclass(frozen=True)
class TradePayResponse:
    """Immediate response to ``alipay.trade.pay``. Amounts are in fen, times are aware UTC."""

    #: True if paid; otherwise the buyer must confirm first, or Alipay collects the amount later.
    #: Either may fail: query the trade, or wait for the notification.
    paid: bool
    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number.
    trade_no: str | None
    #: The order's amount.
    total_fen: int | None
    #: ISO 4217 code of the order's currency (``trans_currency``).
    currency: str
    #: The amount that the merchant receives, and the amount that the buyer pays.
    receipt_fen: int | None
    buyer_pay_fen: int | None
    #: Time of the payment.
    paid_at: datetime | None
    #: The buyer: ``buyer_user_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(repr=False)
    buyer_open_id: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class BarcodePaymentResult:
    """Final state of a barcode payment. Amounts are in fen, times are aware UTC."""

    #: True if the payment succeeded; otherwise the trade is closed and cannot be paid later.
    paid: bool
    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number; ``None`` if no trade was created.
    trade_no: str | None
    #: The paid amount.
    total_fen: int | None
    #: ISO 4217 code of the order's currency (``trans_currency``).
    currency: str
    #: Time of the payment.
    paid_at: datetime | None
    #: The buyer: Alipay's number, or the OpenID.
    buyer_id: str | None = field(repr=False)
    buyer_open_id: str | None = field(repr=False)
    #: The effect of the cancel after the polling time: ``close``, or ``refund`` if the buyer had
    #: paid meanwhile. ``None`` if the trade was not cancelled or there was nothing to cancel.
    action: str | None
    #: The complete node of the last response.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class PollingPolicy:
    """Intervals and limits of polling for a barcode payment."""

    #: The buyer's time to confirm, in seconds.
    seconds: float = 30.0
    #: Seconds between two queries.
    interval: float = 3.0
    #: Time to retry the cancel after that, in seconds.
    cancel_seconds: float = 30.0
    #: The clock, in seconds.
    monotonic: Callable[[], float] = time.monotonic
    #: Function that waits for a number of seconds.
    sleep: Callable[[float], object] = time.sleep

    def attempts(self, seconds: float) -> Iterator[None]:
        """Yield once per interval until the seconds are over, and at least once."""
        deadline = self.monotonic() + seconds
        while True:
            yield
            if self.monotonic() + self.interval > deadline:
                return
            self.sleep(self.interval)


class BarcodePayments(Trades):
    """Barcode payments; further ``fields`` are those of :class:`Trades`."""

    def trade_pay(
        self,
        *,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        auth_code: str | None = None,
        scene: str | None = None,
        **fields: Any,
    ) -> TradePayResponse:
        """Take a payment that the buyer has granted (``alipay.trade.pay``), once.

        The grant is one of: ``auth_code``, the buyer's code; ``auth_no``, a pre-authorisation, of
        which the payment captures the amount; ``agreement_params`` with an ``agreement_no``, under
        which the payment deducts it. For a code, :meth:`pay_barcode_and_wait` also waits for the
        buyer's confirmation.

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: the goods, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param auth_code: the scanned code; valid for one payment.
        :param scene: of a code: ``bar_code`` (the default), or ``security_code`` for a face.
        :param fields: see :ref:`trade_pay <parameters-trade_pay>`. ``product_code`` is required
            without a code; with one it is ``FACE_TO_FACE_PAYMENT`` by default.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: the payment failed, do not retry it with
            this number. The exception is ``ACQ.TRADE_HAS_SUCCESS``: the order was paid before.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be paid.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        values = {**fields, **order, "auth_code": auth_code, "scene": scene}
        given = {name: value for name, value in values.items() if value is not None}
        self._check_grant(given)
        if auth_code is not None:
            given = {"product_code": "FACE_TO_FACE_PAYMENT", "scene": "bar_code", **given}
        check_channels(given)
        node = self._do(PAY, given)
        check_echo(node, "out_trade_no", out_trade_no)
        return _read_payment(node, out_trade_no)

    def _check_grant(self, given: Mapping[str, Any]) -> None:
        """Check what the buyer has granted, beyond the single fields.

        :raises InvalidParameter: names the invalid field.
        """
        grants = [name for name in _GRANTS if name in given]
        if len(grants) > 1:
            raise InvalidParameter(grants[1], f"must not be given together with {grants[0]}")
        if grants == ["auth_code"]:
            if given.get("scene", "bar_code") == "bar_code":
                _BAR_CODE("auth_code", given["auth_code"], self.charset)
        elif grants:
            if "scene" in given:
                raise InvalidParameter("scene", f"must not be given together with {grants[0]}")
            if "product_code" not in given:
                raise InvalidParameter("product_code", f"is required together with {grants[0]}")

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
        """Charge the buyer's code, and poll until the trade ends.

        If the buyer must confirm, or no response arrives, the trade is queried repeatedly. After
        the polling time it is cancelled, with retries. The trade ends paid or closed, or the
        outcome is unknown. This may take a minute.

        :param polling: limits of the polling; by default the buyer has half a minute.
        :param fields: otherwise those of :meth:`trade_pay`.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: the payment failed. Scan another code, and
            use a **new** ``out_trade_no``.
        :raises OutcomeUnknown: if the outcome could not be queried and the trade could not be
            cancelled: it may be paid. Call :meth:`~Trades.trade_query` or
            :meth:`~Trades.trade_cancel` later, and do not let the buyer pay again before.
        """
        polling = PollingPolicy() if polling is None else polling
        currency = str(fields.get("trans_currency") or "CNY")
        price = (to_minor_units(total_amount, currency), currency)
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        paid, cancellable = self._charge(price, **order, auth_code=auth_code, **fields)
        if paid is not None:
            return paid
        identifiers = {"out_trade_no": out_trade_no, "app_auth_token": fields.get("app_auth_token")}
        ended = self._poll(identifiers, price, polling)
        if ended is None and cancellable:
            ended = self._cancel(identifiers, price, polling)
        if ended is None:
            raise OutcomeUnknown("it is unknown whether the buyer has paid", retryable=True)
        return ended

    def _charge(self, price: _Price, /, **order: Any) -> tuple[BarcodePaymentResult | None, bool]:
        """Charge the code; return the result if the trade is paid, and whether it may be cancelled.

        :raises GatewayError: if Alipay rejected the payment.
        """
        try:
            response = self.trade_pay(**order)
            return (_paid(response, price) if response.paid else None), True
        except OutcomeUnknown:
            return None, True  # it may be paid: the caller queries
        except GatewayError as error:
            # The order was paid before: a cancel would refund that payment.
            cancellable = error.sub_code != _HAS_SUCCESS
            # Alipay signs a method's rejections, but rarely the gateway's own.
            if cancellable and (error.signed or error.code != _BUSINESS_FAILED):
                raise
            return None, cancellable

    def _poll(
        self, identifiers: Mapping[str, Any], price: _Price, polling: PollingPolicy
    ) -> BarcodePaymentResult | None:
        """Query the trade until it has ended; ``None`` if the time is over first."""
        for _ in polling.attempts(polling.seconds):
            ended = self._ended(identifiers, price)
            if ended is not None:
                return ended
        return None

    def _ended(self, identifiers: Mapping[str, Any], price: _Price) -> BarcodePaymentResult | None:
        """Query the trade once; ``None`` unless it has ended: a missing one may yet be created."""
        try:
            trade = self.trade_query(**identifiers)
        except GatewayError:
            return None
        if trade.trade_status in _PAID:
            return _paid(trade, price)
        return _closed(trade) if trade.trade_status == TradeStatus.TRADE_CLOSED else None

    def _cancel(
        self, identifiers: Mapping[str, Any], price: _Price, polling: PollingPolicy
    ) -> BarcodePaymentResult | None:
        """Cancel the trade, with retries; ``None`` if that fails."""
        for _ in polling.attempts(polling.cancel_seconds):
            try:
                response = self.trade_cancel(**identifiers)
            except OutcomeUnknown:
                continue
            except GatewayError:
                return self._ended(identifiers, price)  # rejected: the trade may have ended
            if not response.retry:
                return _closed(response)
        return self._ended(identifiers, price)


def _paid(response: TradePayResponse | TradeQueryResponse, price: _Price) -> BarcodePaymentResult:
    """Return the result of a paid trade with exactly the charged amount.

    :raises OutcomeUnknown: if the amount or the currency differs.
    """
    if (response.total_fen, response.currency) != price:
        raise OutcomeUnknown("the gateway responded about another total_amount")
    return BarcodePaymentResult(
        paid=True,
        out_trade_no=response.out_trade_no,
        trade_no=response.trade_no,
        total_fen=response.total_fen,
        currency=response.currency,
        paid_at=response.paid_at,
        buyer_id=response.buyer_id,
        buyer_open_id=response.buyer_open_id,
        action=None,
        params=response.params,
    )


def _closed(response: TradeCancelResponse | TradeQueryResponse) -> BarcodePaymentResult:
    return BarcodePaymentResult(
        paid=False,
        out_trade_no=response.out_trade_no or "",
        trade_no=response.trade_no,
        total_fen=None,
        currency="CNY",
        paid_at=None,
        buyer_id=None,
        buyer_open_id=None,
        action=response.action if isinstance(response, TradeCancelResponse) else None,
        params=response.params,
    )


def _read_payment(node: Mapping[str, Any], out_trade_no: str) -> TradePayResponse:
    """Read the response to ``alipay.trade.pay``.

    :raises OutcomeUnknown: if it belongs to another request or lacks a field.
    """
    paid = text_field(node, "code") != _CONFIRMING
    if paid and text_field(node, "trade_status") not in ("", *_PAID):
        raise OutcomeUnknown("the gateway responded to another request")  # a query's response
    # Sources: async_payment_mode and async_pay_apply_status in Alipay's PHP SDK of version 3.
    at_once = text_field(node, "async_payment_mode") in _PAID_AT_ONCE
    paid = paid and at_once and not text_field(node, "async_pay_apply_status")
    currency = responses.currency_of(node)
    buyer_id, buyer_open_id = responses.buyer_of(node)
    return TradePayResponse(
        paid=paid,
        out_trade_no=out_trade_no,
        trade_no=required_text(node, "trade_no") if paid else text_field(node, "trade_no") or None,
        total_fen=responses.amount(node, "total_amount", currency),
        currency=currency,
        receipt_fen=responses.amount(node, "receipt_amount"),
        buyer_pay_fen=responses.amount(node, "buyer_pay_amount"),
        paid_at=parse_china_time(text_field(node, "gmt_payment")),
        buyer_id=buyer_id,
        buyer_open_id=buyer_open_id,
        params=node,
    )
