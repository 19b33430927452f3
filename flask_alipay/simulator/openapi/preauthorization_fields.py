"""Fields of responses and messages about pre-authorisations (protocol-more.md, part I, 2)."""

from __future__ import annotations

from typing import Any

from ...protocol.conversion import format_amount, format_china_time
from ...protocol.preauthorizations import FREEZE_MESSAGE, UNFREEZE_MESSAGE
from ..notifications.messages import Announcement
from ..trades.preauthorizations import DONE, UNFREEZE, FundOperation, Preauthorization
from .call import Context


def numbers(held: Preauthorization, operation: FundOperation) -> dict[str, str]:
    """Return both sides' numbers of a pre-authorisation and an operation."""
    return {
        "auth_no": held.auth_no,
        "out_order_no": held.order.out_order_no,
        "operation_id": operation.operation_id,
        "out_request_no": operation.out_request_no,
    }


def amounts(held: Preauthorization) -> dict[str, str]:
    """Return the amounts of a pre-authorisation."""
    return {
        "total_freeze_amount": format_amount(held.frozen_fen),
        "total_unfreeze_amount": format_amount(held.released_fen),
        "total_pay_amount": format_amount(held.captured_fen),
        "rest_amount": format_amount(held.rest_fen),
    }


def payer(context: Context) -> dict[str, str]:
    """Return the payer; the account's name is masked."""
    identity = context.buyer_identity("payer_user_id")
    named = {name.replace("buyer_", "payer_"): value for name, value in identity.items()}
    return {"payer_logon_id": context.buyer()["buyer_logon_id"], **named}


def operation_fields(
    context: Context, held: Preauthorization, operation: FundOperation
) -> dict[str, Any]:
    """Return the fields of a response about an operation."""
    fields: dict[str, Any] = {
        **numbers(held, operation),
        "amount": format_amount(operation.fen),
        "status": operation.status,
    }
    if operation.at is not None:
        fields["gmt_trans"] = format_china_time(operation.at)
    if operation is held.freeze and operation.status == DONE:
        fields |= payer(context)
    return fields


def fund_changed(
    context: Context,
    held: Preauthorization,
    operation: FundOperation | None = None,
    url: str | None = None,
    charset: str = "",
) -> tuple[Announcement, ...]:
    """Return the message about a frozen or released amount; nothing without an address.

    :param operation: by default the last one.
    :param url: the address of the call that caused it (section 2.8); by default that of the
        freeze, also for the automatic release, of which nothing is documented (#47, a guess).
    :param charset: of that call; by default that of the freeze.
    """
    operation = operation or held.operations[-1]
    url = held.order.notify_url if url is None else url
    # Only SUCCESS was captured: a freeze that ends unauthorised is not reported here (a guess).
    if not url or operation.status != DONE or operation.at is None:
        return ()
    token = context.authorizations.app_token(held.order.app_auth_token)
    content = {
        "auth_app_id": context.merchant.app_id if token is None else token.auth_app_id,
        **numbers(held, operation),
        "operation_type": operation.kind,
        "status": operation.status,
        "amount": format_amount(operation.fen),
        **amounts(held),
        "gmt_create": format_china_time(operation.created_at),
        "gmt_trans": format_china_time(operation.at),
        **payer(context),
    }
    kind = UNFREEZE_MESSAGE if operation.kind == UNFREEZE else FREEZE_MESSAGE
    return (Announcement(kind, content, url, charset or held.order.charset),)
