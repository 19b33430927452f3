"""Deliveries to the shop: valid and invalid notifications, and the operators' requests."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_amount, format_china_time
from flask_alipay.signer import Rsa2Signer, sign_content

from .shop import APP_ID, TOTAL_FEN
from .trades import REFUSED
from .transfers import BAD_BANK, KINDS, MISSING

NOTIFY = "/alipay/notify"
#: An older report of a sale would need a query.
SENT_AT = format_china_time(utc_now())


@dataclass(frozen=True)
class Delivery:
    """One notification, retried until the shop sends the expected response, as Alipay does."""

    out_trade_no: str
    body: bytes = b""
    path: str = NOTIFY
    #: What is wrong with it, if anything is: it has to be refused.
    fault: str | None = None
    #: Whether nobody comes back to it, whatever becomes of it.
    abandoned: bool = False
    #: Called once it needs no further retry.
    on_over: Callable[[], object] | None = None

    def is_over(self, status: int, response: str) -> bool:
        """Return whether the delivery needs no further retry.

        :param status: HTTP status of the response, 0 without one.
        """
        if self.abandoned and status != TOO_EARLY:
            return True
        if self.fault is not None:
            return 400 <= status < 500 and status != TOO_EARLY
        return response == "success"


#: The shop's answer to a refund of what it does not know to be paid.
TOO_EARLY = 425


@dataclass(frozen=True)
class Order:
    """Deliveries and facts about one payment."""

    #: Whether the buyer pays it, and how it stands at Alipay then.
    trade_status: str | None
    deliveries: list[Delivery]
    #: What is wrong with the news, if nobody pays it.
    fault: str | None = None
    #: What the shop's people give back in Alipay's console, by its number; the shop hears of it by
    #: the notification alone.
    console: dict[str, int] = field(default_factory=dict)


def new_order(
    number: str, signer: Rsa2Signer, chance: random.Random, *, without_response: bool = True
) -> Order:
    """Choose the deliveries about a payment at random.

    :param silence: whether one in thirty is paid without a notification.
    """
    if chance.random() < 0.05:
        fault, deliveries = bad(number, signer, chance)
        return Order(None, deliveries, fault)
    finished = chance.random() < 0.2
    silent = without_response and chance.random() < 1 / 30
    deliveries = [] if silent else good(number, signer, chance, finished=finished)
    if chance.random() < 0.2:
        deliveries.append(Delivery(number, path=f"/query/{number}"))
    console: dict[str, int] = {}
    if not finished and chance.random() < 0.25:
        deliveries += refunds(number, chance)
    elif not finished and not silent and chance.random() < 0.1:
        console = {"console": chance.randint(1, TOTAL_FEN - 1)}
        deliveries += refunded(number, "console", console["console"], signer, chance)
    status = "TRADE_FINISHED" if finished else "TRADE_SUCCESS"
    return Order(status, deliveries, console=console)


def params_of(out_trade_no: str, trade_status: str, **fields: str) -> dict[str, str]:
    """Return the parameters of a notification, unsigned."""
    return {
        "app_id": APP_ID,
        "charset": "utf-8",
        "notify_id": f"{trade_status}{out_trade_no}",
        "notify_type": "trade_status_sync",
        "notify_time": SENT_AT,
        "out_trade_no": out_trade_no,
        "trade_no": f"2026{out_trade_no}",
        "trade_status": trade_status,
        "total_amount": format_amount(TOTAL_FEN),
        "subject": "龙井茶",
        "buyer_id": "2088102122524333",
        "gmt_payment": SENT_AT,
        **fields,
    }


def good(
    out_trade_no: str, signer: Rsa2Signer, chance: random.Random, *, finished: bool
) -> list[Delivery]:
    """Return the notifications of a sale, each 1 to 8 times, out of order."""
    statuses = ["TRADE_SUCCESS"]
    statuses += ["TRADE_FINISHED"] if finished else []
    statuses += ["WAIT_BUYER_PAY"] if chance.random() < 0.2 else []
    deliveries = []
    for trade_status in statuses:
        body = signed(params_of(out_trade_no, trade_status), signer)
        deliveries += [Delivery(out_trade_no, body)] * chance.randint(1, 8)
    return deliveries


def bad(out_trade_no: str, signer: Rsa2Signer, chance: random.Random) -> tuple[str, list[Delivery]]:
    """Return the reason and the deliveries of an invalid notification of a sale."""
    forged = signed(params_of(out_trade_no, "TRADE_SUCCESS", total_amount="0.01"), signer)
    stranger = params_of(f"{out_trade_no}X", "TRADE_SUCCESS")
    bodies = {
        "forged": forged.replace(b"total_amount=0.01", b"total_amount=88.88"),
        "amount": signed(params_of(out_trade_no, "TRADE_SUCCESS", total_amount="88.87"), signer),
        "account": signed(params_of(out_trade_no, "TRADE_SUCCESS", app_id="2021999"), signer),
        "unknown": signed(stranger, signer),
    }
    fault = chance.choice(list(bodies))
    number = stranger["out_trade_no"] if fault == "unknown" else out_trade_no
    return fault, [Delivery(number, bodies[fault], fault=fault)] * chance.randint(1, 3)


def refunds(out_trade_no: str, chance: random.Random) -> list[Delivery]:
    """Return refunds that the shop requests: in part, several at once, in full, more than was paid,
    and one that Alipay rejects. Each is requested by two operators at once, or once, not retried.
    """
    half = TOTAL_FEN // 2
    kinds: list[dict[str, int]] = [
        {"a": 1000},
        {"a": 1000, "b": 2500, "c": 77},
        {"a": half, "b": TOTAL_FEN - half},
        {"a": TOTAL_FEN, "b": TOTAL_FEN},
        {f"{REFUSED}_a": 1000},
    ]
    requested = chance.choice(kinds)
    fault = (
        "refund"
        if sum(requested.values()) > TOTAL_FEN or REFUSED in next(iter(requested))
        else None
    )
    deliveries = []
    for request, fen in requested.items():
        path = f"/refund/{out_trade_no}/{request}/{fen}"
        if sum(requested.values()) > TOTAL_FEN or (fault is None and chance.random() < 0.3):
            deliveries.append(Delivery(out_trade_no, path=path, abandoned=True))
        else:
            deliveries += [Delivery(out_trade_no, path=path, fault=fault)] * 2
    return deliveries


def new_transfers(first: int, count: int, chance: random.Random) -> dict[str, list[Delivery]]:
    """Return payees with the shop's requests: each twice at once until the result is known, or once
    without a retry; some without a number.
    """
    found: dict[str, list[Delivery]] = {}
    for one in range(first, first + count):
        payee = f"{chance.choice(KINDS)}T{one:08d}"
        fen = chance.randint(10, 100_000)
        fault = "payee" if payee.startswith((MISSING, BAD_BANK)) else None
        fate = chance.random()
        number = "-" if fate < 0.1 else f"N{one:08d}"
        path = f"/transfer/{number}/{payee}/{fen}"
        if fate < 0.4:
            found[payee] = [Delivery(payee, path=path, abandoned=True)]
        else:
            found[payee] = [Delivery(payee, path=path, fault=fault)] * 2
    return found


def refunded(
    out_trade_no: str, request: str, refunded_fen: int, signer: Rsa2Signer, chance: random.Random
) -> list[Delivery]:
    """Return the notifications of a refund, with the total refunded so far."""
    trade_status = "TRADE_CLOSED" if refunded_fen == TOTAL_FEN else "TRADE_SUCCESS"
    params = params_of(
        out_trade_no,
        trade_status,
        notify_id=f"{request}{out_trade_no}",
        refund_fee=format_amount(refunded_fen),
        gmt_refund="2026-02-03 11:00:00",
        out_biz_no=request,
    )
    return [Delivery(out_trade_no, signed(params, signer))] * chance.randint(1, 3)


def signed(params: dict[str, str], signer: Rsa2Signer) -> bytes:
    """Return a signed form body."""
    fields = {**params, "sign": signer.sign(sign_content(params)), "sign_type": "RSA2"}
    return urlencode(fields).encode()
