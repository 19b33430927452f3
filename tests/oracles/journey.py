"""The journey of a shop that sells, gives back and asks, and what it must have seen on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import escape

from .standalone import Standalone

#: With characters that one encoding or another would break.
SUBJECT = "龙井茶 '50g' + 100%"

_DONE = {"code": "10000", "signed": True, "verified": True}
_TOLD = {"verified": True, "forgery_believed": False, "subject": SUBJECT}
_PAID = {**_TOLD, "trade_status": "TRADE_SUCCESS", "refund_fee": ""}
_CERTIFIED = {**_DONE, "named": True}

#: What a shop in any language sees, step by step; of each step, what matters.
JOURNEY: dict[str, dict[str, Any]] = {
    "precreate": _DONE,
    "told that it is paid": _PAID,
    "query": {**_DONE, "trade_status": "TRADE_SUCCESS", "total_amount": "88.88"},
    "partial refund": {**_DONE, "fund_change": "Y", "refund_fee": "8.88"},
    "the same again": {**_DONE, "fund_change": "N", "refund_fee": "8.88"},
    "refund query": {**_DONE, "refund_amount": "8.88", "refund_status": "REFUND_SUCCESS"},
    "above the rest": {
        **_DONE,
        "code": "40004",
        "sub_code": "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    },
    "full refund": {**_DONE, "fund_change": "Y", "refund_fee": "88.88"},
    "closed": {**_DONE, "trade_status": "TRADE_CLOSED"},
    "told of the partial refund": {**_PAID, "refund_fee": "8.88"},
    "told of the full refund": {**_TOLD, "trade_status": "TRADE_CLOSED", "refund_fee": "88.88"},
    "bill": {"names_the_order": True},
    "page": {"verified": True},
    "told of page": _PAID,
    "wap": {"verified": True},
    "told of wap": _PAID,
    "app": {"paid": True, "verified": True},
    "told of app": _PAID,
    "wrong key": {**_DONE, "code": "40002", "sub_code": "isv.invalid-signature"},
    "unknown app": {"code": "40002", "signed": False, "sub_code": "isv.invalid-app-id"},
    "encrypted": _DONE,
    "encrypted, with certificates": _CERTIFIED,
    "with certificates": _CERTIFIED,
}

#: Steps that some take besides.
BESIDES: dict[str, dict[str, Any]] = {
    "in GBK": _DONE,
    "told in GBK": _PAID,
    "in parts": _DONE,
    "in parts, in GBK": _DONE,
    "asking first": _DONE,
    "in chunks": _DONE,
    "by the newer client": _DONE,
    "on one line: K1": _DONE,
    "on one line: K2": _DONE,
}


def check(standalone: Standalone, said: dict[str, dict[str, Any]], besides: Iterable[str]) -> None:
    """Compares what a program said with what it must have seen.

    :param said: by step.
    :param besides: the names of the steps that it takes beyond :data:`JOURNEY`.
    """
    forms = {name: said.pop(name) for name in ("form of page", "form of wap")}
    expected = {**JOURNEY, **{name: BESIDES[name] for name in besides}}
    assert said.keys() == expected.keys()
    for step, seen in expected.items():
        assert {name: said[step].get(name) for name in seen} == seen, step
    for form in forms.values():
        assert str(escape(SUBJECT)) in standalone.bring(form["html"])
