"""Simulator of Alipay for an application's tests; its pytest fixtures are in
``pytest_flask_alipay``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .blueprint.simulated_buyer import find_payment, merchants_of, pay_url, sign_url, visit
from .exceptions import InvalidParameter
from .protocol.agreements import AgreementStatus
from .protocol.conversion import format_amount, to_minor_units
from .simulator import Simulator
from .simulator.faults import read_fault
from .simulator.merchant.files import write_merchant
from .simulator.merchant.merchant import SimulatedMerchant
from .simulator.notifications.sender import Attempt, Delivery
from .simulator.preauthorizations import FrozenAmounts
from .simulator.simulator import SIMULATORS
from .simulator.trades.agreements import Agreement
from .simulator.trades.funding import check_fund
from .simulator.trades.periods import months_later
from .simulator.trades.preauthorizations import Preauthorization, PreauthorizationEvent
from .simulator.trades.trades import Trade, TradeEvent
from .simulator.wallet import Wallet
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

    def advance(self, *, months: int = 0, **delta: float) -> None:
        """Advance the time: due retries are sent, expired trades closed.

        :param months: to the same day of a later month in China, or to the month's last day.
        :param delta: parameters of :class:`~datetime.timedelta`: ``hours=25``.
        """
        for simulator in self._simulators.values():
            later = months_later(simulator.clock.now(), months)
            simulator.advance(later + timedelta(**delta))

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

    def sign(self, external_agreement_no: str) -> Agreement:
        """Sign an agreement as the buyer.

        :param external_agreement_no: the merchant's number of it.
        :returns: the agreement at Alipay after it.
        :raises LookupError: if there is neither a request to sign it, nor an agreement that is one.
        :raises InvalidParameter: if it is signed already, or was requested too long ago.
        """
        if self._app is not None and not self._is_to_be_signed(external_agreement_no):
            problem = visit(self._app, partial(sign_url, number=external_agreement_no))
            if problem and not self._is_to_be_signed(external_agreement_no):
                reason = f"cannot reach Alipay to sign {external_agreement_no}: {problem}"
                raise LookupError(f"the buyer {reason}")
        wallet, agreement = self._agreement_of(external_agreement_no)
        changed = wallet.sign(agreement.page_id)
        if agreement.agreement_no or changed is None or not changed.agreement_no:
            raise InvalidParameter("external_agreement_no", "has no agreement that can be signed")
        return changed

    def end_agreement(self, external_agreement_no: str) -> Agreement:
        """End an agreement as the buyer, in the wallet: only the application gateway is notified.

        :param external_agreement_no: the merchant's number of it.
        :returns: the agreement at Alipay after it.
        :raises LookupError: if there is none.
        :raises InvalidParameter: if it is not in force.
        """
        wallet, agreement = self._agreement_of(external_agreement_no)
        if not wallet.end(agreement.agreement_no):
            raise InvalidParameter("external_agreement_no", "has no agreement in force")
        return self.agreement(external_agreement_no)

    def empty_account(self, external_agreement_no: str, *, empty: bool = True) -> None:
        """Leave the buyer without the money for deductions by an agreement, or with it again.

        :param external_agreement_no: the merchant's number of the agreement.
        :raises LookupError: if there is none.
        """
        wallet, agreement = self._agreement_of(external_agreement_no)
        wallet.fund(agreement.agreement_no, not empty)

    def agreement(self, external_agreement_no: str) -> Agreement:
        """Return the last agreement with a number of the merchant's at Alipay.

        :raises LookupError: if there is none.
        """
        return self._agreement_of(external_agreement_no)[1]

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
            problem = visit(self._app, partial(pay_url, out_trade_no=out_trade_no))
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

    def _agreement_of(self, external_agreement_no: str) -> tuple[Wallet, Agreement]:
        for simulator in self._simulators.values():
            found = simulator.wallet.registry.store.find(external_agreement_no)
            if found is not None:
                return simulator.wallet, found
        raise LookupError(f"no buyer has visited Alipay to sign {external_agreement_no}")

    def _is_to_be_signed(self, external_agreement_no: str) -> bool:
        try:
            return self.agreement(external_agreement_no).status == AgreementStatus.TEMP
        except LookupError:
            return False

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
                for merchant in merchants_of(self._app)
                if find_payment(merchant, out_trade_no) is not None
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
