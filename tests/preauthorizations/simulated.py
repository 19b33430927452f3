"""The shop that holds deposits, with the simulator as its Alipay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from flask import abort, request
from sqlalchemy import inspect

from flask_alipay.simulator.trades.preauthorizations import Preauthorization
from flask_alipay.testing import AlipaySimulator

from ..conftest import Keys
from .shop import DepositShop, db

#: Settings of a real merchant, which the simulator replaces.
_REAL = dict.fromkeys(("APP_ID", "SELLER_ID", "PRIVATE_KEY", "PUBLIC_KEY", "SIGN_TYPE"))


class SimulatedShop(DepositShop):
    """With the simulator inside; what the shop does is done in a request, so that Alipay is given
    an address for its messages.
    """

    def __init__(self, place: Path, keys: Keys, url: str | None = None, **settings: Any) -> None:
        without = {**_REAL, "INPUT_CHARSET": None}
        more = {"SIMULATOR": True, "SIMULATOR_WITHOUT_DEBUG": True}
        #: Whether messages of Alipay are lost, and their bodies.
        self.unreachable, self.received = False, list[bytes]()
        super().__init__(place, keys, url, **{**without, **more, **settings})
        self.app.before_request(self._receive)
        found = AlipaySimulator.of(self.app)
        assert found is not None
        #: Alipay.
        self.simulator = found

    def connect(self) -> None:
        """Leave the gateway connected to the simulator."""

    def run(self, work: Callable[[Any], Any], number: str = "DEP1") -> Any:
        with self.app.test_request_context(base_url="http://localhost"):
            found = work(self._find(number))
            if inspect(found, raiseerr=False) is not None:
                db.session.refresh(found)
                db.session.expunge(found)
            return found

    def truth(self, number: str = "DEP1") -> tuple[str, int, int]:
        """Return the status, and the captured and released amount in fen, at Alipay."""
        held: Preauthorization = self.simulator.preauthorization(number)
        return held.status, held.captured_fen, held.released_fen

    def messages(self) -> list[str]:
        """Return the kinds of the messages that have arrived."""
        return [dict(parse_qsl(body.decode()))["notify_type"] for body in self.received]

    def _receive(self) -> None:
        if request.endpoint == "alipay.notify":
            self.received.append(request.get_data())
            if self.unreachable:
                abort(502)
