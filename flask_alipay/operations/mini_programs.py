"""Payments in a mini-program (JSAPI 支付): one trade for each payment, for one buyer.

Alipay identifies a trade by the ``out_trade_no``: a repeated request for the same order and buyer
returns the same trade, one for another buyer is rejected as ``ACQ.TRADE_BUYER_NOT_MATCH`` (Alipay's
explanation of that code). So neither a retry nor a second worker creates another trade.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..exceptions import (
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
    UnknownPayment,
)
from .payment_state import is_payable, payment_state
from .queries import apply_update, query_trade, snapshot_and_commit
from .trade_params import require_openapi, trade_params

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway
    from ..merchant import Merchant

logger = logging.getLogger("flask_alipay")

# Of these identities the payment's details keep the last: it is no identity under our application.
_COLUMNS: Final = ("buyer_open_id", "buyer_id")
_DETAIL: Final = "op_buyer_open_id"
# Alipay's codes for a trade that has ended: the ledger may not know that yet.
_ENDED: Final = ("ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.TRADE_HAS_FINISHED")


def mini_program_trade(merchant: Merchant, payment: Any, **identities: str | None) -> str:
    """See :meth:`~flask_alipay.AlipayBlueprint.mini_program_trade`."""
    gateway = require_openapi(merchant, payment, "jsapi")
    buyer = {name: value for name, value in identities.items() if value is not None}
    if not buyer:
        raise InvalidParameter("buyer_open_id", "or buyer_id is required")
    if not is_payable(payment):
        state = payment_state(payment)
        raise InvalidParameter("payment", f"can no longer be paid: its state is {state}")
    stored = _stored_trade(payment, buyer)
    if stored is not None:
        return stored
    params = {
        "op_app_id": gateway.app_id,
        **trade_params(merchant, payment),
        **buyer,
        "product_code": "JSAPI_PAY",
    }
    snapshot = snapshot_and_commit(merchant, payment)
    try:
        trade_no = _create(gateway, params)
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if error.signed and error.sub_code in _ENDED:
            apply_update(merchant, snapshot, query_trade(snapshot).report)
        raise
    _store(merchant, snapshot.out_trade_no, trade_no, buyer)
    return trade_no


def _create(gateway: OpenApiGateway, params: Mapping[str, Any]) -> str:
    """Create the trade; repeat the request once if no response arrives."""
    try:
        return gateway.trade_create(**params).trade_no
    except OutcomeUnknown:
        return gateway.trade_create(**params).trade_no


def _stored_trade(payment: Any, buyer: Mapping[str, str]) -> str | None:
    """Return the number of a payment's trade if it is known to be for the buyer.

    :raises InvalidParameter: if it is for another buyer.
    """
    trade_no: str | None = payment.trade_no
    if trade_no is None:
        return None
    known = {name: getattr(payment, name) for name in _COLUMNS}
    known[_DETAIL] = (payment.details or {}).get(_DETAIL)
    compared = [name for name in buyer if known.get(name)]
    for name in compared:
        if known[name] != buyer[name]:
            raise InvalidParameter(
                name, "is not the buyer of this payment's trade: create another payment"
            )
    return trade_no if compared else None


def _store(merchant: Merchant, out_trade_no: str, trade_no: str, buyer: Mapping[str, str]) -> None:
    """Record the trade and its buyer, unless a report did meanwhile.

    :raises PaymentMismatch: if the payment has another trade, or another payment has this one.
    :raises UnknownPayment: if the payment was deleted meanwhile.
    """
    session = merchant.session
    try:
        payment: Any = merchant.ledger().find(out_trade_no)
        if payment is None:
            raise UnknownPayment("the payment was deleted meanwhile", out_trade_no=out_trade_no)
        known = payment.trade_no
        if known not in (None, trade_no):
            raise PaymentMismatch("trade_no", known, trade_no, out_trade_no=out_trade_no)
        _set(payment, trade_no, buyer)
        session.commit()
    except IntegrityError:
        session.rollback()
        raise PaymentMismatch("trade_no", "another", trade_no, out_trade_no=out_trade_no) from None
    except SQLAlchemyError as error:
        session.rollback()
        # The trade exists nevertheless; the next call returns the same number and records it.
        logger.warning("the trade of %s was not stored (%s)", out_trade_no, type(error).__name__)


def _set(payment: Any, trade_no: str, buyer: Mapping[str, str]) -> None:
    payment.trade_no = trade_no
    for name in _COLUMNS:
        if name in buyer and getattr(payment, name) is None:
            setattr(payment, name, buyer[name])
    if _DETAIL in buyer:
        payment.details = {**(payment.details or {}), _DETAIL: buyer[_DETAIL]}
