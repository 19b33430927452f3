"""Contents of the messages of ``trigger`` that are about rows of the ledger."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..protocol.agreements import SIGN_MESSAGE, UNSIGN_MESSAGE, AgreementStatus
from ..protocol.conversion import format_amount, format_china_time
from ..protocol.preauthorizations import CANCEL_MESSAGE, FREEZE_MESSAGE, UNFREEZE_MESSAGE
from .errors import CommandFailed
from .i18n import _
from .output import read

if TYPE_CHECKING:
    from ..merchant import Merchant

_NOW_NUMBER = "%Y%m%d%H%M%S000001"
_PAYER = "2088000000000002"
# The end of an agreement without one, as Alipay reports it.
_NEVER = "2115-02-01 00:00:00"


def content_from_ledger(merchant: Merchant, kind: str, number: str | None) -> dict[str, Any] | None:
    """Return the content of a message about a pre-authorisation or agreement of the ledger.

    :param kind: the kind of the message.
    :param number: the ``out_order_no`` or ``external_agreement_no``; by default the newest one.
    :returns: ``None`` for another kind, and if the ledger has no such row.
    :raises CommandFailed: if there is none with the number.
    """
    if kind in (FREEZE_MESSAGE, UNFREEZE_MESSAGE, CANCEL_MESSAGE):
        missing = _("The ledger has no authorization {number!r}.")
        row = _row(merchant, merchant.models.Authorization, "out_order_no", number, missing)
        return None if row is None else _content(kind, row)
    if kind in (SIGN_MESSAGE, UNSIGN_MESSAGE):
        missing = _("The ledger has no agreement {number!r}.")
        row = _row(merchant, merchant.models.Agreement, "external_agreement_no", number, missing)
        return None if row is None else _agreement_content(kind, row, merchant.clock())
    return None


def _row(merchant: Merchant, model: Any, name: str, number: str | None, missing: str) -> Any:
    """Return the row with a number, or the newest one; ``None`` if there is none, or no class.

    :param name: the attribute with the number.
    :param missing: the text of the error, with a place for the number.
    """
    if model is None:
        return None
    own = select(model).where(model.merchant == merchant.config.merchant)
    if number is not None:
        own = own.where(getattr(model, name) == number)
    found = next(iter(read(merchant, own.order_by(model.id.desc()).limit(1))), None)
    if found is None and number is not None:
        raise CommandFailed(missing.format(number=number))
    return found


def _agreement_content(kind: str, agreement: Any, now: datetime) -> dict[str, Any]:
    """Return what Alipay reports: a signature, or its end."""
    signs, time = kind == SIGN_MESSAGE, format_china_time(now)
    payer = {"alipay_user_id": agreement.payer_user_id or _PAYER}
    if agreement.payer_open_id is not None:
        payer = {"alipay_open_id": agreement.payer_open_id}
    names = ("external_agreement_no", "external_logon_id", "personal_product_code", "sign_scene")
    given = {name: getattr(agreement, name) for name in names}
    times = {"sign_time": time, "valid_time": time, "invalid_time": _NEVER}
    return {
        "agreement_no": agreement.agreement_no or now.strftime(_NOW_NUMBER),
        **{name: value for name, value in given.items() if value is not None},
        "status": AgreementStatus.NORMAL if signs else AgreementStatus.UNSIGN,
        **(times if signs else {"unsign_time": time}),
        **payer,
    }


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
        "payer_user_id": authorization.payer_user_id or _PAYER,
    }
