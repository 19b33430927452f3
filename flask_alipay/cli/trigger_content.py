"""Contents of the messages of ``trigger`` that are about rows of the ledger."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..protocol.conversion import format_amount, format_china_time
from ..protocol.preauthorizations import CANCEL_MESSAGE, FREEZE_MESSAGE, UNFREEZE_MESSAGE
from .errors import CommandFailed
from .i18n import _
from .output import read

if TYPE_CHECKING:
    from ..merchant import Merchant

_NOW_NUMBER = "%Y%m%d%H%M%S000001"


def content_from_ledger(merchant: Merchant, kind: str, number: str | None) -> dict[str, Any] | None:
    """Return the content of a message about a pre-authorisation of the ledger.

    :param kind: the kind of the message.
    :param number: the ``out_order_no``; by default the newest pre-authorisation.
    :returns: ``None`` for another kind, and if the ledger has no pre-authorisation.
    :raises CommandFailed: if there is none with the number.
    """
    Authorization = merchant.models.Authorization
    if kind not in (FREEZE_MESSAGE, UNFREEZE_MESSAGE, CANCEL_MESSAGE) or Authorization is None:
        return None
    own = select(Authorization).where(Authorization.merchant == merchant.config.merchant)
    if number is not None:
        own = own.where(Authorization.out_order_no == number)
    found = next(iter(read(merchant, own.order_by(Authorization.id.desc()).limit(1))), None)
    if found is None and number is not None:
        raise CommandFailed(_("The ledger has no authorization {number!r}.").format(number=number))
    return None if found is None else _content(kind, found)


def _content(kind: str, authorization: Any) -> dict[str, Any]:
    """Return what Alipay reports: a freeze, the release of the rest, or a cancellation."""
    now = datetime.now(timezone.utc)
    releases = kind == UNFREEZE_MESSAGE
    operation_id = now.strftime(_NOW_NUMBER)
    numbers = {
        "auth_no": authorization.auth_no or f"{operation_id[:8]}10002001{operation_id[8:]:0>12}",
        "out_order_no": authorization.out_order_no,
        "operation_id": authorization.operation_id or operation_id,
        "out_request_no": authorization.out_request_no,
    }
    if kind == CANCEL_MESSAGE:
        return {**numbers, "action": "unfreeze" if authorization.rest_fen else "close"}
    total, captured, released = (
        getattr(authorization, name) for name in ("total_fen", "captured_fen", "released_fen")
    )
    rest = total - captured - released
    if releases:
        numbers |= {"operation_id": operation_id, "out_request_no": f"trigger{operation_id}"}
        released, rest = released + rest, 0
    amount = total - captured - authorization.released_fen if releases else total
    fen = {
        "amount": amount,
        "total_freeze_amount": total,
        "total_unfreeze_amount": released,
        "total_pay_amount": captured,
        "rest_amount": rest,
    }
    return {
        **numbers,
        "operation_type": "UNFREEZE" if releases else "FREEZE",
        "status": "SUCCESS",
        **{name: format_amount(value) for name, value in fen.items()},
        "gmt_create": format_china_time(now),
        "gmt_trans": format_china_time(now),
        "payer_user_id": authorization.payer_user_id or "2088000000000002",
    }
