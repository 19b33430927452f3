"""Gateway with a chosen response to each method, for tests of operations and views."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask_alipay.exceptions import OutcomeUnknown

from .mapi import no as no
from .mapi import yes as yes
from .merchant import BUYER_ID, PARTNER, Merchant
from .openapi import DONE, answer

TRADE_NO = "2026013122001400001234567890"
LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
NOT_THERE = {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_NOT_EXIST"}

Node = Mapping[str, Any]
Scripted = Node | Exception | bytes | Callable[[dict[str, Any]], Any]


class Alipay:
    """Transport that gives the chosen responses by method: each of a list once, and its last one
    for ever.

    :param merchant: signs for this merchant.
    """

    def __init__(self, merchant: Merchant, **responses: Any) -> None:
        self.merchant = merchant
        self.responses: dict[str, list[Any]] = {}
        #: What it was asked, in order: method and content.
        self.requested: list[tuple[str, dict[str, Any]]] = []
        #: Called before each answer.
        self.before: Callable[[], object] = lambda: None
        self.will_respond(**responses)

    def will_respond(self, **responses: Any) -> None:
        for name, response in responses.items():
            self.responses[name] = list(response) if isinstance(response, list) else [response]

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.requested]

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        return self._respond(params)

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        return self._respond(params)

    def _respond(self, params: Mapping[str, str]) -> bytes:
        legacy = "service" in params
        name = params["service"] if legacy else params["method"]
        content = dict(params) if legacy else json.loads(params["biz_content"])
        self.requested.append((name, content))
        self.before()
        waiting = self.responses[name.removeprefix("alipay.trade.").replace(".", "_")]
        response = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if callable(response):
            response = response(content)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, bytes):
            return response
        node = {"out_trade_no": content.get("out_trade_no"), "trade_no": TRADE_NO, **response}
        return answer(name, node, signer=self.merchant.signer)


def trade(trade_status: str = "TRADE_SUCCESS", **changes: Any) -> dict[str, Any]:
    """Return a response of ``alipay.trade.query``."""
    paid = {"send_pay_date": "2026-01-31 12:00:01"} if trade_status == "TRADE_SUCCESS" else {}
    return {
        **DONE,
        "trade_status": trade_status,
        "total_amount": "88.88",
        "buyer_user_id": BUYER_ID,
        "fund_bill_list": [{"amount": "88.88", "fund_channel": "PCREDIT"}],
        **paid,
        **changes,
    }


def done(**fields: Any) -> dict[str, Any]:
    return {**DONE, **fields}


def refusal(sub_code: str) -> dict[str, Any]:
    """Return a rejection that Alipay signs."""
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}


def unsigned(method: str, sub_code: str) -> bytes:
    """Return a rejection without a signature."""
    return answer(method, refusal(sub_code), signer=None)


def legacy_trade(out_trade_no: str, trade_status: str, merchant: Merchant, **changes: str) -> bytes:
    """Return a response of ``single_trade_query``."""
    fields = {
        "out_trade_no": out_trade_no,
        "trade_no": TRADE_NO,
        "trade_status": trade_status,
        "total_fee": "88.88",
        "seller_id": PARTNER,
        **changes,
    }
    return yes("trade", fields, signer=merchant.signer)
