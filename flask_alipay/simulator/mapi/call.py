"""A request as passed to the services, and the context that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ...exceptions import InvalidParameter
from ..clock import OffsetFn, zero_offset
from ..faults import Faults
from ..merchant.merchant import SimulatedMerchant
from ..notifications.notify_ids import NotifyIds
from ..replies import ApiError, CallResult
from ..storage.storage import Storage
from ..trades.batches import BatchStore
from ..trades.trades import EventResult, TradeStore
from .signing import ServerSigner


@dataclass(frozen=True)
class ApiCall:
    """A parsed request; authenticated if its service requires that."""

    service: str
    params: Mapping[str, str]
    charset: str
    sign_type: str
    now: datetime

    def get(self, name: str) -> str:
        """Return a parameter, empty if it was not given."""
        return self.params.get(name, "")

    def require(self, *names: str) -> None:
        """Check that parameters were given.

        :raises InvalidParameter: names the first missing one.
        """
        for name in names:
            if not self.get(name):
                raise InvalidParameter(name, "is required")

    def either(self, one: str, other: str) -> str:
        """Return the name of the one of two parameters that was given; the first takes precedence.

        :raises InvalidParameter: if neither was given.
        """
        for name in (one, other):
            if self.get(name):
                return name
        raise InvalidParameter(one, f"or {other} is required")


@dataclass(frozen=True)
class Context:
    """Objects that all services use."""

    merchant: SimulatedMerchant
    trades: TradeStore
    batches: BatchStore
    notify_ids: NotifyIds
    signer: ServerSigner
    #: What is to go wrong.
    faults: Faults
    #: Where what they know is kept.
    storage: Storage
    #: How far the time here is ahead of the merchant's.
    ahead: OffsetFn = zero_offset

    def failing(self, kind: str, call: ApiCall) -> bool:
        """Return True if a fault makes a call fail, counting it down.

        :param kind: before it is done, or after: ``SYSTEM_ERROR`` or ``SYSTEM_ERROR_DONE``.
        """
        if not self.faults.all():
            return False
        about = self.trades.named_in(" ".join((call.service, *call.params.values())))
        return self.faults.take(kind, about) is not None

    def find(self, call: ApiCall, trade_no: str, out_trade_no: str) -> EventResult:
        """Return the trade that a call names, expired if its time is over.

        :param trade_no: the name of the parameter with Alipay's number; it takes precedence.
        :param out_trade_no: the name of the parameter with the merchant's number.
        :raises InvalidParameter: if the call names none.
        :raises ApiError: if there is no such trade.
        """
        name = call.either(trade_no, out_trade_no)
        by = self.trades.by_trade_no if name == trade_no else self.trades.by_out_trade_no
        trade = by(call.get(name))
        out_no = "" if trade is None else trade.order.out_trade_no
        step = self.trades.apply(out_no, None, call.now)
        if step is None:
            raise ApiError("TRADE_NOT_EXIST")
        return step


@dataclass(frozen=True)
class Service:
    """One service of the gateway."""

    run: Callable[[ApiCall], CallResult]
    #: Whether a browser brings the call: then a refusal is a page, otherwise an XML document.
    browser: bool = False
    #: Whether it is answered without a signature, too.
    unsigned: bool = False


def parse_int(parameter: str, text: str, minimum: int, limit: int) -> int:
    """Parse an integer within limits.

    :raises InvalidParameter: otherwise.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not minimum <= int(text) <= limit:
        raise InvalidParameter(parameter, f"must be a whole number from {minimum} to {limit}")
    return int(text)
