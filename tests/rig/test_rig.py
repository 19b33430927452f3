"""The short form of the rig: a few dozen payments on each database, under every kind of blow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..requirements import missing


@pytest.mark.parametrize(
    "database",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("mariadb", marks=pytest.mark.service),
    ],
)
def test_everything_happens_exactly_once_under_fire(database: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.rig", "--payments", "30", "--database", database],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if ran.returncode == 2:
        missing(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "everything exactly once"


def test_the_rig_finds_what_was_not_there_once(tmp_path: Path) -> None:
    from sqlalchemy import create_engine, insert

    from .shop import APP_ID, Notification, Parcel, Payment, db
    from .verdict import faults

    engine = create_engine(f"sqlite:///{tmp_path / 'shop.sqlite'}")
    db.Model.metadata.create_all(engine)
    payment = {"merchant": APP_ID, "out_trade_no": "P1", "subject": "茶", "total_fen": 1}
    parcel = {"out_trade_no": "P1", "event": "paid"}
    line = {
        "merchant": APP_ID,
        "out_trade_no": "P1",
        "trade_status": "TRADE_SUCCESS",
        "outcome": "settled",
        "detail": "paid",
        "payload": {},
    }
    with engine.begin() as connection:
        connection.execute(insert(Payment.__table__), {**payment, "paid": True})
        connection.execute(insert(Parcel.__table__), parcel)
        connection.execute(insert(Notification.__table__), line)
        assert faults(connection, ["P1"], {}, {"P1": 1}) == []
        assert len(faults(connection, [], {"P1": "forged"}, {})) == 3
        assert len(faults(connection, ["P1"], {}, {"P1": 2})) == 1
        connection.execute(insert(Parcel.__table__), parcel)
        assert len(faults(connection, ["P1"], {}, {"P1": 1})) == 1
    engine.dispose()
