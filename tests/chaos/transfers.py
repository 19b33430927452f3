"""Transfers of the rig: Alipay's side, and the invariants that hold at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ..doubles.openapi import DONE
from .fates import Fates, Node, refusal
from .rows import parcels

TRANSFER, QUERY = "alipay.fund.trans.uni.transfer", "alipay.fund.trans.common.query"
#: Payees who begin so do not exist; the banks of those who begin so confirm later or return money.
MISSING, SLOW_BANK, BAD_BANK = "missing", "slow", "bad"
KINDS = (*[""] * 6, MISSING, SLOW_BANK, BAD_BANK)

_BANK_QUERIES = 2


@dataclass
class PaidTransfer:
    """A transfer that Alipay has accepted."""

    content: Mapping[str, Any]
    #: The number of further queries until the bank confirms.
    waits: int = 0

    @property
    def status(self) -> str:
        """Alipay's status."""
        if self.waits > 0:
            return "DEALING"
        return "FAIL" if self.payee.startswith(BAD_BANK) else "SUCCESS"

    @property
    def payee(self) -> str:
        """The account."""
        return str(self.content["payee_info"]["identity"])


class Transfers:
    """Alipay's side of the transfers.

    :param fates: chooses what goes wrong.
    """

    def __init__(self, fates: Fates) -> None:
        #: The payees to whom the shop was asked to pay.
        self.wanted: set[str] = set()
        #: The accepted transfers by number.
        self.accepted: dict[str, PaidTransfer] = {}
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._fates = fates

    def answer(self, method: str, content: Mapping[str, Any]) -> Node | None:
        """Perform a request; ``None``: without a response."""
        if method == QUERY:
            return self._query(content)
        return self._fates.perform(lambda: self._accept(content))

    def _accept(self, content: Mapping[str, Any]) -> Node:
        number, payee = content["out_biz_no"], content["payee_info"]["identity"]
        if payee.startswith(MISSING):
            return refusal("PAYEE_NOT_EXIST")
        known = self.accepted.get(number)
        if known is not None and known.content != content:
            self.faults.append(f"{number}: was requested with two contents")
            return refusal("PAYMENT_INFO_INCONSISTENCY")
        if known is None:
            waits = _BANK_QUERIES if payee.startswith((SLOW_BANK, BAD_BANK)) else 0
            known = self.accepted[number] = PaidTransfer(dict(content), waits)
        return {**DONE, **_numbers(number), "status": known.status}

    def _query(self, content: Mapping[str, Any]) -> Node:
        number = content["out_biz_no"]
        known = self.accepted.get(number)
        if known is None:
            return refusal("ORDER_NOT_EXIST")
        known.waits -= 1
        fields = {**DONE, **_numbers(number), "status": known.status}
        if known.status == "SUCCESS":
            return {**fields, "trans_amount": known.content["trans_amount"]}
        return {**fields, **({"error_code": "CARD_BIN_ERROR"} if known.status == "FAIL" else {})}

    @property
    def paid(self) -> Counter[str]:
        """How often each payee was paid."""
        return Counter(one.payee for one in self.accepted.values() if one.status == "SUCCESS")


def unfinished(connection: Connection) -> int:
    """Return the number of transfers without a known result."""
    pending = "SELECT count(*) FROM alipay_transfer WHERE status = 'DEALING'"
    return int(connection.execute(text(pending)).scalar_one())


def transfer_faults(connection: Connection, transfers: Transfers) -> list[str]:
    """Return the violated invariants of the transfers, one sentence for each."""
    rows = connection.execute(text("SELECT out_biz_no, payee, status FROM alipay_transfer")).all()
    number_of = {row[1]: row[0] for row in rows}
    succeeded = Counter(row[1] for row in rows if row[2] == "SUCCESS")
    failed = Counter(row[1] for row in rows if row[2] == "FAIL")
    missing = {payee for payee in number_of if payee.startswith((MISSING, BAD_BANK))}
    checks = {
        "payees were paid more than once": any(many > 1 for many in transfers.paid.values()),
        "transfers are not in the ledger exactly where money went out": (
            succeeded != transfers.paid
        ),
        "transfers have no known result": any(row[2] == "DEALING" for row in rows),
        "transfers have two rows": len(rows) != len(number_of),
        "transfers failed otherwise than at Alipay": set(failed) != missing,
        "a payee was paid without a request": not set(transfers.paid) <= transfers.wanted,
        "effects of on_transferred are not there exactly once": (
            parcels(connection, "transferred") != _numbers_of(succeeded, number_of)
        ),
        "effects of on_transfer_failed are not there exactly once": (
            parcels(connection, "transfer_failed") != _numbers_of(failed, number_of)
        ),
    }
    return [fault for fault, found in checks.items() if found] + transfers.faults


def _numbers_of(payees: Counter[str], number_of: Mapping[str, str]) -> Counter[str]:
    return Counter({number_of[payee]: many for payee, many in payees.items()})


def _numbers(number: str) -> dict[str, str]:
    return {"out_biz_no": number, "order_id": f"2026{number.lstrip('N'):0>24}"}
