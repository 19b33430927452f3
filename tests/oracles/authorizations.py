"""The journeys of a mini-program and of a third-party application, and what a shop sees in them."""

from __future__ import annotations

from typing import Any

from flask_alipay.simulator.merchant.merchant import SimulatedMerchant

from .journey import JOURNEY

_DONE = JOURNEY["precreate"]
_VERIFIED = {"signed": True, "verified": True}


def _rejected(code: str, sub_code: str) -> dict[str, Any]:
    return {**_VERIFIED, "code": code, "sub_code": sub_code}


def without_v3(steps: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the steps of an SDK that does not know version 3 of the protocol."""
    return {step: seen for step, seen in steps.items() if not step.startswith("v3: ")}


def mini_program_steps(merchant: SimulatedMerchant) -> dict[str, dict[str, Any]]:
    """Return what the shop of a mini-program sees.

    :param merchant: has a newer application.
    """
    buyer = {"open_id": merchant.buyer_open_id, "user_id": None}
    return {
        # Alipay's response has no code.
        "buyer's token": {**_VERIFIED, **buyer, "code": None},
        "code used twice": _rejected("40002", "isv.code-invalid"),
        "profile": {**_DONE, **buyer, "nick_name": "测试买家"},
        "create for a buyer_id": _rejected("40004", "ACQ.BUYER_NOT_EXIST"),
        "create": _DONE,
        "create again": _DONE,
        "trade": {"same": True},
        "v3: buyer's token": {**buyer, "http_status": 200},
        "v3: code used twice": {"code": "code-invalid", "http_status": 400},
        "v3: profile": {**buyer, "nick_name": "测试买家", "http_status": 200},
        "v3: create again": {"http_status": 200},
        "v3: trade": {"same": True},
        "pay by out_trade_no": {"resultCode": "4000", "memo": "ALI38110"},
        "pay": {"resultCode": "9000"},
        "told that it is paid": JOURNEY["told that it is paid"],
        "query": {**JOURNEY["query"], "buyer_open_id": merchant.buyer_open_id},
    }


def third_party_steps(merchant: SimulatedMerchant) -> dict[str, dict[str, Any]]:
    """Return what a third-party application sees that sells for one of two merchants.

    :param merchant: has the third-party application.
    """
    back = {"app_id": merchant.app_id, "state": "c3RhdGU=", "source": "alipay_app_auth"}
    steps: dict[str, dict[str, Any]] = {}
    for number, (auth_app_id, user_id) in enumerate(merchant.authorizers[:2]):
        account = {"auth_app_id": auth_app_id, "user_id": user_id}
        steps[f"authorisation {number}"] = back
        steps[f"token {number}"] = {**_DONE, **account}
        steps[f"code used twice {number}"] = _rejected("40004", "AUTH_CODE_NOT_EXIST")
    auth_app_id, user_id = merchant.authorizers[0]
    account = {"auth_app_id": auth_app_id, "user_id": user_id}
    unknown = _rejected("40004", "ACQ.TRADE_NOT_EXIST")
    invalid = _rejected("20001", "aop.invalid-app-auth-token")
    return {
        **steps,
        "token query": {**_DONE, **account, "status": "valid"},
        "without a token": _rejected("40006", "isv.self-invoke-forbidden"),
        "with a wrong token": invalid,
        # Neither rejection has created a trade.
        "not found": unknown,
        "precreate": _DONE,
        "told that it is paid": {**JOURNEY["told that it is paid"], "auth_app_id": auth_app_id},
        "query": JOURNEY["query"],
        "query by another merchant": unknown,
        "v3: token query": {**account, "status": "valid", "http_status": 200},
        "v3: query": {"trade_status": "TRADE_SUCCESS", "http_status": 200},
        "v3: query by another merchant": {"code": "ACQ.TRADE_NOT_EXIST", "http_status": 400},
        "v3: without a token": {"code": "self-invoke-forbidden"},
        "renewed token": {**_DONE, **account},
        "refund": {**_DONE, "fund_change": "Y", "refund_fee": "88.88"},
        "withdrawn token query": {**_DONE, **account, "status": "invalid"},
        "after the withdrawal": invalid,
    }
