"""What observers hear: signals, sent after the commit, whoever brought the news."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

from flask import current_app

from ..ledger.callbacks import refuse_unfinished, run_coroutine
from ..signals import payment_failed, payment_paid, payment_refunded

if TYPE_CHECKING:
    from blinker import NamedSignal

    from ..blueprint.blueprint import AlipayBlueprint
    from ..ledger import Settlement

logger = logging.getLogger("flask_alipay")

_SIGNALS = {"paid": payment_paid, "failed": payment_failed, "refunded": payment_refunded}


def send_settlement_signals(alipay: AlipayBlueprint, settlement: Settlement) -> None:
    """Tells observers what came of a piece of news.

    :param alipay: the blueprint.
    :param settlement: committed.
    """
    for event in settlement.events:
        signal = _SIGNALS.get(event)
        if signal is not None and signal.receivers:
            send_signal(alipay, signal, payment=settlement.payment)


def send_signal(alipay: AlipayBlueprint, signal: NamedSignal, **what: object) -> None:
    """Tells observers. It is committed: whatever they raise changes nothing."""
    if not signal.receivers:
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    for receiver in signal.receivers_for(app):
        try:
            result = receiver(app, alipay=alipay, **what)
            if inspect.iscoroutine(result):
                run_coroutine(result)
            else:
                refuse_unfinished(result)
        except Exception:
            logger.exception("a receiver of the signal %s raised", signal.name)
