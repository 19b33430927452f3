"""An Alipay for a shop's own tests; its fixtures are in ``pytest_flask_alipay``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from .blueprint.state import states
from .exceptions import InvalidParameter
from .ledger.session import unfiltered
from .money import to_fen, to_yuan
from .simulator import Simulator
from .simulator.deliveries import Attempt, Delivery
from .simulator.faults import read_fault
from .simulator.funds import check_fund
from .simulator.merchant import Merchant
from .simulator.merchant_files import write_merchant
from .simulator.server import Listening
from .simulator.simulator import SIMULATORS
from .simulator.trades import Event, Trade

if TYPE_CHECKING:
    from decimal import Decimal

    from flask import Flask


class AlipaySimulator:
    """What a test has Alipay do. Each call returns after the shop was told and has answered.

    :param simulator: does it.
    :param app: the app that it is in, if it is in one: a payment of its ledger whose buyer has not
        set out yet is taken to Alipay first.
    """

    def __init__(self, simulator: Simulator, app: Flask | None = None) -> None:
        self._simulator = simulator
        self._app = app

    @classmethod
    def of(cls, app: Flask) -> AlipaySimulator | None:
        """Returns the one inside an app, ``None`` if it has none."""
        simulators: dict[str, Simulator] = getattr(app, "extensions", {}).get(SIMULATORS, {})
        return next((cls(simulator, app) for simulator in simulators.values()), None)

    def pay(self, out_trade_no: str, paid_with: str = "") -> Trade:
        """Has the buyer pay.

        :param paid_with: ``balance``, ``credit`` or a bank's code.
        :returns: the trade as Alipay has it then.
        :raises LookupError: if there is no such trade, nor a payment to make one of.
        :raises InvalidParameter: if the trade cannot be paid as it stands.
        """
        if paid_with:
            check_fund(paid_with)
        return self._happen(out_trade_no, Event.PAY, paid_with)

    def close(self, out_trade_no: str) -> Trade:
        """Closes the trade: the buyer refuses, raising as :meth:`pay` does."""
        return self._happen(out_trade_no, Event.CLOSE)

    def finish(self, out_trade_no: str) -> Trade:
        """Ends the time for refunds, raising as :meth:`pay` does."""
        return self._happen(out_trade_no, Event.FINISH)

    def refund(self, out_trade_no: str, amount: str | int | Decimal | None = None) -> Trade:
        """Gives money back, raising as :meth:`pay` does.

        :param amount: yuan; without it all that is left.
        """
        trade = self.trade(out_trade_no)
        left = trade.order.total_fen - trade.refunded_fen
        fen = left if amount is None else to_fen(amount, trade.order.currency, parameter="amount")
        changed = self._simulator.refund(out_trade_no, fen)
        if changed is None:
            raise InvalidParameter("amount", f"cannot be refunded: {to_yuan(left)} is left")
        return changed

    def deliver(self, out_trade_no: str | None = None, *, times: int = 1) -> list[Attempt]:
        """Sends a notification again, under its own number.

        :param out_trade_no: the last one about this trade; without it, the last of all.
        :param times: how often.
        :returns: what was sent and answered, one for each time.
        :raises LookupError: if nothing was told yet.
        """
        told = [
            delivery
            for delivery in self.deliveries
            if out_trade_no is None or delivery.notice.out_trade_no == out_trade_no
        ]
        if not told:
            raise LookupError("nothing was told of it yet")
        for _ in range(times):
            self._simulator.deliverer.again(told[-1])
        return list(told[-1].attempts[len(told[-1].attempts) - times :])

    def advance(self, **delta: float) -> None:
        """Moves the time on: repetitions that are due are sent, trades that are overdue closed.

        :param delta: what :class:`~datetime.timedelta` takes: ``hours=25``.
        """
        self._simulator.advance(timedelta(**delta))

    def fault(self, kind: str, **details: Any) -> None:
        """Has something go wrong from now on, once or as often as the ``times`` say.

        :param kind: one of the simulator's faults, ``"system-error-done"`` for example.
        :param details: ``times``, ``out_trade_no``, ``seconds``, ``method``.
        :raises InvalidParameter: if there is no such fault, or too many wait already.
        """
        if not self._simulator.faults.add(read_fault({"kind": kind, **details})):
            raise InvalidParameter("kind", "cannot be added: too many faults wait already")

    def trade(self, out_trade_no: str) -> Trade:
        """Returns a trade as Alipay has it.

        :raises LookupError: if there is none.
        """
        trade = self._simulator.trades.by_out_trade_no(out_trade_no)
        if trade is None:
            raise LookupError(f"no buyer has set out to Alipay with {out_trade_no}")
        return trade

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The notifications so far, the oldest first, each with what was answered."""
        return self._simulator.deliverer.deliveries

    def _happen(self, out_trade_no: str, event: str, paid_with: str = "") -> Trade:
        if self._simulator.trades.by_out_trade_no(out_trade_no) is None and self._app is not None:
            _set_out(self._app, out_trade_no)
        trade = self.trade(out_trade_no)
        step = self._simulator.happen(out_trade_no, event, paid_with)
        if step is None or step.event != trade.meant(event):
            now = self.trade(out_trade_no).status
            raise InvalidParameter("out_trade_no", f"is of a trade that is {now}: no {event}")
        return step.trade


@dataclass(frozen=True)
class AlipayServer:
    """A simulator that is served by itself, in a thread of the test's."""

    #: Where it is found, without a slash at the end.
    url: str
    #: What to put into ``app.config``, without prefix, to be its merchant.
    settings: dict[str, Any] = field(repr=False)
    #: Where its keys are, as files for an app in any language.
    folder: Path
    #: What it does.
    simulator: AlipaySimulator

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[AlipayServer]:
        """Serves one until the end of the block.

        :param folder: gets its keys.
        """
        listening = Listening("127.0.0.1", 0)
        simulator = Simulator(base_url=listening.base_url, merchant=Merchant.new())
        gateway_url = f"{listening.base_url}/gateway.do"
        write_merchant(
            folder, simulator.merchant, gateway_url=gateway_url, mapi_gateway_url=gateway_url
        )
        server = listening.server(simulator)
        listening.close()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield cls(
                listening.base_url,
                simulator.merchant_settings(),
                folder,
                AlipaySimulator(simulator),
            )
        finally:
            server.shutdown()
            thread.join()


def _set_out(app: Flask, out_trade_no: str) -> None:
    """Goes to Alipay with a payment of the app's, as its buyer would."""
    for alipay in list(states(app)):
        with app.test_request_context():
            named = select(alipay.models.Payment).filter_by(out_trade_no=out_trade_no)
            payment = unfiltered(alipay.session, named).scalars().unique().one_or_none()
            url = None if payment is None else alipay.gateway_url(payment)
        if url is not None:  # asked outside of the context, as a buyer does
            app.test_client().get(url)
            return
