"""Cross-border refunds, and the exchange rates of the day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from ...exceptions import GatewayError, InvalidParameter
from ...protocol.conversion import CHINA_TIME
from ...protocol.validation import amount, choice, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient
from .responses import AcceptedResponse, read_response

if TYPE_CHECKING:
    from typing_extensions import Unpack

_RATE = re.compile(r"([0-9]{8})\|([0-9]{6})\|([A-Z]{3})\|([0-9]{1,12}(?:\.[0-9]{1,12})?)\|?")
_COMPACT_TIME = re.compile(r"[0-9]{14}", re.ASCII)


@dataclass(frozen=True)
class ForexRate:
    """Exchange rate of a currency in yuan."""

    #: Day and time of the rate, in China.
    date: date
    time: time
    #: ISO 4217 code.
    currency: str
    #: Yuan for one unit of the currency, as published by Alipay.
    rate: Decimal

    @property
    def set_at(self) -> datetime:
        """Time of the rate, aware UTC."""
        return datetime.combine(self.date, self.time, CHINA_TIME).astimezone(timezone.utc)


class ForexRefund(TypedDict, total=False):
    """Parameters of ``forex_refund``."""

    out_return_no: Annotated[
        str, validators.foreign_number, REQUIRED, "the merchant's number of the refund"
    ]
    out_trade_no: Annotated[str, validators.foreign_number, REQUIRED]
    currency: Annotated[str, validators.foreign_currency, REQUIRED]
    return_amount: Annotated[
        str | int | Decimal | None,
        validators.foreign_amount,
        "in ``currency``, or ``return_rmb_amount``",
    ]
    return_rmb_amount: Annotated[
        str | int | Decimal | None, amount, "in yuan, or ``return_amount``"
    ]
    reason: Annotated[str, text(100), REQUIRED]
    gmt_return: Annotated[str | datetime | None, compact_time, "now by default"]
    product_code: Annotated[str | None, choice("NEW_OVERSEAS_SELLER", "NEW_WAP_OVERSEAS_SELLER")]
    notify_url: Annotated[str | None, url(190, query=False)]
    is_sync: Annotated[str | None, choice("Y", "N")]


def compact_time(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or China time like ``20260131235959``."""
    if isinstance(value, str) and _COMPACT_TIME.fullmatch(value):
        try:
            datetime.strptime(value, "%Y%m%d%H%M%S")  # noqa: DTZ007 - China time, sent unchanged
        except ValueError:
            raise InvalidParameter(name, "must be a valid time") from None
        return value
    if isinstance(value, datetime):
        return re.sub("[^0-9]", "", validators.china_datetime(name, value, charset))
    raise InvalidParameter(name, "must be an aware datetime, or yyyyMMddHHmmss in China")


class Forex(MapiClient):
    """Services that follow a cross-border payment."""

    def forex_refund(self, **params: Unpack[ForexRefund]) -> AcceptedResponse:
        """Refund a cross-border payment, fully or partially.

        :param params: see :ref:`forex_refund <parameters-forex_refund>`; either ``return_amount``
            or ``return_rmb_amount`` is required.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives: retry with the **same** ``out_return_no``.
        """
        service = "forex_refund"
        given = {name: value for name, value in params.items() if value is not None}
        values = {
            "gmt_return": validators.china_now(),
            **validators.in_currency(given, "return_amount"),
        }
        checked = validate_declared(ForexRefund, values, self.charset, service)
        validators.require_exactly_one(checked, "return_amount", "return_rmb_amount")
        return AcceptedResponse(self._execute(service, checked).params)

    def forex_rate_file(self) -> tuple[ForexRate, ...]:
        """Query the exchange rates of the day. They are unsigned text, for display only.

        :raises GatewayError: with Alipay's code; without a code, if they cannot be parsed.
        :raises OutcomeUnknown: if no response arrives.
        """
        body = self._query_text("forex_rate_file", {})
        if body.lstrip().startswith(b"<"):
            read_response(body, self.charset)  # errors are XML
        lines = body.decode("ascii", "replace").split("\n")
        rates = tuple(_rate(line.strip()) for line in lines if line.strip())
        if not rates:
            raise GatewayError("the gateway's rates cannot be parsed: there are none")
        return rates


def _rate(line: str) -> ForexRate:
    match = _RATE.fullmatch(line)
    try:
        if match is None:
            raise ValueError
        set_at = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")  # noqa: DTZ007 - China time
    except ValueError:
        raise GatewayError("the gateway's rates cannot be parsed") from None
    return ForexRate(set_at.date(), set_at.time(), match[3], Decimal(match[4]))
