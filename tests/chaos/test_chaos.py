"""Short chaos run: a few dozen payments on each database, with every kind of failure."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ..requirements import missing


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
def test_everything_happens_exactly_once_under_fire(database: str) -> None:
    ran = rig("--payments", "30", "--transfers", "20", "--database", database)
    if ran.returncode == 2:
        missing(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "everything exactly once"


def test_two_calm_workers_on_sqlite_never_find_it_locked() -> None:
    ran = rig("--calm", "--notifications", "300", "--database", "sqlite")
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]


def test_a_worker_opens_the_rigs_new_file_while_another_uses_it(tmp_path: Path) -> None:
    from .databases import Sqlite
    from .shop import _configure

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

    from .gateway import Trade
    from .invariants import ShopResponses, faults
    from .shop import APP_ID, Notification, Parcel, Payment, Refund, db

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
            return len(faults(connection, trades, bad, responses))

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
        assert found(trades, {}, responses) == 2
        assert responses.unrest == []
        responses.read("sqlite3.OperationalError: database is locked")
        assert len(responses.unrest) == 1
    engine.dispose()


def test_the_rig_finds_a_transfer_that_was_paid_twice_or_has_no_result(tmp_path: Path) -> None:
    import random

    from sqlalchemy import create_engine, text

    from .shop import APP_ID, db
    from .transfers import PaidTransfer, Transfers, transfer_faults

    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    db.Model.metadata.create_all(engine)
    row = (
        "INSERT INTO alipay_transfer (merchant, out_biz_no, amount_fen, payee, identity_type, "
        "status, content, created_at) VALUES (:m, :n, 10, :p, 'x', :s, '{}', '2026-01-31')"
    )
    alipay = Transfers(random.Random(1))
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
