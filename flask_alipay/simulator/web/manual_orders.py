"""Test orders of the control page: trades that no shop has requested."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidParameter
from ...protocol.conversion import to_minor_units
from ...protocol.validation import check_text
from ..merchant.settings import SIGN_TYPES
from ..trades.orders import Order
from .urls import checked_url

if TYPE_CHECKING:
    from ..simulator import Simulator

_METHODS = {"mapi": "create_direct_pay_by_user", "openapi": "alipay.trade.page.pay"}
_MAX_SUBJECT = 256
_MAX_URL = 190


def read_order(body: Mapping[str, Any], simulator: Simulator) -> Order:
    """Return the order of a request, with a new number.

    :param body: ``amount`` in yuan and ``subject``; optionally ``protocol``, and the ``notify_url``
        and ``return_url`` of an app.
    :raises InvalidParameter: names the field that is missing or invalid.
    """
    protocol = _text(body, "protocol", simulator.protocol)
    if protocol not in _METHODS:
        raise InvalidParameter("protocol", 'must be "openapi" or "mapi"')
    sign_type = SIGN_TYPES[protocol][0]
    if protocol == simulator.protocol:
        sign_type = simulator.sign_type
    subject = _text(body, "subject").strip()
    if not subject:
        raise InvalidParameter("subject", "is required, as a text")
    check_text("subject", subject, max_length=_MAX_SUBJECT)
    check_text("subject", subject, max_length=4 * _MAX_SUBJECT, charset=simulator.charset)
    return Order(
        protocol=protocol,
        method=_METHODS[protocol],
        out_trade_no=f"TEST{simulator.clock.now():%Y%m%d%H%M%S}{secrets.token_hex(5)}",
        subject=subject,
        total_fen=to_minor_units(_text(body, "amount"), parameter="amount"),
        charset=simulator.charset,
        sign_type=sign_type,
        notify_url=checked_url("notify_url", _text(body, "notify_url"), max_length=_MAX_URL),
        return_url=checked_url("return_url", _text(body, "return_url"), max_length=_MAX_URL),
    )


def _text(body: Mapping[str, Any], name: str, default: str = "") -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise InvalidParameter(name, "must be a text")
    return value
