"""QR codes of payments: requested once and stored with the payment.

A new code is requested when the stored one is too old or the payment's amount has changed. Two
requests with the same ``out_trade_no`` are for the same order at Alipay: a second code does no
harm, whichever of them is scanned.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from ..models import utc_now
from ..protocol.validation import timeout_minutes
from .sending import mark_sent
from .trade_params import require_openapi, trade_params

if TYPE_CHECKING:
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

# Alipay's limit, and the time that a buyer needs to scan a code that was just shown.
_MAX_LIFETIME, _RESERVE = timedelta(hours=2), timedelta(seconds=30)


@dataclass(frozen=True)
class PaymentQrCode:
    """The QR code that a buyer scans."""

    #: The encoded text.
    text: str
    #: The time after which Alipay rejects it; aware UTC.
    expires_at: datetime
    #: The amount that a scan charges, in fen.
    total_fen: int

    @property
    def seconds_left(self) -> int:
        """The seconds for which it may still be shown, rounded up; then a new one is due."""
        return max(0, int((self.expires_at - _RESERVE - utc_now()).total_seconds())) + 1

    @property
    def link(self) -> str | None:
        """The link for a buyer on the phone that shows the code, ``None`` if there is none."""
        return self.text if self.text.startswith(("https://", "http://")) else None

    @property
    def svg(self) -> str:
        """The image as SVG, to be embedded in a page."""
        import segno  # only imported if a code is shown

        picture = segno.make(self.text, error="m", micro=False)
        return picture.svg_inline(border=2, omitsize=True, dark="#000", light="#fff")


def qr_code(merchant: Merchant, payment: Any) -> PaymentQrCode:
    """Return the code of a payment; raises as :meth:`~flask_alipay.AlipayBlueprint.qr_code`."""
    gateway = require_openapi(merchant, payment, "qr")
    stored = _stored(payment)
    if stored is not None:
        return stored
    params, total_fen = trade_params(merchant, payment), payment.total_fen
    lifetime = _lifetime(payment)
    # No transaction stays open and no connection is held during the request.
    merchant.session.commit()
    until = utc_now() + lifetime
    response = gateway.trade_precreate(**params)
    code = PaymentQrCode(response.qr_code, until, total_fen)
    code = _store(merchant, response.out_trade_no, code)
    # If the amount has changed meanwhile, the code would charge another amount than the ledger has.
    return code if code.total_fen == payment.total_fen else qr_code(merchant, payment)


def _store(merchant: Merchant, out_trade_no: str, code: PaymentQrCode) -> PaymentQrCode:
    """Store the code unless another worker was faster; return the stored one."""
    session = merchant.session
    try:
        payment: Any = merchant.ledger().find(out_trade_no)
        first = _stored(payment)
        if first is None:
            values = {
                "qr_code": code.text,
                "qr_code_until": code.expires_at.isoformat(),
                "qr_code_fen": code.total_fen,
            }
            payment.details = {**(payment.details or {}), **values}
            mark_sent(payment)
        session.commit()
    except SQLAlchemyError as error:
        session.rollback()
        # The code is valid nevertheless; the next view of the page requests another one.
        logger.warning("the QR code of %s was not stored (%s)", out_trade_no, type(error).__name__)
        return code
    return first or code


def _stored(payment: Any) -> PaymentQrCode | None:
    details = payment.details or {}
    if "qr_code" not in details or details.get("qr_code_fen") != payment.total_fen:
        return None
    until = datetime.fromisoformat(details["qr_code_until"])
    code = PaymentQrCode(details["qr_code"], until, payment.total_fen)
    return code if code.expires_at - _RESERVE > utc_now() else None


def _lifetime(payment: Any) -> timedelta:
    """Return the lifetime of a new code: the payment's parameter, at most two hours."""
    timeout = (payment.details or {}).get("qr_code_timeout_express")
    minutes = timeout_minutes("qr_code_timeout_express", timeout) if timeout else None
    return _MAX_LIFETIME if minutes is None else min(_MAX_LIFETIME, timedelta(minutes=minutes))
