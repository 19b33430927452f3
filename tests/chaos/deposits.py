"""Deposits of the rig: what the shop does with each, and the invariants that hold at the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection, text

from .notifications import Delivery
from .preauthorizations import (
    NEVER_FROZEN,
    AuthorizationAtAlipay,
    Authorizations,
)
from .rows import numbers, parcels

#: Orders that begin so are captured; released as a whole; and cancelled while the payer authorises.
FROZEN, RELEASED, EITHER = "F", "K", "X"
_KINDS = (*[FROZEN] * 17, RELEASED, EITHER, NEVER_FROZEN)
_WAYS = ("app", "voucher", "code")


def new_deposits(first: int, count: int, chance: random.Random) -> dict[str, list[Delivery]]:
    """Return authorizations by number, with the shop's requests."""
    found = {}
    for one in range(first, first + count):
        number = f"{chance.choice(_KINDS)}{one:07d}"
        total = chance.randint(2_000, 100_000)
        way = chance.choice(_WAYS)
        create = [Delivery(number, path=f"/deposit/{number}/{total}/{way}")] * 2
        found[number] = [*create, *_requests(number, total, chance)]
    return found


def _requests(number: str, total: int, chance: random.Random) -> Iterator[Delivery]:
    """Yield what the shop does with an authorization: partial captures, each twice at once or once
    without a retry, and releases at the same time or after them.
    """
    if number.startswith(RELEASED):
        yield from [Delivery(number, path=f"/release/{number}/{number}R2/0/0/0")] * 2
        return
    if not number.startswith(FROZEN):
        yield from [Delivery(number, path=f"/cancel/{number}")] * 2
        return
    parts = _parts(total, chance)
    end = chance.choice(("rest", "rest", "two releases", "complete", "all", "too much"))
    rest, certain = total - sum(parts), 0
    if end == "too much":
        parts.append(rest + 1)
    elif end == "all":
        parts.append(rest)
    last = len(parts) - 1 if end == "complete" else None
    for index, fen in enumerate(parts):
        lonely = index != last and end != "all" and chance.random() < 0.25
        lonely = lonely or end == "too much"
        capture = f"{number}{'L' if lonely else 'C'}{index}"
        after = certain if index == last else 0
        mode = "complete" if index == last else "part"
        path = f"/capture/{number}/{capture}/{fen}/{mode}/{after}"
        if lonely:
            yield Delivery(capture, path=path, abandoned=True)
        else:
            certain += 1
            yield from [Delivery(capture, path=path)] * 2
    half = Delivery(number, path=f"/release/{number}/{number}R1/{max(1, rest // 2)}/0/0")
    first = [half] * 2 if end == "two releases" else []
    yield from first
    request = "-" if chance.random() < 0.2 else f"{number}R2"
    path = f"/release/{number}/{request}/0/{certain}/{min(1, len(first))}"
    yield from [Delivery(number, path=path)] * 2


def _parts(total: int, chance: random.Random) -> list[int]:
    """Return the amounts of captures, less than the total together."""
    parts, rest = [], total
    for _ in range(chance.randint(1, 4)):
        fen = chance.randint(1, max(1, rest // 2))
        parts.append(fen)
        rest -= fen
    return parts


def unsettled_authorizations(connection: Connection, alipay: Authorizations) -> int:
    """Return the number of authorizations that the ledger does not know as they are at Alipay."""
    return len(set(_ledger(connection).items()) ^ set(_books(connection, alipay).items()))


def authorization_faults(connection: Connection, alipay: Authorizations) -> list[str]:
    """Return the violated invariants of the authorizations, one sentence for each."""
    frozen = alipay.frozen.values()
    captured = {name: fen for one in frozen for name, fen in one.captured.items()}
    captures = "FROM alipay_payment WHERE out_order_no IS NOT NULL AND"
    recorded = connection.execute(text(f"SELECT out_trade_no, total_fen {captures} paid"))
    authorized, closed = parcels(connection, "authorized"), parcels(connection, "closed")
    cancelled = {one.number for one in frozen if one.content["out_request_no"] in one.released}
    released = {one.number: one.released_fen for one in frozen if one.released}
    checks = {
        "authorizations are not in the ledger as they are at Alipay": (
            unsettled_authorizations(connection, alipay) > 0
        ),
        "more was captured and released than frozen": any(one.rest_fen < 0 for one in frozen),
        "captures are not in the ledger exactly where they were made": (
            {row[0]: row[1] for row in recorded} != captured
        ),
        "captures have no known result": bool(
            numbers(
                connection,
                f"SELECT out_trade_no {captures} NOT paid AND trade_status <> 'TRADE_CLOSED'",
            )
        ),
        "effects of on_authorized are not there exactly once": (
            set(authorized) | cancelled != set(alipay.frozen)
        ),
        "authorizations are neither authorized nor closed exactly once": (
            authorized + closed
            != numbers(connection, "SELECT out_order_no FROM alipay_authorization")
        ),
        "effects of on_released are not there once for each amount": (
            _released(connection)
            != {name: fen for name, fen in released.items() if name not in closed}
        ),
    }
    return [fault for fault, found in checks.items() if found] + alipay.faults


def _released(connection: Connection) -> dict[str, int]:
    """Return the released amounts that the callbacks have written, if each is larger than the one
    before.
    """
    found: dict[str, list[int]] = defaultdict(list)
    query = "SELECT out_trade_no FROM parcel WHERE event = 'released' ORDER BY id"
    for row in connection.execute(text(query)).scalars():
        number, fen = row.split(":")
        found[number].append(int(fen))
    return {
        number: fens[-1] if sorted(set(fens)) == sorted(fens) else -1
        for number, fens in found.items()
    }


def _books(connection: Connection, alipay: Authorizations) -> dict[str, tuple[object, ...]]:
    """Return Alipay's authorizations by number: whether they have ended, and the amounts."""
    known = numbers(connection, "SELECT out_order_no FROM alipay_authorization")
    never = {number: (True, 0, 0, 0, None) for number in known if number not in alipay.frozen}
    return {**never, **{one.number: _book(one) for one in alipay.frozen.values()}}


def _book(one: AuthorizationAtAlipay) -> tuple[object, ...]:
    return (one.status != "AUTHORIZED", one.captured_fen, one.released_fen, 0, None)


def _ledger(connection: Connection) -> dict[str, tuple[object, ...]]:
    columns = "status, captured_fen, released_fen, reserved_fen, release_no"
    rows = connection.execute(text(f"SELECT out_order_no, {columns} FROM alipay_authorization"))
    return {row[0]: (row[1] in ("FINISH", "CLOSED"), *row[2:]) for row in rows}
