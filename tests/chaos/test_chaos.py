"""Short chaos run: a few dozen payments on each database, with every kind of failure."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, text

from ..requirements import missing
from .agreements import next_month
from .deposits import authorization_faults
from .gateway import Gateway
from .shop import Parcel
from .subscriptions import Subscription, Year, agreement_faults


def rig(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "database",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("mariadb", marks=pytest.mark.service),
    ],
)
@pytest.mark.parametrize(
    "options",
    [("--payments", "30", "--transfers", "20"), ("--authorizations", "12", "--agreements", "3")],
    ids=["payments", "grants"],
)
def test_everything_happens_exactly_once_under_fire(
    database: str, options: tuple[str, ...]
) -> None:
    ran = rig(*options, "--database", database)
    if ran.returncode == 2:
        missing(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "everything exactly once"


def test_two_calm_workers_on_sqlite_never_find_it_locked() -> None:
    ran = rig("--calm", "--notifications", "300", "--database", "sqlite")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


def test_a_worker_opens_the_rigs_new_file_while_another_uses_it(tmp_path: Path) -> None:
    from .app import _configure
    from .databases import Sqlite

    database = Sqlite(tmp_path)
    database.start()
    file = database.url.removeprefix("sqlite:///")
    with (
        closing(sqlite3.connect(file)) as first,
        closing(sqlite3.connect(file, timeout=0)) as second,
    ):
        first.execute("BEGIN IMMEDIATE")
        _configure(second, None)
        assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_checks_find_every_violation(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, insert

    from .invariants import ShopResponses, faults
    from .shop import APP_ID, Notification, Parcel, Payment, Refund, db
    from .trades import Trade

    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    db.Model.metadata.create_all(engine)
    named = {"merchant": APP_ID, "out_trade_no": "P1"}
    payment = {**named, "subject": "茶", "total_fen": 8888, "paid": True, "refunded_fen": 10}
    refund = {**named, "out_request_no": "a", "refund_fen": 10, "status": "REFUND_SUCCESS"}
    line = {**named, "trade_status": "", "outcome": "settled", "detail": "paid", "payload": {}}
    trades = {"P1": Trade("TRADE_SUCCESS", {"a": 10})}
    responses = ShopResponses()
    responses.successes["P1"] = 1
    with engine.begin() as connection:

        def add(model: type, row: dict[str, object]) -> None:
            connection.execute(insert(model.__table__), row)  # type: ignore[attr-defined]

        def found(trades: dict[str, Trade], bad: dict[str, str], responses: ShopResponses) -> int:
            return len(faults(connection, trades, (), bad, responses))

        for event in ("paid", "refunded"):
            add(Parcel, {"out_trade_no": "P1", "event": event})
        for model, row in ((Payment, payment), (Refund, refund), (Notification, line)):
            add(model, row)
        assert found(trades, {}, responses) == 0
        assert found({}, {}, ShopResponses()) == 6
        assert found({"P1": Trade("TRADE_SUCCESS", {"a": 11})}, {}, responses) == 2
        responses.successes["P1"] = 2
        assert found(trades, {}, responses) == 1
        responses.refusals["P2"] = 1
        assert found(trades, {"P2": "amount"}, responses) == 2
        assert found(trades, {"P2": "forged"}, responses) == 1
        responses.read("the journal could not be written for P2 (OperationalError)")
        assert found(trades, {"P2": "amount"}, responses) == 1
        add(Parcel, {"out_trade_no": "P1", "event": "paid"})
        assert found(trades, {}, responses) == 3
        assert responses.unrest == []
        responses.read("sqlite3.OperationalError: database is locked")
        assert len(responses.unrest) == 1
    engine.dispose()


def test_the_rig_finds_a_transfer_that_was_paid_twice_or_has_no_result(tmp_path: Path) -> None:
    import random

    from sqlalchemy import create_engine, text

    from .fates import Fates
    from .shop import APP_ID, db
    from .transfers import PaidTransfer, Transfers, transfer_faults

    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    db.Model.metadata.create_all(engine)
    row = (
        "INSERT INTO alipay_transfer (merchant, out_biz_no, amount_fen, payee, identity_type, "
        "status, content, created_at) VALUES (:m, :n, 10, :p, 'x', :s, '{}', '2026-01-31')"
    )
    alipay = Transfers(Fates(random.Random(1)))
    alipay.wanted.add("T1")
    content = {"payee_info": {"identity": "T1"}, "trans_amount": "0.10"}
    with engine.begin() as connection:
        assert transfer_faults(connection, alipay) == []
        alipay.accepted["N1"] = PaidTransfer(content)
        assert len(transfer_faults(connection, alipay)) == 1  # not in the ledger
        connection.execute(text(row), {"m": APP_ID, "n": "N1", "p": "T1", "s": "DEALING"})
        assert len(transfer_faults(connection, alipay)) == 2  # nor has it a result
        connection.execute(text("UPDATE alipay_transfer SET status = 'SUCCESS'"))
        assert len(transfer_faults(connection, alipay)) == 1  # no callback
        event = "INSERT INTO parcel (out_trade_no, event) VALUES ('N1', 'transferred')"
        connection.execute(text(event))
        assert transfer_faults(connection, alipay) == []
        alipay.accepted["N2"] = PaidTransfer(content)
        assert "payees were paid more than once" in transfer_faults(connection, alipay)
    engine.dispose()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Alipay, to which nobody sends requests, and whose messages are lost."""
    import random

    from flask_alipay.keys import generate_private_key
    from flask_alipay.signer import Rsa2Signer

    from .clock import SharedClock

    def ignore(*_: object) -> None:
        pass

    signer, clock = Rsa2Signer(generate_private_key()), SharedClock(tmp_path / "clock")
    found = Gateway(signer, random.Random(1), ignore, ignore, clock)
    yield found
    found.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Connection]:
    """An empty database of the shop."""
    from sqlalchemy import create_engine

    from .shop import db

    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    db.Model.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def write(ledger: Connection, model: str, **row: object) -> None:
    from . import shop

    ledger.execute(insert(getattr(shop, model).__table__), {"merchant": shop.APP_ID, **row})


def pack(ledger: Connection, number: str, event: str) -> None:
    ledger.execute(insert(Parcel.__table__), {"out_trade_no": number, "event": event})


FROZEN = {"out_order_no": "F1", "out_request_no": "F1", "amount": "10.00", "product_code": "X"}


def test_the_rig_finds_an_authorization_that_differs_from_alipays(
    gateway: Gateway, ledger: Connection
) -> None:
    alipay = gateway.authorizations

    def found() -> list[str]:
        return authorization_faults(ledger, alipay)

    assert found() == []
    alipay._freeze(FROZEN, notify=False)
    assert len(found()) == 2  # neither in the ledger nor authorized
    amounts = {"total_fen": 1000, "captured_fen": 0, "released_fen": 0, "reserved_fen": 0}
    row = {"out_order_no": "F1", "out_request_no": "F1", "title": "x", "product_code": "X"}
    write(ledger, "Authorization", **row, **amounts, status="AUTHORIZED", details={}, releases=[])
    assert len(found()) == 2  # no callback
    pack(ledger, "F1", "authorized")
    assert found() == []
    alipay.frozen["F1"].release("R1", 300)
    assert len(found()) == 2  # another amount, and no callback
    ledger.execute(text("UPDATE alipay_authorization SET released_fen = 300"))
    pack(ledger, "F1:300", "released")
    assert found() == []
    pack(ledger, "F1:300", "released")
    assert found() == ["effects of on_released are not there once for each amount"]


def test_alipay_of_the_rig_rejects_a_capture_of_more_than_is_frozen(gateway: Gateway) -> None:
    gateway.authorizations._freeze(FROZEN, notify=False)
    frozen = gateway.authorizations.frozen["F1"]
    capture = {"product_code": "X"}
    assert frozen.refuse("C1", 600, capture) is None
    frozen.begin("C1", 600)
    assert frozen.refuse("C2", 401, capture) == "ACQ.AUTH_AMOUNT_NOT_ENOUGH"
    assert gateway.authorizations.faults == ["C2: more was to be captured than is frozen"]


def year_of_one(gateway: Gateway, first: date) -> Year:
    """Return the year of one payer, who signs, and pays in every month."""
    import random

    agreements = gateway.agreements
    year = Year(agreements, agreements._clock, lambda *_: None, random.Random(1))
    periods = [first]
    for _ in range(11):
        periods.append(next_month(periods[-1]))
    year.subscriptions.append(Subscription("S1", tuple(periods), tuple(periods), {}))
    rule = {"execute_time": first.isoformat(), "single_amount": "30.00"}
    codes = {"personal_product_code": "CYCLE_PAY_AUTH_P", "sign_scene": "X"}
    agreements._sign("S1", {"external_agreement_no": "S1", "period_rule_params": rule, **codes})
    return year


def test_the_rig_finds_a_month_that_was_missed_or_charged_twice(
    gateway: Gateway, ledger: Connection
) -> None:
    agreements, clock = gateway.agreements, gateway.agreements._clock
    year = year_of_one(gateway, clock.today())
    agreement, periods = agreements.signed["S1"], year.subscriptions[0].periods
    row = {"external_agreement_no": "S1", "agreement_no": "2026500S1", "status": "NORMAL"}
    codes = dict.fromkeys(("product_code", "personal_product_code", "sign_scene"), "x")
    write(ledger, "Agreement", **row, **codes, charge_count=12, charged_fen=1200, details={})
    pack(ledger, "S1", "agreement_signed")

    def found() -> list[str]:
        return agreement_faults(ledger, year, agreements)

    assert f"S1: the month of {periods[0]} was missed" not in found()  # it is not over
    clock.move_to(periods[1])
    assert f"S1: the month of {periods[0]} was missed" in found()
    for period in periods:
        number = f"S1D{period}"
        clock.move_to(period)
        assert agreement.refuse(number, 100, {}) is None
        agreement.begin(number, 100)
        agreement.settle(number, 100, {})
        assert agreement.refuse(f"{number}X", 100, {}) == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
        paid = {"out_trade_no": number, "paid": True, "trade_status": "TRADE_SUCCESS"}
        day = {"external_agreement_no": "S1", "deduction_date": period.isoformat()}
        write(ledger, "Payment", subject="x", total_fen=100, **paid, **day)
    assert len(found()) == 1  # the next date
    due = {"day": agreement.next_date.isoformat()}
    ledger.execute(text("UPDATE alipay_agreement SET next_date = :day"), due)
    assert found() == []
    agreement.paid[periods[3]].append("again")
    assert f"S1: the month of {periods[3]} was charged 2 times" in found()


def test_alipay_of_the_rig_ends_an_agreement_for_good(gateway: Gateway) -> None:
    agreements = gateway.agreements
    year_of_one(gateway, agreements._clock.today())
    agreements.end("S1", reported=False)
    assert agreements.signed["S1"].refuse("D1", 100, {}) == "ACQ.AGREEMENT_NOT_EXIST"
    response = agreements.answer("alipay.user.agreement.query", {"agreement_no": "2026500S1"})
    assert response is not None
    assert response["sub_code"] in ("USER_AGREEMENT_NOT_EXIST", "AGREEMENT_HAS_UNSIGNED")
