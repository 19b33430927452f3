"""An Alipay for a shop's own tests; its fixtures are in ``pytest_flask_alipay``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from .blueprint.embedded_simulator import site_of
from .exceptions import InvalidParameter
from .merchant import Merchant
from .operations.payments import gateway_request
from .protocol.money import format_amount, to_minor_units
from .simulator import Simulator
from .simulator.faults import read_fault
from .simulator.merchant.files import write_merchant
from .simulator.merchant.merchant import SimulatedMerchant
from .simulator.notifications.sender import Attempt, Delivery
from .simulator.simulator import SIMULATORS
from .simulator.trades.funding import check_fund
from .simulator.trades.trades import Event, Trade
from .simulator.web.server import BoundSocket

if TYPE_CHECKING:
    from decimal import Decimal

    from flask import Flask


class AlipaySimulator:
    """What a test has Alipay do. Each call returns after the shop was told and has answered.

    In an app with several merchants it acts for the one whose payment it is.

    :param simulators: of the merchants, by the endpoint of each blueprint.
    :param app: the app that they are in, if they are in one: a payment of its ledger whose buyer
        has not set out yet is taken to Alipay first.
    """

    def __init__(self, simulators: Mapping[str, Simulator], app: Flask | None = None) -> None:
        self._simulators = simulators
        self._app = app

    @classmethod
    def of(cls, app: Flask) -> AlipaySimulator | None:
        """Returns the one inside an app, ``None`` if it has none."""
        simulators: dict[str, Simulator] = getattr(app, "extensions", {}).get(SIMULATORS, {})
        return cls(simulators, app) if simulators else None

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
        fen = (
            left
            if amount is None
            else to_minor_units(amount, trade.order.currency, parameter="amount")
        )
        changed = self._simulator_of(out_trade_no).refund(out_trade_no, fen)
        if changed is None:
            raise InvalidParameter("amount", f"cannot be refunded: {format_amount(left)} is left")
        return changed

    def resend_notification(
        self, out_trade_no: str | None = None, *, times: int = 1
    ) -> list[Attempt]:
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
        simulator = next(
            each for each in self._simulators.values() if told[-1] in each.deliverer.deliveries
        )
        for _ in range(times):
            simulator.deliverer.resend(told[-1])
        return list(told[-1].attempts[len(told[-1].attempts) - times :])

    def advance(self, **delta: float) -> None:
        """Moves the time on: repetitions that are due are sent, trades that are overdue closed.

        :param delta: what :class:`~datetime.timedelta` takes: ``hours=25``.
        """
        for simulator in self._simulators.values():
            simulator.advance(timedelta(**delta))

    def inject_fault(self, kind: str, **details: Any) -> None:
        """Has something go wrong from now on, once or as often as the ``times`` say; with several
        merchants, at the one of ``out_trade_no``, or else at each.

        :param kind: one of the simulator's faults, ``"system-error-done"`` for example.
        :param details: ``times``, ``out_trade_no``, ``seconds``, ``method``.
        :raises InvalidParameter: if there is no such fault, or too many wait already.
        """
        fault = read_fault({"kind": kind, **details})
        number = details.get("out_trade_no")
        owner = number and self._owner_of(number)
        for simulator in [self._simulators[owner]] if owner else self._simulators.values():
            if not simulator.faults.add(fault):
                raise InvalidParameter("kind", "cannot be added: too many faults wait already")

    def trade(self, out_trade_no: str) -> Trade:
        """Returns a trade as Alipay has it.

        :raises LookupError: if there is none.
        """
        for simulator in self._simulators.values():
            trade = simulator.trades.by_out_trade_no(out_trade_no)
            if trade is not None:
                return trade
        raise LookupError(f"no buyer has set out to Alipay with {out_trade_no}")

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The notifications so far, the oldest first, each with what was answered."""
        told = [each.deliverer.deliveries for each in self._simulators.values()]
        if len(told) == 1:
            return told[0]
        everything = (delivery for deliveries in told for delivery in deliveries)
        return tuple(sorted(everything, key=_first_sent))

    def _happen(self, out_trade_no: str, event: str, paid_with: str = "") -> Trade:
        answer = ""
        if self._app is not None and not self._knows(out_trade_no):
            answer = _set_out(self._app, out_trade_no)
        if answer and not self._knows(out_trade_no):
            raise LookupError(f"the way to Alipay with {out_trade_no} is blocked: {answer}")
        trade = self.trade(out_trade_no)
        step = self._simulator_of(out_trade_no).apply_event(out_trade_no, event, paid_with)
        if step is None or step.event != trade.resolve_event(event):
            now = self.trade(out_trade_no).status
            raise InvalidParameter("out_trade_no", f"is of a trade that is {now}: no {event}")
        return step.trade

    def _knows(self, out_trade_no: str) -> bool:
        return any(
            simulator.trades.by_out_trade_no(out_trade_no) is not None
            for simulator in self._simulators.values()
        )

    def _simulator_of(self, out_trade_no: str) -> Simulator:
        """The one that has the trade."""
        return next(
            simulator
            for simulator in self._simulators.values()
            if simulator.trades.by_out_trade_no(out_trade_no) is not None
        )

    def _owner_of(self, out_trade_no: str) -> str | None:
        """The endpoint of the merchant whose payment it is, if it is in the ledger."""
        if self._app is None:
            return None
        with self._app.app_context():
            owners = [
                merchant.name
                for merchant in _merchants(self._app)
                if _payment(merchant, out_trade_no) is not None
            ]
        return next((owner for owner in owners if owner in self._simulators), None)


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
        bound = BoundSocket("127.0.0.1", 0)
        simulator = Simulator(base_url=bound.base_url, merchant=SimulatedMerchant.new())
        gateway_url = f"{bound.base_url}/gateway.do"
        write_merchant(
            folder, simulator.merchant, gateway_url=gateway_url, mapi_gateway_url=gateway_url
        )
        server = bound.server(simulator)
        bound.close()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield cls(
                bound.base_url,
                simulator.merchant_settings(),
                folder,
                AlipaySimulator({"": simulator}),
            )
        finally:
            server.shutdown()
            thread.join()


def _first_sent(delivery: Delivery) -> datetime:
    attempts = delivery.attempts
    return attempts[0].sent_at if attempts else datetime.max.replace(tzinfo=timezone.utc)


def _set_out(app: Flask, out_trade_no: str) -> str:
    """Goes to Alipay with a payment of the app's, as its buyer would.

    :returns: what the app answered; empty if there is no such payment.
    """
    schemes: tuple[str, ...] = (app.config["PREFERRED_URL_SCHEME"], "https")
    for scheme in schemes:
        url = _gateway_url(app, out_trade_no, scheme)
        if url is None:
            return ""
        response = _visited(app, url)
        location = response.headers.get("Location", "")
        if not (scheme == "http" and location.startswith("https:")):
            break  # an app that is served over https alone sends the buyer there
    path = str(urlsplit(url).path)
    answer = f"{path} answered with status {response.status_code}"
    return f"{answer} and Location {location}" if location else answer


def _gateway_url(app: Flask, out_trade_no: str, scheme: str) -> str | None:
    """Where the payment's merchant sends the buyer."""
    for merchant in _merchants(app):
        with app.test_request_context(base_url=site_of(app, scheme)):
            payment = _payment(merchant, out_trade_no)
            if payment is not None:
                return gateway_request(merchant, payment).url
    return None


def _merchants(app: Flask) -> list[Merchant]:
    return list(app.extensions.get("alipay", {}).values())


def _payment(merchant: Merchant, out_trade_no: str) -> Any:
    """Return a payment of a merchant; another merchant's may be in the same table."""
    found = select(merchant.models.Payment).filter_by(
        out_trade_no=out_trade_no, merchant=merchant.config.merchant
    )
    return merchant.session.scalars(found).unique().one_or_none()


def _visited(app: Flask, url: str) -> TestResponse:
    """Asked outside of a context, as a buyer does, below the path that the app is served at."""
    parts, root = urlsplit(url), app.config["APPLICATION_ROOT"].rstrip("/")
    return Client(app, Response).get(
        parts.path.removeprefix(root),
        base_url=f"{parts.scheme}://{parts.netloc}{root}",
        query_string=parts.query,
    )
