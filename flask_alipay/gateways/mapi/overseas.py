"""Trades in shops abroad: query and refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.conversion import parse_china_time
from ...protocol.validation import choice, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient
from .responses import MapiResponse, amount, currency_of, error_from_code

if TYPE_CHECKING:
    from typing_extensions import Unpack


class OverseasQuery(TypedDict, total=False):
    """Parameters of ``alipay.acquire.overseas.query``; ``alipay_trans_id`` takes precedence."""

    partner_trans_id: Annotated[str | None, validators.foreign_number, "or ``alipay_trans_id``"]
    alipay_trans_id: Annotated[str | None, validators.foreign_number]


@dataclass(frozen=True)
class OverseasTrade:
    """A trade abroad in Alipay's current state."""

    #: The merchant's and Alipay's trade numbers.
    partner_trans_id: str | None
    alipay_trans_id: str | None
    #: Alipay's status of the trade.
    trade_status: str | None
    #: The trade's amount in minor units of the currency, if Alipay reports it.
    total_fen: int | None
    #: ISO 4217 code.
    currency: str
    #: Time of the payment, aware UTC.
    paid_at: datetime | None
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OverseasRefundResponse:
    """A refund abroad that Alipay has performed or accepted."""

    partner_trans_id: str
    #: The merchant's refund number.
    partner_refund_id: str
    #: Amount in minor units of the currency, if Alipay repeats it.
    refund_fen: int | None
    #: ISO 4217 code.
    currency: str
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)


class OverseasRefund(TypedDict, total=False):
    """Parameters of ``alipay.acquire.overseas.spot.refund``."""

    partner_trans_id: Annotated[str, validators.foreign_number, REQUIRED]
    partner_refund_id: Annotated[
        str, validators.foreign_number, REQUIRED, "the merchant's number of the refund"
    ]
    currency: Annotated[str, validators.foreign_currency, REQUIRED]
    refund_amount: Annotated[str | int | Decimal, validators.foreign_amount, REQUIRED]
    alipay_trans_id: Annotated[str | None, validators.foreign_number]
    refund_reason: Annotated[str | None, text(128)]
    is_sync: Annotated[str | None, choice("Y", "N"), "``Y``: the response states the outcome"]
    notify_url: Annotated[str | None, url(200, query=False)]


class Overseas(MapiClient):
    """Services for trades in shops abroad."""

    def alipay_acquire_overseas_query(self, **params: Unpack[OverseasQuery]) -> OverseasTrade:
        """Query a trade abroad.

        :param params: see :ref:`alipay_acquire_overseas_query
            <parameters-alipay_acquire_overseas_query>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code, ``TRADE_NOT_EXIST`` for a missing trade; without a
            code, if the response cannot be parsed or trusted.
        :raises OutcomeUnknown: if no response arrives.
        """
        service = "alipay.acquire.overseas.query"
        checked = validate_declared(OverseasQuery, params, self.charset, service)
        validators.require_one(checked, "partner_trans_id", "alipay_trans_id")
        values = _successful(self._query(service, checked))
        name = "alipay_trans_id" if "alipay_trans_id" in checked else "partner_trans_id"
        if values.get(name) != checked[name]:
            raise GatewayError("the gateway responded about another trade")
        currency = currency_of(values)
        return OverseasTrade(
            partner_trans_id=values.get("partner_trans_id") or checked.get("partner_trans_id"),
            alipay_trans_id=values.get("alipay_trans_id") or checked.get("alipay_trans_id"),
            trade_status=values.get("alipay_trans_status") or None,
            total_fen=amount(values, "trans_amount", currency),
            currency=currency,
            paid_at=_paid_at(values.get("alipay_pay_time", "")),
            params=values,
        )

    def alipay_acquire_overseas_spot_refund(
        self, **params: Unpack[OverseasRefund]
    ) -> OverseasRefundResponse:
        """Refund a trade abroad, fully or partially.

        :param params: see :ref:`alipay_acquire_overseas_spot_refund
            <parameters-alipay_acquire_overseas_spot_refund>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives, or Alipay does not know the outcome yet:
            retry with the **same** ``partner_refund_id``.
        """
        service = "alipay.acquire.overseas.spot.refund"
        amounts = validators.in_currency(params, "refund_amount")
        checked = validate_declared(OverseasRefund, amounts, self.charset, service)
        values = _successful(self._execute(service, checked))
        return OverseasRefundResponse(
            partner_trans_id=checked["partner_trans_id"],
            partner_refund_id=checked["partner_refund_id"],
            refund_fen=amount(values, "refund_amount", checked["currency"]),
            currency=checked["currency"],
            params=values,
        )


def _successful(response: MapiResponse) -> Mapping[str, str]:
    """Return the response's values; the gateway's success means "received", ``result_code``
    decides.

    :raises OutcomeUnknown: for ``UNKNOWN``.
    :raises GatewayError: for any other code than ``SUCCESS``.
    """
    result_code = response.params.get("result_code", "SUCCESS").strip()
    if result_code == "UNKNOWN":
        raise OutcomeUnknown("Alipay does not know the outcome yet")
    if result_code != "SUCCESS":
        raise error_from_code(
            response.params.get("error") or response.params.get("detail_error_code") or result_code
        )
    return response.params


def _paid_at(text: str) -> datetime | None:
    """Parse the time of payment, here in the format ``yyyyMMddHHmmss``."""
    text = text.strip()
    if len(text) == 14 and text.isascii() and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:]}"
    return parse_china_time(text)
