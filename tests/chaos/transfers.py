"""Transfers of the rig: Alipay's side, and the invariants that hold at the end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ..doubles.openapi import DONE

TRANSFER, QUERY = "alipay.fund.trans.uni.transfer", "alipay.fund.trans.common.query"
#: Payees who begin so do not exist; the banks of those who begin so confirm later or return money.
MISSING, SLOW_BANK, BAD_BANK = "missing", "slow", "bad"
KINDS = (*[""] * 6, MISSING, SLOW_BANK, BAD_BANK)

# The shares of transfers that never arrive, arrive late, and are answered with SYSTEM_ERROR before
# and after they are performed.
_NEVER, _LATE, _ERROR_BEFORE, _ERROR_AFTER = 0.05, 0.03, 0.02, 0.02
# Seconds on the rig's clock, on which a second is a minute.
_MAX_DELAY = 2.0
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
    """Alipay's side of the transfers; the caller holds a lock.

    :param chance: chooses what goes wrong.
    """

    def __init__(self, chance: random.Random) -> None:
        #: The payees to whom the shop was asked to pay.
        self.wanted: set[str] = set()
        #: The accepted transfers by number.
        self.accepted: dict[str, PaidTransfer] = {}
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._chance = chance
        self._lock = threading.Lock()

    def answer(self, method: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Perform a request; ``None``: without a response."""
        with self._lock:
            if method == QUERY:
                return self._query(content)
            fate = self._chance.random()
            for share, act in (
                (_NEVER, lambda: None),
                (_LATE, lambda: self._delay(content)),
                (_ERROR_BEFORE, lambda: _refusal("SYSTEM_ERROR")),
                (_ERROR_AFTER, lambda: self._accept(content) and _refusal("SYSTEM_ERROR")),
            ):
                if fate < share:
                    return act()
                fate -= share
            return self._accept(content)

    def _delay(self, content: Mapping[str, Any]) -> None:
        def perform() -> None:
            with self._lock:
                self._accept(content)

        timer = threading.Timer(self._chance.uniform(0, _MAX_DELAY), perform)
        timer.daemon = True
        timer.start()

    def _accept(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number, payee = content["out_biz_no"], content["payee_info"]["identity"]
        if payee.startswith(MISSING):
            return _refusal("PAYEE_NOT_EXIST")
        known = self.accepted.get(number)
        if known is not None and known.content != content:
            self.faults.append(f"{number}: was requested with two contents")
            return _refusal("PAYMENT_INFO_INCONSISTENCY")
        if known is None:
            waits = _BANK_QUERIES if payee.startswith((SLOW_BANK, BAD_BANK)) else 0
            known = self.accepted[number] = PaidTransfer(dict(content), waits)
        return {**DONE, **_numbers(number), "status": known.status}

    def _query(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number = content["out_biz_no"]
        known = self.accepted.get(number)
        if known is None:
            return _refusal("ORDER_NOT_EXIST")
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
            _parcels(connection, "transferred") != _numbers_of(succeeded, number_of)
        ),
        "effects of on_transfer_failed are not there exactly once": (
            _parcels(connection, "transfer_failed") != _numbers_of(failed, number_of)
        ),
    }
    return [fault for fault, found in checks.items() if found] + transfers.faults


def _parcels(connection: Connection, event: str) -> Counter[str]:
    statement = text("SELECT out_trade_no FROM parcel WHERE event = :event")
    return Counter(connection.execute(statement, {"event": event}).scalars())


def _numbers_of(payees: Counter[str], number_of: Mapping[str, str]) -> Counter[str]:
    return Counter({number_of[payee]: many for payee, many in payees.items()})


def _numbers(number: str) -> dict[str, str]:
    return {"out_biz_no": number, "order_id": f"2026{number.lstrip('N'):0>24}"}


def _refusal(sub_code: str) -> dict[str, Any]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}
