"""Simulator of Alipay for an application's tests; its pytest fixtures are in
``pytest_flask_alipay``.
"""

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
from .simulator.preauthorizations import FrozenAmounts
from .simulator.simulator import SIMULATORS
from .simulator.trades.funding import check_fund
from .simulator.trades.preauthorizations import Preauthorization, PreauthorizationEvent
from .simulator.trades.trades import Trade, TradeEvent
from .simulator.web.server import BoundSocket

if TYPE_CHECKING:
    from decimal import Decimal

    from flask import Flask


class AlipaySimulator:
    """Control of the simulated Alipay in tests. Each call returns after the application was
    notified and has responded.

    In an app with several merchants a call acts for the merchant of the payment.

    :param simulators: the merchants' simulators, by the endpoint of each blueprint.
    :param app: the app with the simulators, if any: a payment of its ledger whose buyer has not
        visited Alipay yet is submitted to Alipay first.
    """

    def __init__(self, simulators: Mapping[str, Simulator], app: Flask | None = None) -> None:
        self._simulators = simulators
        self._app = app

    @classmethod
    def of(cls, app: Flask) -> AlipaySimulator | None:
        """Return the simulator of an app, ``None`` if it has none."""
        simulators: dict[str, Simulator] = getattr(app, "extensions", {}).get(SIMULATORS, {})
        return cls(simulators, app) if simulators else None

    def pay(self, out_trade_no: str, paid_with: str = "") -> Trade:
        """Pay as the buyer.

        :param paid_with: ``balance``, ``credit`` or a bank's code.
        :returns: the resulting trade at Alipay.
        :raises LookupError: if there is no such trade, nor a payment to create it.
        :raises InvalidParameter: if the trade cannot be paid in its present status.
        """
        if paid_with:
            check_fund(paid_with)
        return self._apply_event(out_trade_no, TradeEvent.PAY, paid_with)

    def close(self, out_trade_no: str) -> Trade:
        """Close the trade as the buyer, with the exceptions of :meth:`pay`."""
        return self._apply_event(out_trade_no, TradeEvent.CLOSE)

    def finish(self, out_trade_no: str) -> Trade:
        """End the time for refunds, with the exceptions of :meth:`pay`."""
        return self._apply_event(out_trade_no, TradeEvent.FINISH)

    def refund(self, out_trade_no: str, amount: str | int | Decimal | None = None) -> Trade:
        """Refund the trade, with the exceptions of :meth:`pay`.

        :param amount: yuan; by default the amount that is not refunded yet.
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
        """Send a notification again, with the same ID.

        :param out_trade_no: resend the last notification of this trade; by default the last of all.
        :param times: number of repetitions.
        :returns: the attempts with their responses, one for each time.
        :raises LookupError: if there is no notification yet.
        """
        sent = [
            delivery
            for delivery in self.deliveries
            if out_trade_no is None or delivery.notice.out_trade_no == out_trade_no
        ]
        if not sent:
            raise LookupError("no notification has been sent yet")
        simulator = next(
            each for each in self._simulators.values() if sent[-1] in each.deliverer.deliveries
        )
        for _ in range(times):
            simulator.deliverer.resend(sent[-1])
        return list(sent[-1].attempts[len(sent[-1].attempts) - times :])

    def advance(self, **delta: float) -> None:
        """Advance the time: due retries are sent, expired trades closed.

        :param delta: parameters of :class:`~datetime.timedelta`: ``hours=25``.
        """
        for simulator in self._simulators.values():
            simulator.advance(timedelta(**delta))

    def inject_fault(self, kind: str, **details: Any) -> None:
        """Inject a fault, once or ``times`` times; with several merchants, at the merchant of
        ``out_trade_no`` or else at each.

        :param kind: one of the simulator's faults, ``"system-error-done"`` for example.
        :param details: ``times``, ``out_trade_no``, ``seconds``, ``method``.
        :raises InvalidParameter: if there is no such fault, or too many are pending.
        """
        fault = read_fault({"kind": kind, **details})
        number = details.get("out_trade_no")
        owner = number and self._owner_of(number)
        for simulator in [self._simulators[owner]] if owner else self._simulators.values():
            if not simulator.faults.add(fault):
                raise InvalidParameter("kind", "cannot be added: too many faults are pending")

    def trade(self, out_trade_no: str) -> Trade:
        """Return a trade at Alipay.

        :raises LookupError: if there is none.
        """
        for simulator in self._simulators.values():
            trade = simulator.trades.by_out_trade_no(out_trade_no)
            if trade is not None:
                return trade
        raise LookupError(f"no buyer has visited Alipay to pay {out_trade_no}")

    def authorize(self, out_order_no: str) -> Preauthorization:
        """Freeze the amount of a pre-authorisation as the payer.

        :param out_order_no: the merchant's number of it.
        :returns: the pre-authorisation at Alipay after it.
        :raises LookupError: if Alipay does not know it.
        :raises InvalidParameter: if that is not possible in its present status.
        """
        return self._apply_to_preauthorization(out_order_no, PreauthorizationEvent.FREEZE)

    def reject_authorization(self, out_order_no: str) -> Preauthorization:
        """Reject a pre-authorisation as the payer, with the exceptions of :meth:`authorize`."""
        return self._apply_to_preauthorization(out_order_no, PreauthorizationEvent.REFUSE)

    def expire_authorization(self, out_order_no: str) -> Preauthorization:
        """End the time of a pre-authorisation: what is frozen is released.

        With the exceptions of :meth:`authorize`.
        """
        return self._apply_to_preauthorization(out_order_no, PreauthorizationEvent.EXPIRE)

    def preauthorization(self, out_order_no: str) -> Preauthorization:
        """Return a pre-authorisation at Alipay.

        :raises LookupError: if there is none.
        """
        return self._preauthorization_of(out_order_no)[1]

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All notifications with their responses, the oldest first."""
        by_merchant = [each.deliverer.deliveries for each in self._simulators.values()]
        if len(by_merchant) == 1:
            return by_merchant[0]
        merged = (delivery for deliveries in by_merchant for delivery in deliveries)
        return tuple(sorted(merged, key=_first_sent))

    def _apply_event(self, out_trade_no: str, event: str, paid_with: str = "") -> Trade:
        problem = ""
        if self._app is not None and not self._has_trade(out_trade_no):
            problem = _visit_gateway(self._app, out_trade_no)
        if problem and not self._has_trade(out_trade_no):
            raise LookupError(f"the buyer cannot reach Alipay to pay {out_trade_no}: {problem}")
        trade = self.trade(out_trade_no)
        step = self._simulator_of(out_trade_no).apply_event(out_trade_no, event, paid_with)
        if step is None or step.event != trade.resolve_event(event):
            now = self.trade(out_trade_no).status
            raise InvalidParameter(
                "out_trade_no", f"has a trade with status {now}, which does not allow {event}"
            )
        return step.trade

    def _apply_to_preauthorization(self, out_order_no: str, event: str) -> Preauthorization:
        frozen_amounts, held = self._preauthorization_of(out_order_no)
        changed = frozen_amounts.apply(out_order_no, event)
        if changed is None:
            reason = f"has a pre-authorisation with status {held.status}"
            raise InvalidParameter("out_order_no", f"{reason}, which does not allow {event}")
        return changed

    def _preauthorization_of(self, out_order_no: str) -> tuple[FrozenAmounts, Preauthorization]:
        for simulator in self._simulators.values():
            held = simulator.preauthorizations.get(out_order_no)
            if held is not None:
                return simulator.preauthorizations, held
        raise LookupError(f"Alipay has no pre-authorisation {out_order_no}")

    def _has_trade(self, out_trade_no: str) -> bool:
        return any(
            simulator.trades.by_out_trade_no(out_trade_no) is not None
            for simulator in self._simulators.values()
        )

    def _simulator_of(self, out_trade_no: str) -> Simulator:
        """Return the simulator that has the trade."""
        return next(
            simulator
            for simulator in self._simulators.values()
            if simulator.trades.by_out_trade_no(out_trade_no) is not None
        )

    def _owner_of(self, out_trade_no: str) -> str | None:
        """Return the endpoint of the payment's merchant, if the payment is in the ledger."""
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
    """A simulator with its own HTTP server, in a thread of the test process."""

    #: Its URL, without a trailing slash.
    url: str
    #: Settings of its merchant for ``app.config``, without prefix.
    settings: dict[str, Any] = field(repr=False)
    #: The directory of its key files, for an app in any language.
    folder: Path
    #: Control of the simulator.
    simulator: AlipaySimulator

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[AlipayServer]:
        """Run a server until the end of the block.

        :param folder: the directory for its key files.
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


def _visit_gateway(app: Flask, out_trade_no: str) -> str:
    """Send a payment of the app to Alipay, as its buyer's browser would.

    :returns: a description of the response; empty if there is no such payment.
    """
    schemes: tuple[str, ...] = (app.config["PREFERRED_URL_SCHEME"], "https")
    for scheme in schemes:
        url = _gateway_url(app, out_trade_no, scheme)
        if url is None:
            return ""
        response = _get(app, url)
        location = response.headers.get("Location", "")
        if not (scheme == "http" and location.startswith("https:")):
            break  # an https-only app redirects the buyer to https
    path = str(urlsplit(url).path)
    result = f"{path} responded with status {response.status_code}"
    return f"{result} and Location {location}" if location else result


def _gateway_url(app: Flask, out_trade_no: str, scheme: str) -> str | None:
    """Return the URL to which the payment's merchant redirects the buyer."""
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


def _get(app: Flask, url: str) -> TestResponse:
    """Send a GET outside of an app context, as a browser does, below the app's root path."""
    parts, root = urlsplit(url), app.config["APPLICATION_ROOT"].rstrip("/")
    return Client(app, Response).get(
        parts.path.removeprefix(root),
        base_url=f"{parts.scheme}://{parts.netloc}{root}",
        query_string=parts.query,
    )
