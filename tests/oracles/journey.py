"""The journey of a shop that sells, gives back and asks, and what it must have seen on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import escape

from .standalone import Standalone

#: With characters that one encoding or another would break.
SUBJECT = "龙井茶 '50g' + 100%"

_DONE = {"code": "10000", "signed": True, "verified": True}
_NOTIFIED = {"verified": True, "forgery_believed": False, "subject": SUBJECT}
_PAID = {**_NOTIFIED, "trade_status": "TRADE_SUCCESS", "refund_fee": ""}
_CHANGED = {
    "verified": True,
    "forgery_believed": False,
    "msg_method": "alipay.fund.trans.order.changed",
}
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
    "told of the full refund": {**_NOTIFIED, "trade_status": "TRADE_CLOSED", "refund_fee": "88.88"},
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

_V3 = {"http_status": 200}
_V3_PAID = {**_V3, "trade_status": "TRADE_SUCCESS"}

#: The kinds of messages that some receive: in both forms, with each rule for the signature.
MESSAGES = ("alipay.fund.trans.order.changed", "dut_user_sign", "servicemarket_order_notify")
_BELIEVED = {"verified": True, "forgery_believed": False}

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
    "till": _DONE,
    "told of till": _PAID,
    "cancel": {**_DONE, "action": "refund"},
    "told of cancel": {**_NOTIFIED, "trade_status": "TRADE_CLOSED", "refund_fee": "88.88"},
    "transfer": {**_DONE, "status": "SUCCESS"},
    "transfer query": {**_DONE, "status": "SUCCESS", "trans_amount": "1.00"},
    "transfer with plain keys": {
        **_DONE,
        "code": "40002",
        "sub_code": "isv.missing-app-cert-sn",
    },
    "told of the transfer": {**_CHANGED, "status": "SUCCESS"},
    "told of the card": {**_CHANGED, "status": "DEALING"},
    "told of the bank": {**_CHANGED, "status": "SUCCESS"},
    "transfer to a card": {**_DONE, "status": "DEALING"},
    "confirmed by the bank": {**_DONE, "status": "SUCCESS", "trans_amount": "2.00"},
    "account": _DONE,
    "balance": _DONE,
    "account log": {"found": "1.00"},
    "receipt": _DONE,
    "receipt download": {"there": True},
    "bind": {**_DONE, "result_code": "SUCCESS"},
    "relations": {**_DONE, "total_record_num": "1"},
    "unbind": {**_DONE, "result_code": "SUCCESS"},
    "settle": _DONE,
    "settle query": {"state": "SUCCESS"},
    "unsettled": {**_DONE, "unsettled_amount": "87.88"},
    "legacy": {"verified": True, "trade_status": "TRADE_SUCCESS"},
    "told of legacy": {
        **_NOTIFIED,
        "trade_status": "TRADE_SUCCESS",
        "total_fee": "88.88",
        "told_by_alipay": "true",
        "told_otherwise": "false",
    },
    "legacy: query": {"is_success": "T", "trade_status": "TRADE_SUCCESS", "total_fee": "88.88"},
    "legacy: wrong key": {"is_success": "F", "error": "ILLEGAL_SIGN"},
    "a file": {"code": "10000"},
    "v3: a file": {"there": True},
    "v3: a complaint": {"status": "MERCHANT_PROCESSING"},
    **{f"message {kind}": _BELIEVED for kind in MESSAGES},
    "capture": _DONE,
    "told of capture": _PAID,
    "v3: precreate": _V3,
    "v3: told that it is paid": _PAID,
    "v3: refund": {**_V3, "fund_change": "Y", "refund_fee": "8.88"},
    "v3: the same again": {**_V3, "fund_change": "N", "refund_fee": "8.88"},
    "v3: query": _V3_PAID,
    "v3: encrypted, with certificates": _V3_PAID,
    "v3: bill": {"there": True},
    "v3: unknown app": {"http_status": 400, "code": "invalid-app-id"},
    "v3: nothing there": {"http_status": 400, "code": "ACQ.TRADE_NOT_EXIST"},
}

#: What some do not look at: an SDK that cannot verify what is encrypted, or keeps it to itself.
UNSEEN = {
    "with certificates": ("named",),
    "encrypted": ("signed", "verified"),
    "encrypted, with certificates": ("signed", "verified", "named"),
}


def compare(output: dict[str, dict[str, Any]], steps: dict[str, dict[str, Any]]) -> None:
    """Compares what a program said with what it must have seen, in what is named of each step."""
    assert set(output) == set(steps)
    for step, seen in steps.items():
        assert {name: output[step].get(name) for name in seen} == seen, step


def check(
    standalone: Standalone,
    output: dict[str, dict[str, Any]],
    besides: Iterable[str] = (),
    *,
    without: Iterable[str] = (),
    unseen: Iterable[str] = (),
) -> None:
    """Compares what a program said with what it must have seen.

    :param said: by step.
    :param besides: the names of the steps that it takes beyond :data:`JOURNEY`.
    :param without: the names of those that it cannot take.
    :param unseen: the names of those of which it does not see :data:`UNSEEN`.
    """
    forms = {name: output.pop(name) for name in ("form of page", "form of wap") if name in output}
    taken = {*JOURNEY, *besides} - set(without)
    steps = {step: seen for step, seen in {**JOURNEY, **BESIDES}.items() if step in taken}
    for step in {*unseen} & taken:
        steps[step] = {
            name: value for name, value in steps[step].items() if name not in UNSEEN[step]
        }
    compare(output, steps)
    assert len(forms) == 2 or "form" in without
    for form in forms.values():
        assert str(escape(SUBJECT)) in standalone.bring(form["html"])
