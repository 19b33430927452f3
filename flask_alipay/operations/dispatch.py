"""Signals for observers, sent after the commit of a settlement."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

from ..ledger.callbacks import reject_unfinished, run_coroutine
from ..signals import payment_failed, payment_paid, payment_refunded

if TYPE_CHECKING:
    from blinker import NamedSignal

    from ..ledger import Settlement
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

_SIGNALS = {"paid": payment_paid, "failed": payment_failed, "refunded": payment_refunded}


def send_settlement_signals(merchant: Merchant, settlement: Settlement) -> None:
    """Send the signals of a settlement.

    :param merchant: the merchant of the current app.
    :param settlement: a committed settlement.
    """
    for event in settlement.events:
        signal = _SIGNALS.get(event)
        if signal is not None and signal.receivers:
            send_signal(merchant, signal, payment=settlement.payment)


def send_signal(merchant: Merchant, signal: NamedSignal, **values: object) -> None:
    """Send a signal to its receivers; log their exceptions, since the transaction is committed."""
    if not signal.receivers:
        return
    app = merchant.app
    for receiver in signal.receivers_for(app):
        try:
            result = receiver(app, alipay=merchant.blueprint, **values)
            if inspect.iscoroutine(result):
                run_coroutine(result)
            else:
                reject_unfinished(result)
        except Exception:
            logger.exception("a receiver of the signal %s raised", signal.name)
