"""Alipay's messages about granted payments, authorizations and agreements: lost, repeated, late."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import count

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Rsa2Signer

from .fates import MAX_DELAY
from .notifications import Delivery, params_of, signed
from .shop import APP_ID

# How often a message is sent; 0: it is lost.
_COPIES = (0, 1, 1, 1, 2, 3)

Put = Callable[[Delivery, float], object]


class MessageSender:
    """Sends messages to the shop.

    :param signer: Alipay's.
    :param chance: chooses what goes wrong.
    :param put: delivers something after a number of seconds.
    """

    def __init__(self, signer: Rsa2Signer, chance: random.Random, put: Put) -> None:
        self._signer, self._chance, self._put = signer, chance, put
        self._numbers = count()

    def send(self, kind: str, number: str, fields: Mapping[str, str]) -> None:
        """Send a message that is not about a trade.

        :param number: the merchant's number of what it is about.
        """
        self._send(
            number,
            {
                "charset": "UTF-8",
                "version": "1.0",
                "app_id": APP_ID,
                "auth_app_id": APP_ID,
                "notify_type": kind,
                "notify_id": f"{kind}{next(self._numbers):010d}",
                "notify_time": format_china_time(utc_now()),
                **fields,
            },
        )

    def notify(self, number: str, trade_status: str, total_amount: str) -> None:
        """Send the notification of a trade."""
        now = format_china_time(utc_now())
        fields = {"total_amount": total_amount, "notify_time": now}
        if trade_status == "TRADE_SUCCESS":
            fields["gmt_payment"] = now
        params = params_of(number, trade_status, **fields)
        if trade_status != "TRADE_SUCCESS":
            del params["gmt_payment"]
        self._send(number, params)

    def _send(self, number: str, params: dict[str, str]) -> None:
        body = signed(params, self._signer)
        for _ in range(self._chance.choice(_COPIES)):
            late = self._chance.uniform(0, MAX_DELAY) if self._chance.random() < 0.3 else 0.0
            self._put(Delivery(number, body), late)
