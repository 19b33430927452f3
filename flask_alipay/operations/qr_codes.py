"""The QR code of a payment: asked for once, kept with the payment, and asked for anew when it has
grown too old or the payment's amount has changed. Asked twice with one ``out_trade_no``, Alipay
answers for the same order: a code more does no harm, whichever of them is scanned.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from ..models import utc_now
from ..protocol.limits import timeout_minutes
from .trade_params import require_openapi, trade_params

if TYPE_CHECKING:
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

# Alipay's own limit, and what a buyer needs who has just begun to look.
_LIFE, _SPARE = timedelta(hours=2), timedelta(seconds=30)


@dataclass(frozen=True)
class PaymentQrCode:
    """What a buyer scans."""

    #: What it says.
    text: str
    #: When Alipay stops taking it; aware UTC.
    expires_at: datetime
    #: The amount that a buyer pays who scans it.
    total_fen: int

    @property
    def seconds_left(self) -> int:
        """How long it may still be shown, rounded up: who asks then gets a new one."""
        return max(0, int((self.expires_at - _SPARE - utc_now()).total_seconds())) + 1

    @property
    def link(self) -> str | None:
        """Where a phone that shows it may go instead of scanning itself."""
        return self.text if self.text.startswith(("https://", "http://")) else None

    @property
    def svg(self) -> str:
        """The picture, to be put into a page."""
        import segno  # only where one is shown

        picture = segno.make(self.text, error="m", micro=False)
        return picture.svg_inline(border=2, omitsize=True, dark="#000", light="#fff")


def qr_code(merchant: Merchant, payment: Any) -> PaymentQrCode:
    """Return the code of a payment; raises as :meth:`~flask_alipay.AlipayBlueprint.qr_code`."""
    gateway = require_openapi(merchant, payment, "qr")
    kept = _kept(payment)
    if kept is not None:
        return kept
    order, life, total_fen = trade_params(merchant, payment), _life(payment), payment.total_fen
    # No transaction is kept open, and no connection held, while Alipay is asked.
    merchant.session.commit()
    until = utc_now() + life
    answer = gateway.trade_precreate(**order)
    code = _keep(merchant, answer.out_trade_no, PaymentQrCode(answer.qr_code, until, total_fen))
    # If the amount was changed meanwhile, a buyer would pay another one than the ledger expects.
    return code if code.total_fen == payment.total_fen else qr_code(merchant, payment)


def _keep(merchant: Merchant, out_trade_no: str, code: PaymentQrCode) -> PaymentQrCode:
    """Writes the code down; another worker's that came first is as good."""
    session = merchant.session
    try:
        payment: Any = merchant.ledger().find(out_trade_no)
        first = _kept(payment)
        if first is None:
            kept = {
                "qr_code": code.text,
                "qr_code_until": code.expires_at.isoformat(),
                "qr_code_fen": code.total_fen,
            }
            payment.details = {**(payment.details or {}), **kept}
        session.commit()
    except SQLAlchemyError as error:
        session.rollback()
        # It is good all the same; the next who looks asks for one more.
        logger.warning("the QR code of %s was not kept (%s)", out_trade_no, type(error).__name__)
        return code
    return first or code


def _kept(payment: Any) -> PaymentQrCode | None:
    details = payment.details or {}
    if "qr_code" not in details or details.get("qr_code_fen") != payment.total_fen:
        return None
    until = datetime.fromisoformat(details["qr_code_until"])
    code = PaymentQrCode(details["qr_code"], until, payment.total_fen)
    return code if code.expires_at - _SPARE > utc_now() else None


def _life(payment: Any) -> timedelta:
    """How long Alipay takes a new code: as the payment says, two hours at most."""
    said = (payment.details or {}).get("qr_code_timeout_express")
    minutes = timeout_minutes("qr_code_timeout_express", said) if said else None
    return _LIFE if minutes is None else min(_LIFE, timedelta(minutes=minutes))
