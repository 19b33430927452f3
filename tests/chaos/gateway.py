"""Gateway of the chaos tests: knows payments and refunds, signs its responses, and sometimes does
not respond although it has performed the request.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from flask_alipay.protocol.conversion import format_amount, to_minor_units
from flask_alipay.signer import Rsa2Signer

from ..doubles.local_server import LocalServer, Request
from ..doubles.openapi import DONE, answer
from .shop import TOTAL_FEN
from .transfers import Transfers

#: Refunds whose number begins so are refused.
REFUSED = "no"
_SILENT = 0.05


@dataclass
class Trade:
    """Paid trade with its refunds."""

    trade_status: str
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def refunded_fen(self) -> int:
        """Total refunded amount."""
        return sum(self.refunds.values())

    @property
    def reported_status(self) -> str:
        """Status that Alipay reports."""
        return "TRADE_CLOSED" if self.refunded_fen == TOTAL_FEN else self.trade_status


class Gateway:
    """HTTP server for Alipay's methods.

    :param signer: Alipay's signer.
    :param chance: chooses the requests without a response.
    :param on_refund: called with each refund and the total refunded so far.
    """

    def __init__(
        self,
        signer: Rsa2Signer,
        chance: random.Random,
        on_refund: Callable[[str, str, int], object],
    ) -> None:
        self.trades: dict[str, Trade] = {}
        self.transfers = Transfers(chance)
        #: What Alipay should never be asked for.
        self.faults: list[str] = []
        self.requests = 0
        self._signer, self._chance, self._on_refund = signer, chance, on_refund
        self._lock = threading.Lock()
        self._server = LocalServer(self._handle)
        self.url, self.stop = self._server.url, self._server.close

    def answer(self, params: Mapping[str, str]) -> bytes | None:
        """Perform a request; ``None``: without a response."""
        method, content = params["method"], json.loads(params["biz_content"])
        if method.startswith("alipay.fund."):
            with self._lock:
                self.requests += 1
                silent = self._chance.random() < _SILENT
            node = self.transfers.answer(method, content)
            silent = silent or node is None
            return None if silent else answer(method, node or {}, signer=self._signer)
        act = {
            "alipay.trade.query": self._query,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
        }[method]
        with self._lock:
            self.requests += 1
            trade = self.trades.get(content["out_trade_no"])
            node = act(trade, content) if trade else _refusal("ACQ.TRADE_NOT_EXIST")
            silent = self._chance.random() < _SILENT
        return None if silent else answer(method, node, signer=self._signer)

    def _query(self, trade: Trade, content: Mapping[str, str]) -> dict[str, Any]:
        return {
            **_numbers(content),
            "trade_status": trade.reported_status,
            "total_amount": format_amount(TOTAL_FEN),
            "buyer_user_id": "2088102122524333",
            "send_pay_date": "2026-02-03 10:12:13",
        }

    def _refund(self, trade: Trade, content: Mapping[str, str]) -> dict[str, Any]:
        number, request = content["out_trade_no"], content["out_request_no"]
        fen, new = to_minor_units(content["refund_amount"]), request not in trade.refunds
        if request.startswith(REFUSED):
            return _refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")
        if not new and trade.refunds[request] != fen:
            self.faults.append(f"{number}: the refund {request} was asked for with two amounts")
        if new and trade.refunded_fen + fen > TOTAL_FEN:
            self.faults.append(f"{number}: more was asked for than was paid")
            return _refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR")
        if new:
            trade.refunds[request] = fen
            self._on_refund(number, request, trade.refunded_fen)
        return {
            **_numbers(content),
            "fund_change": "Y" if new else "N",
            "refund_fee": format_amount(trade.refunded_fen),
        }

    def _refund_query(self, trade: Trade, content: Mapping[str, str]) -> dict[str, Any]:
        request = content["out_request_no"]
        if request not in trade.refunds:
            return dict(DONE)
        return {
            **_numbers(content),
            "out_request_no": request,
            "refund_amount": format_amount(trade.refunds[request]),
            "refund_status": "REFUND_SUCCESS",
        }

    def _handle(self, request: Request) -> None:
        request.close_connection = True
        body = request.body().decode()
        if len(body) < int(request.headers["Content-Length"]):
            return  # the client was killed while it sent the request
        params = f"{request.path.partition('?')[2]}&{body}"
        response = self.answer(dict(parse_qsl(params)))
        if response is not None:
            request.respond(response)


def _numbers(content: Mapping[str, str]) -> dict[str, str]:
    number = content["out_trade_no"]
    return {**DONE, "out_trade_no": number, "trade_no": f"2026{number}"}


def _refusal(sub_code: str) -> dict[str, Any]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}
