"""The journey of a shop that deducts by an agreement, moves its plan and ends it."""

from __future__ import annotations

from typing import Any

from .journey import JOURNEY

_DONE = JOURNEY["precreate"]
_NOTIFIED = {"verified": True, "forgery_believed": False}


def _rejected(sub_code: str) -> dict[str, Any]:
    return {**_DONE, "code": "40004", "sub_code": sub_code}


#: What a shop in any language sees, step by step.
AGREEMENTS: dict[str, dict[str, Any]] = {
    "not signed": _rejected("USER_AGREEMENT_NOT_EXIST"),
    "told of the signature": {**_NOTIFIED, "notify_type": "dut_user_sign", "status": "NORMAL"},
    "query": {**_DONE, "status": "NORMAL", "single_quota": "88.88"},
    "too much": _rejected("ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED"),
    "deduction": {**_DONE, "total_amount": "88.88"},
    "told of the deduction": JOURNEY["told that it is paid"],
    "the same again": _rejected("ACQ.TRADE_HAS_SUCCESS"),
    "twice in a period": _rejected("ACQ.CYCLE_PAY_DATE_NOT_MATCH"),
    "later": _DONE,
    "earlier": _rejected("ILLEGAL_EXECUTION_TIME"),
    "v3: query": {"http_status": 200, "status": "NORMAL"},
    "v3: later": {"http_status": 200},
    "v3: not due": {"http_status": 400, "code": "ACQ.CYCLE_PAY_DATE_NOT_MATCH"},
    "end": _DONE,
    "told of the end": {**_NOTIFIED, "notify_type": "dut_user_unsign", "status": "UNSIGN"},
    "ended again": _rejected("USER_AGREEMENT_STATUS_NOT_NORMAL"),
    "ended query": _rejected("AGREEMENT_HAS_UNSIGNED"),
    "ended deduction": _rejected("ACQ.AGREEMENT_NOT_EXIST"),
}
