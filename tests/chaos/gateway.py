"""Gateway of the chaos tests: knows what was paid, frozen and agreed, signs its responses, and
sometimes does not respond although it has performed the request.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from flask_alipay.signer import Rsa2Signer

from ..doubles.local_server import LocalServer, Request
from ..doubles.openapi import answer
from . import agreements, granted_trades
from .agreements import Agreements
from .clock import SharedClock
from .fates import Fates, Node
from .granted_trades import Grant, GrantedTrades
from .messages import MessageSender, Put
from .preauthorizations import Authorizations
from .trades import Trades
from .transfers import QUERY as TRANSFER_QUERY
from .transfers import TRANSFER, Transfers

_SILENT = 0.05


class Gateway:
    """HTTP server for Alipay's methods.

    :param signer: Alipay's signer.
    :param chance: chooses the requests without a response.
    :param on_refund: called with each refund and the total refunded so far.
    :param put: delivers a message to the shop after a number of seconds.
    :param clock: the simulated time.
    """

    def __init__(
        self,
        signer: Rsa2Signer,
        chance: random.Random,
        on_refund: Callable[[str, str, int], object],
        put: Put,
        clock: SharedClock,
    ) -> None:
        messages = MessageSender(signer, chance, put)
        self.fates = fates = Fates(chance)
        self.trades = Trades(on_refund)
        self.transfers = Transfers(fates)
        self.granted = GrantedTrades(fates, chance, messages)
        self.authorizations = Authorizations(fates, chance, messages)
        self.agreements = Agreements(fates, chance, clock, messages)
        self.requests = 0
        self._signer, self._chance = signer, chance
        self._server = LocalServer(self._handle)
        self.url, self.stop = self._server.url, self._server.close

    @property
    def faults(self) -> list[str]:
        """What Alipay should never be asked for."""
        return self.trades.faults + self.granted.faults

    def answer(self, params: Mapping[str, str]) -> bytes | None:
        """Perform a request; ``None``: without a response."""
        method, content = params["method"], json.loads(params["biz_content"])
        with self.fates.lock:
            self.requests += 1
            silent = self._chance.random() < _SILENT
            node = self._perform(method, content, notify="notify_url" in params)
        if node is None or silent:
            return None
        return answer(method, node, signer=self._signer)

    def _perform(self, method: str, content: Mapping[str, Any], *, notify: bool) -> Node | None:
        if method in (TRANSFER, TRANSFER_QUERY):
            return self.transfers.answer(method, content)
        if method.startswith("alipay.fund.auth."):
            return self.authorizations.answer(method, content, notify=notify)
        if method == agreements.SIGN:
            return self.agreements.open_page(content)
        if method.startswith("alipay.user.agreement."):
            return self.agreements.answer(method, content)
        if method == granted_trades.PAY:
            return self.granted.pay(content, self._grant(content), notify=notify)
        if content["out_trade_no"] in self.trades.paid:
            return self.trades.answer(method, content)
        act = self.granted.close if method == granted_trades.CLOSE else self.granted.query
        return act(content)

    def _grant(self, content: Mapping[str, Any]) -> Grant | None:
        if "auth_no" in content:
            return self.authorizations.find(content)
        return self.agreements.find(content["agreement_params"])

    def _handle(self, request: Request) -> None:
        request.close_connection = True
        body = request.body().decode()
        if len(body) < int(request.headers.get("Content-Length", 0)):
            return  # the client was killed while it sent the request
        params = f"{request.path.partition('?')[2]}&{body}"
        response = self.answer(dict(parse_qsl(params)))
        if response is not None:
            request.respond(response)
