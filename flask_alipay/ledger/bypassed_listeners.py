"""Listeners of the application's classes that the guarded ``UPDATE`` bypasses."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import inspect
from sqlalchemy.orm import configure_mappers

from ..models import AgreementMixin, AuthorizationMixin, TransferMixin

# The attributes that a guarded UPDATE writes, with the number of listeners that the mixin itself
# registers: it converts times to UTC.
_WRITTEN: Final = {
    **dict.fromkeys(("trade_status", "trade_no", "paid", "refunded_fen"), 0),
    **dict.fromkeys(("buyer_id", "buyer_open_id"), 0),
    **dict.fromkeys(("paid_at", "closed_at", "finished_at", "asked_at"), 1),
    **dict.fromkeys(("sent_at", "returned_at", "query_leased_until"), 1),
    **dict.fromkeys(("query_count", "query_history"), 0),
}
_WRITTEN_IN_TRANSFERS: Final = {
    **dict.fromkeys(("status", "order_id", "pay_fund_order_id", "error_code", "fail_reason"), 0),
    **dict.fromkeys(("submitted_at", "transferred_at", "failed_at", "asked_at"), 1),
}
_WRITTEN_IN_AUTHORIZATIONS: Final = {
    **dict.fromkeys(("status", "auth_no", "operation_id", "payer_user_id", "payer_open_id"), 0),
    **dict.fromkeys(("captured_fen", "released_fen", "reserved_fen"), 0),
    **dict.fromkeys(("release_no", "release_fen", "releases"), 0),
    **dict.fromkeys(("authorized_at", "finished_at", "closed_at", "asked_at"), 1),
}
_WRITTEN_IN_AGREEMENTS: Final = {
    **dict.fromkeys(("status", "agreement_no", "payer_user_id", "payer_open_id"), 0),
    **dict.fromkeys(("next_date", "charged_fen", "charge_count", "charge_no", "error_code"), 0),
    **dict.fromkeys(("failed_at", "signed_at", "valid_until", "charged_at", "ended_at"), 1),
    "asked_at": 1,
}


def bypassed(model: Any) -> list[str]:
    """Return the hooks of a class that the guarded ``UPDATE`` does not call: ``before_update``,
    ``after_update``, and listeners and validators of the attributes that it writes.

    :param model: the application's class, of any kind but notifications.
    """
    configure_mappers()  # triggers extensions that add listeners
    mapper: Any = inspect(model)
    found = [name for name in ("before_update", "after_update") if getattr(mapper.dispatch, name)]
    by_mixin = (
        (TransferMixin, _WRITTEN_IN_TRANSFERS),
        (AuthorizationMixin, _WRITTEN_IN_AUTHORIZATIONS),
        (AgreementMixin, _WRITTEN_IN_AGREEMENTS),
    )
    written = next((names for mixin, names in by_mixin if issubclass(model, mixin)), _WRITTEN)
    return found + [
        f"{model.__name__}.{name}"
        for name, count in written.items()
        if name in mapper.column_attrs and len(list(getattr(model, name).dispatch.set)) > count
    ]
