"""What the rig's Alipay says: signed news of payments, and some that must not be believed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from urllib.parse import urlencode

from flask_alipay.signer import Rsa2Signer, sign_content

from .shop import APP_ID


@dataclass
class Delivery:
    """One request, sent again until it is answered ``success``, as Alipay does."""

    out_trade_no: str
    body: bytes
    #: What is wrong with it, if anything is.
    fault: str | None = None


def params_of(out_trade_no: str, trade_status: str, **fields: str) -> dict[str, str]:
    """Returns the parameters of a notification, unsigned."""
    return {
        "app_id": APP_ID,
        "charset": "utf-8",
        "notify_id": f"{trade_status}{out_trade_no}",
        "notify_type": "trade_status_sync",
        "notify_time": "2026-02-03 10:12:14",
        "out_trade_no": out_trade_no,
        "trade_no": f"2026{out_trade_no}",
        "trade_status": trade_status,
        "total_amount": "88.88",
        "subject": "龙井茶",
        "buyer_id": "2088102122524333",
        "gmt_payment": "2026-02-03 10:12:13",
        **fields,
    }


def good(out_trade_no: str, signer: Rsa2Signer, chance: random.Random) -> list[Delivery]:
    """Returns the news of a sale, each piece 1 to 8 times, out of order."""
    deliveries = []
    for trade_status in ("TRADE_SUCCESS", "TRADE_FINISHED", "WAIT_BUYER_PAY"):
        if trade_status != "TRADE_SUCCESS" and chance.random() < 0.7:
            continue
        body = signed(params_of(out_trade_no, trade_status), signer)
        deliveries += [Delivery(out_trade_no, body)] * chance.randint(1, 8)
    chance.shuffle(deliveries)
    return deliveries


def bad(out_trade_no: str, signer: Rsa2Signer, chance: random.Random) -> list[Delivery]:
    """Returns news of a sale that is none."""
    forged = signed(params_of(out_trade_no, "TRADE_SUCCESS", total_amount="0.01"), signer)
    bodies = {
        "forged": forged.replace(b"total_amount=0.01", b"total_amount=88.88"),
        "amount": signed(params_of(out_trade_no, "TRADE_SUCCESS", total_amount="88.87"), signer),
        "account": signed(params_of(out_trade_no, "TRADE_SUCCESS", app_id="2021999"), signer),
    }
    fault = chance.choice(list(bodies))
    return [Delivery(out_trade_no, bodies[fault], fault)] * chance.randint(1, 3)


def signed(params: dict[str, str], signer: Rsa2Signer) -> bytes:
    """Returns a form body."""
    told = {**params, "sign": signer.sign(sign_content(params)), "sign_type": "RSA2"}
    return urlencode(told).encode()
