"""Transfers of the merchant, their statuses and their store."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ...protocol.conversion import format_china_time
from ..storage.storage import PersistentDict, Storage

_MAX_TRANSFERS: Final = 10_000
# What may happen to a transfer: from its status, the event and the status after it.
_EVENTS: Final = {
    ("DEALING", "succeed"): "SUCCESS",
    ("DEALING", "fail"): "FAIL",
    ("SUCCESS", "return"): "REFUND",
}
#: The events of transfers.
TRANSFER_EVENTS: Final = ("succeed", "fail", "return")
#: The reason of each failure: code and text.
REASONS: Final = {
    "FAIL": ("PAYEE_CARD_INFO_ERROR", "收款方银行卡信息有误"),
    "REFUND": ("BANK_RETURNED", "收款银行退票"),
}


@dataclass(frozen=True)
class Transfer:
    """A transfer."""

    #: The merchant's number of it.
    out_biz_no: str
    fen: int
    #: The kind of the account, and the account.
    payee: tuple[str, str]
    at: datetime
    #: Alipay's number of it, and of the payment behind it.
    order_id: str
    pay_fund_order_id: str
    status: str = "SUCCESS"
    product_code: str = "TRANS_ACCOUNT_NO_PWD"
    biz_scene: str = "DIRECT_TRANSFER"
    title: str = ""
    #: The whole request, to compare a repetition with.
    content: str = ""

    @property
    def possible(self) -> tuple[str, ...]:
        """The events that it can have next: only a bank takes its time, or returns money."""
        if self.product_code != "TRANS_BANKCARD_NO_PWD":
            return ()
        return tuple(event for status, event in _EVENTS if status == self.status)

    @property
    def spent_fen(self) -> int:
        """The amount that it takes from the merchant's account."""
        return 0 if self.status in REASONS else self.fen


class TransferStore:
    """The transfers, by the merchant's numbers; safe for threads.

    :param storage: stores them beyond the process.
    """

    def __init__(self, storage: Storage) -> None:
        self._lock = threading.RLock()
        self._made = PersistentDict(storage, "transfers", Transfer, _MAX_TRANSFERS)

    def all(self) -> tuple[Transfer, ...]:
        """Return all transfers, the oldest first."""
        with self._lock:
            return tuple(self._made.values())

    def get(self, out_biz_no: str) -> Transfer | None:
        """Return a transfer by the merchant's number; ``None`` if there is none."""
        with self._lock:
            return self._made.get(out_biz_no)

    def find(self, name: str, value: str) -> Transfer | None:
        """Return a transfer by one of its numbers; ``None`` if there is none."""
        return next((one for one in self.all() if getattr(one, name) == value), None)

    def add(self, transfer: Transfer) -> Transfer:
        """Add a transfer, unless there is one with its number; return the one that is there."""
        with self._lock:
            known = self._made.get(transfer.out_biz_no)
            if known is None:
                known = self._made[transfer.out_biz_no] = transfer
                self._made.evict()
            return known

    def apply(self, out_biz_no: str, event: str) -> Transfer | None:
        """Apply an event; ``None`` if there is no such transfer or the event is not possible."""
        with self._lock:
            transfer = self._made.get(out_biz_no)
            if transfer is None or event not in transfer.possible:
                return None
            changed = replace(transfer, status=_EVENTS[transfer.status, event])
            self._made[out_biz_no] = changed
            return changed


def new_number(now: datetime) -> str:
    """Return a number in the form of Alipay's."""
    day = format_china_time(now)[:10].replace("-", "")
    return f"{day}110070001506{secrets.randbelow(10**12):012d}"
