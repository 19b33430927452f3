"""Notifications of batches, with the result of each entry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ...protocol.conversion import format_china_time
from ..merchant.merchant import SimulatedMerchant
from ..trades.batches import REFUNDS, TRANSFERS, Batch, Outcome

#: What a notification of each kind of batch calls itself.
NOTIFY_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {REFUNDS: "batch_refund_notify", TRANSFERS: "batch_trans_notify"}
)


def result(batch: Batch, merchant: SimulatedMerchant) -> dict[str, str]:
    """Return the fields of a notification about a finished batch."""
    return _refunds(batch) if batch.kind == REFUNDS else _transfers(batch, merchant)


def _refunds(batch: Batch) -> dict[str, str]:
    return {
        "success_num": str(sum(not done.error for done in batch.outcomes)),
        "result_details": "#".join(
            f"{done.entry.number}^{done.entry.amount}^{done.error or 'SUCCESS'}"
            for done in batch.outcomes
        ),
    }


def _transfers(batch: Batch, merchant: SimulatedMerchant) -> dict[str, str]:
    time = "" if batch.ended_at is None else re.sub(r"\D", "", format_china_time(batch.ended_at))
    return {
        "pay_user_id": merchant.partner,
        "pay_user_name": batch.payer,
        "pay_account_no": f"{merchant.partner}0156",
        "success_details": _details([done for done in batch.outcomes if not done.error], time),
        "fail_details": _details([done for done in batch.outcomes if done.error], time),
    }


def _details(outcomes: Iterable[Outcome], time: str) -> str:
    """Format ``serial^account^name^amount^S or F^reason^Alipay's number^time``, each followed by a
    bar.
    """
    return "".join(
        f"{done.entry.number}^{done.entry.account}^{done.entry.name}^{done.entry.amount}"
        f"^{'F' if done.error else 'S'}^{done.error}^{done.number}^{time}|"
        for done in outcomes
    )
