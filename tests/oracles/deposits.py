"""The journey of a hotel that freezes deposits, takes its part and releases the rest."""

from __future__ import annotations

from typing import Any

from .journey import JOURNEY

_DONE = JOURNEY["precreate"]
_SOLD = JOURNEY["told that it is paid"]
_NOTIFIED = {"verified": True, "forgery_believed": False}
_FROZEN = {**_NOTIFIED, "notify_type": "fund_auth_freeze", "rest_amount": "500.00"}
_HELD = {
    "order_status": "AUTHORIZED",
    "total_freeze_amount": "500.00",
    "total_pay_amount": "88.88",
    "rest_amount": "211.12",
}


def _rejected(sub_code: str) -> dict[str, Any]:
    return {**_DONE, "code": "40004", "sub_code": sub_code}


#: What a shop in any language sees, step by step.
DEPOSITS: dict[str, dict[str, Any]] = {
    "app": {"paid": True, "verified": True},
    "told of the app": _FROZEN,
    "voucher": {**_DONE, "code_type": "qrCode"},
    "not opened": _rejected("AUTH_ORDER_NOT_EXIST"),
    "told of the voucher": _FROZEN,
    "freeze": {**_DONE, "status": "SUCCESS", "amount": "500.00"},
    "told of the code": _FROZEN,
    "the same again": _rejected("FREEZE_ALREADY_SUCCESS"),
    "capture": _DONE,
    "told of the capture": _SOLD,
    "above the rest": _rejected("ACQ.AUTH_AMOUNT_NOT_ENOUGH"),
    "release": {**_DONE, "status": "SUCCESS", "amount": "200.00"},
    "released again": {**_DONE, "status": "SUCCESS", "amount": "200.00"},
    "told of the release": {
        **_NOTIFIED,
        "notify_type": "fund_auth_unfreeze",
        "rest_amount": "211.12",
    },
    "query": {**_DONE, **_HELD, "operation_type": "FREEZE"},
    "query of the capture": {**_DONE, **_HELD, "operation_type": "PAY", "amount": "88.88"},
    "v3: query": {"http_status": 200, **_HELD},
    "v3: not there": {"http_status": 400, "code": "AUTH_ORDER_NOT_EXIST"},
    "v3: released again": {"http_status": 200, "status": "SUCCESS"},
    "last capture": _DONE,
    "told of the last capture": _SOLD,
    "finished": _rejected("ORDER_ALREADY_FINISH"),
    "cancel": {**_DONE, "action": "unfreeze"},
    "told of the cancellation": {
        **_NOTIFIED,
        "notify_type": "fund_auth_operation_cancel",
        "action": "unfreeze",
    },
    "synchronised": _DONE,
}
