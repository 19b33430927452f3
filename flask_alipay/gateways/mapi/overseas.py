"""Trades made in shops abroad: what has become of one, and its refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.china_time import parse_china_time
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
    """A trade abroad as Alipay has it."""

    #: The shop's number of it, and Alipay's.
    partner_trans_id: str | None
    alipay_trans_id: str | None
    #: Where it stands, in Alipay's words.
    trade_status: str | None
    #: What it costs, in minor units of the currency, where Alipay says it.
    total_fen: int | None
    #: ISO 4217.
    currency: str
    #: Aware UTC.
    paid_at: datetime | None
    #: Everything, as it came.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OverseasRefundResponse:
    """A refund abroad that Alipay has made or taken on."""

    partner_trans_id: str
    #: The shop's number of the refund.
    partner_refund_id: str
    #: In minor units of the currency, where Alipay repeats it.
    refund_fen: int | None
    #: ISO 4217.
    currency: str
    #: Everything, as it came.
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
    """Trades made in shops abroad."""

    def alipay_acquire_overseas_query(self, **params: Unpack[OverseasQuery]) -> OverseasTrade:
        """Asks what has become of a trade abroad.

        :param params: see :ref:`alipay_acquire_overseas_query
            <parameters-alipay_acquire_overseas_query>`.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code, ``TRADE_NOT_EXIST`` for one; without, if the
            answer cannot be read or believed.
        :raises OutcomeUnknown: if no answer comes.
        """
        service = "alipay.acquire.overseas.query"
        checked = validate_declared(OverseasQuery, params, self.charset, service)
        validators.require_one(checked, "partner_trans_id", "alipay_trans_id")
        said = _successful(self._query(service, checked))
        name = "alipay_trans_id" if "alipay_trans_id" in checked else "partner_trans_id"
        if said.get(name) != checked[name]:
            raise GatewayError("the gateway answered about another trade")
        currency = currency_of(said)
        return OverseasTrade(
            partner_trans_id=said.get("partner_trans_id") or checked.get("partner_trans_id"),
            alipay_trans_id=said.get("alipay_trans_id") or checked.get("alipay_trans_id"),
            trade_status=said.get("alipay_trans_status") or None,
            total_fen=amount(said, "trans_amount", currency),
            currency=currency,
            paid_at=_paid_at(said.get("alipay_pay_time", "")),
            params=said,
        )

    def alipay_acquire_overseas_spot_refund(
        self, **params: Unpack[OverseasRefund]
    ) -> OverseasRefundResponse:
        """Refunds a trade abroad, in whole or in part.

        :param params: see :ref:`alipay_acquire_overseas_spot_refund
            <parameters-alipay_acquire_overseas_spot_refund>`.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes, or Alipay does not know yet: ask again with the
            **same** ``partner_refund_id``.
        """
        service = "alipay.acquire.overseas.spot.refund"
        values = validators.in_currency(params, "refund_amount")
        checked = validate_declared(OverseasRefund, values, self.charset, service)
        said = _successful(self._execute(service, checked))
        return OverseasRefundResponse(
            partner_trans_id=checked["partner_trans_id"],
            partner_refund_id=checked["partner_refund_id"],
            refund_fen=amount(said, "refund_amount", checked["currency"]),
            currency=checked["currency"],
            params=said,
        )


def _successful(response: MapiResponse) -> Mapping[str, str]:
    """A yes of the gateway's is that it was heard; what came of it is another word inside."""
    word = response.params.get("result_code", "SUCCESS").strip()
    if word == "UNKNOWN":
        raise OutcomeUnknown("Alipay does not know yet")
    if word != "SUCCESS":
        raise error_from_code(
            response.params.get("error") or response.params.get("detail_error_code") or word
        )
    return response.params


def _paid_at(text: str) -> datetime | None:
    """Written ``yyyyMMddHHmmss`` here, unlike elsewhere."""
    text = text.strip()
    if len(text) == 14 and text.isascii() and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:]}"
    return parse_china_time(text)
