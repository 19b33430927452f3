"""Cross-border trades after the payment: refunds, and the rates of the day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from ...exceptions import GatewayError, InvalidParameter
from ...protocol.china_time import CHINA_TIME
from ...protocol.validation import amount, choice, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient
from .responses import AcceptedResponse, read_answer

if TYPE_CHECKING:
    from typing_extensions import Unpack

_RATE = re.compile(r"([0-9]{8})\|([0-9]{6})\|([A-Z]{3})\|([0-9]{1,12}(?:\.[0-9]{1,12})?)\|?")
_SECOND = re.compile(r"[0-9]{14}", re.ASCII)


@dataclass(frozen=True)
class ForexRate:
    """What a currency is worth in yuan."""

    #: When the rate was set, in China: day and time.
    date: date
    time: time
    #: ISO 4217.
    currency: str
    #: As Alipay writes it.
    rate: Decimal

    @property
    def set_at(self) -> datetime:
        """When the rate was set, in aware UTC."""
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
    gmt_return: Annotated[str | datetime | None, _second, "now by default"]
    product_code: Annotated[str | None, choice("NEW_OVERSEAS_SELLER", "NEW_WAP_OVERSEAS_SELLER")]
    notify_url: Annotated[str | None, url(190, query=False)]
    is_sync: Annotated[str | None, choice("Y", "N")]


def _second(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or China time like ``20260131235959``."""
    if isinstance(value, str) and _SECOND.fullmatch(value):
        try:
            datetime.strptime(value, "%Y%m%d%H%M%S")  # noqa: DTZ007 - China's, as it is written
        except ValueError:
            raise InvalidParameter(name, "must be a time that exists") from None
        return value
    if isinstance(value, datetime):
        return re.sub("[^0-9]", "", validators.china_datetime(name, value, charset))
    raise InvalidParameter(name, "must be an aware datetime, or yyyyMMddHHmmss in China")


class Forex(MapiClient):
    """What follows a cross-border payment."""

    def forex_refund(self, **params: Unpack[ForexRefund]) -> AcceptedResponse:
        """Refunds a cross-border payment, in whole or in part.

        :param params: see :ref:`forex_refund <parameters-forex_refund>`; either ``return_amount``
            or ``return_rmb_amount`` is required.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes: ask again with the **same** ``out_return_no``.
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
        """Asks for the rates of the day. They are text without a signature: for display.

        :raises GatewayError: with Alipay's code; without, if they cannot be read.
        :raises OutcomeUnknown: if no answer comes.
        """
        body = self._query_text("forex_rate_file", {})
        if body.lstrip().startswith(b"<"):
            read_answer(body, self.charset)  # errors come in XML
        lines = body.decode("ascii", "replace").split("\n")
        rates = tuple(_rate(line.strip()) for line in lines if line.strip())
        if not rates:
            raise GatewayError("the gateway's rates cannot be read: there are none")
        return rates


def _rate(line: str) -> ForexRate:
    found = _RATE.fullmatch(line)
    try:
        if found is None:
            raise ValueError
        moment = datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S")  # noqa: DTZ007 - China's
    except ValueError:
        raise GatewayError("the gateway's rates cannot be read") from None
    return ForexRate(moment.date(), moment.time(), found[3], Decimal(found[4]))
