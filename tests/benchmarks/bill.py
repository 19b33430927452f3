"""Memory needed to compare a month of 100,000 rows with the ledger: at most 200 MiB.

``python -m tests.benchmarks.bill`` (another number of rows as its argument). The app, its ledger
on SQLite and the bill are made in one process and compared in another, by the command itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from flask_alipay.protocol.conversion import CHINA_TIME, format_china_time

from ..doubles.app import Shop, make_shop
from ..doubles.bills import BACK, FRONT, HEADER, line
from .verdicts import at_most, conclude, for_the_record

_MERCHANT = "2088000000000000"
_FIRST = datetime(2026, 1, 1, tzinfo=CHINA_TIME)
_PERIOD = "#起始日期：[2026年01月01日 00:00:00]   终止日期：[2026年02月01日 00:00:00]"


def _shop(database: str) -> Shop:
    return make_shop(
        ALIPAY_PROTOCOL="mapi",
        ALIPAY_PARTNER=_MERCHANT,
        ALIPAY_KEY="0123456789abcdef0123456789abcdef",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{database}",
    )


def _paid_at(number: int, count: int) -> datetime:
    return _FIRST + timedelta(days=31) * (number / count)


def _fill(shop: Shop, count: int) -> None:
    """Insert the sales of a month into the ledger, each tenth of them refunded."""
    with shop.app.app_context():
        for start in range(0, count, 10_000):
            numbers = range(start, min(start + 10_000, count))
            sales = [
                {
                    "merchant": _MERCHANT,
                    "out_trade_no": f"A{number:09}",
                    "trade_no": f"2026010122001{number:015}",
                    "subject": "Tea",
                    "total_fen": 8888,
                    "paid": True,
                    "trade_status": "TRADE_SUCCESS",
                    "paid_at": _paid_at(number, count),
                }
                for number in numbers
            ]
            shop.db.session.execute(insert(shop.Payment), sales)
            refunds = [
                {
                    "merchant": _MERCHANT,
                    "out_trade_no": f"A{number:09}",
                    "out_request_no": "R1",
                    "refund_fen": 888,
                    "status": "REFUND_SUCCESS",
                    "created_at": _paid_at(number, count),
                    "refunded_at": _paid_at(number, count),
                }
                for number in numbers
                if number % 10 == 0
            ]
            shop.db.session.execute(insert(shop.Refund), refunds)
        shop.db.session.commit()


def _write(bill: Path, count: int) -> None:
    """Write the bill of the same month."""
    with (
        zipfile.ZipFile(bill, "w", zipfile.ZIP_DEFLATED) as bundle,
        bundle.open("202601.csv", "w") as table,
    ):
        for text in (*FRONT[:2], _PERIOD, *FRONT[3:], HEADER):
            table.write(f"{text}\r\n".encode("gbk"))
        for number in range(count):
            sale = {
                "支付宝交易号": f"2026010122001{number:015}",
                "商户订单号": f"A{number:09}",
                "业务类型": "交易",
                "商品名称": "龙井茶",
                "完成时间": format_china_time(_paid_at(number, count)),
                "订单金额（元）": "88.88",
            }
            back = {"业务类型": "退款", "订单金额（元）": "-8.88", "退款批次号/请求号": "R1"}
            for cells in (sale, sale | back)[: 2 if number % 10 == 0 else 1]:
                table.write(f"{line(cells)}\r\n".encode("gbk"))
        for text in BACK:
            table.write(f"{text}\r\n".encode("gbk"))


def _compare(database: str, bill: str) -> None:
    """Compare in a separate process, and return its size before and at its maximum."""
    shop = _shop(database)
    shop.run("bill", "--help")
    before = _largest()
    start = time.perf_counter()
    result = shop.run("bill", "2026-01", "--file", bill)
    took = time.perf_counter() - start
    if result.exit_code or result.stdout != "The bill and the ledger agree.\n":
        raise RuntimeError(result.output)
    print(_largest(), before, took)


def _largest() -> float:
    """Return the maximum memory of this process so far, in MiB; ``ru_maxrss`` includes its
    parent's.
    """
    (told,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(told) / 1024


def main(rows: int = 100_000) -> None:
    """Create a month of rows and print what the comparison takes."""
    sales = rows * 10 // 11
    with tempfile.TemporaryDirectory() as folder:
        database, bill = str(Path(folder, "ledger.sqlite")), Path(folder, "bill.zip")
        shop = _shop(database)
        _fill(shop, sales)
        _write(bill, sales)
        command = [sys.executable, "-m", __spec__.name, database, str(bill)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak, before, took = map(float, told.split())
    what = f"compare a bill of {rows:,} rows"
    at_most(f"{what}, peak", peak, 200, "MiB")
    for_the_record("  before it", before, "MiB")
    for_the_record("  it takes", took, "s")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _compare(*sys.argv[1:])
    else:
        main(*map(int, sys.argv[1:]))
        sys.exit(conclude())
