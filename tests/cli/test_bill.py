"""``flask alipay bill``: comparison of a bill of the simulator with the ledger."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from flask_alipay.cli import bill as command
from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import CHINA_TIME

from ..doubles.app import MERCHANT, Shop, make_shop
from ..doubles.bills import REFUND, TEA, bill, table
from .conftest import MD5_KEY

COLUMNS = [
    "difference",
    "reference",
    "out_trade_no",
    "trade_no",
    "out_request_no",
    "bill_fen",
    "ledger_fen",
    "status",
    "at",
]


class Stall(Shop):
    """A shop with buyers, and changes to its tables."""

    def buy(self, out_trade_no: str) -> None:
        with self.app.test_request_context():
            payment = self.alipay.create_payment(
                out_trade_no=out_trade_no, subject="龙井茶", total_amount="88.88"
            )
            self.db.session.commit()
            address = self.alipay.pay_url(payment)
        buyer = self.app.test_client()
        cashier = buyer.get(address, follow_redirects=True).request.path
        buyer.post(f"{cashier}/pay")

    def refund(self, out_trade_no: str, number: str) -> None:
        with self.app.test_request_context():
            payment = self.stored(self.Payment, out_trade_no)
            self.alipay.refund(payment, "8.88", out_request_no=number)

    def stored(self, model: Any, out_trade_no: str) -> Any:
        return self.db.session.query(model).filter_by(out_trade_no=out_trade_no).one()

    def tamper(self, model: Any, out_trade_no: str, **columns: Any) -> None:
        with self.app.app_context():
            # By SQL: what identifies a stored payment cannot be changed through the class.
            row = self.db.session.query(model).filter_by(out_trade_no=out_trade_no)
            assert row.update(columns) == 1
            self.db.session.commit()

    def delete(self, model: Any, out_trade_no: str) -> None:
        with self.app.app_context():
            self.db.session.delete(self.stored(model, out_trade_no))
            self.db.session.commit()

    def dump(self) -> list[Any]:
        with self.app.app_context():
            tables = self.db.metadata.sorted_tables
            return [tuple(row) for t in tables for row in self.db.session.execute(t.select())]

    def differences(self, *args: str) -> list[tuple[Any, ...]]:
        result = self.run("bill", this_month(), "--json", *args)
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.exit_code == (1 if found else 0)
        return [(one["difference"], one["out_trade_no"], one["out_request_no"]) for one in found]


def this_month() -> str:
    """Use a monthly bill: a day ends during a test more often than a month."""
    return datetime.now(CHINA_TIME).strftime("%Y-%m")


@pytest.fixture
def stall() -> Stall:
    """A shop with two sales and a partial refund of the first."""
    stall = Stall(**vars(make_shop(ALIPAY_SIMULATOR=True)))
    stall.buy("A1")
    stall.buy("A2")
    stall.refund("A1", "R1")
    return stall


def test_a_bill_and_a_ledger_that_agree(stall: Stall) -> None:
    before = stall.dump()
    result = stall.run("bill", this_month())
    assert (result.exit_code, result.stdout) == (0, "The bill and the ledger agree.\n")
    assert stall.dump() == before


def test_a_daily_bill_is_compared(stall: Stall) -> None:
    paid_at = utc_now().astimezone(CHINA_TIME)
    result = stall.run("bill", paid_at.strftime("%Y-%m-%d"))
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_payment_missing_in_the_ledger_is_listed(stall: Stall) -> None:
    stall.delete(stall.Payment, "A2")
    assert stall.differences() == [("payment_unknown", "A2", None)]


def test_a_payment_unpaid_in_the_ledger_is_listed(stall: Stall) -> None:
    columns = {"paid": False, "paid_at": None, "trade_status": "WAIT_BUYER_PAY"}
    stall.tamper(stall.Payment, "A2", **columns)
    assert stall.differences() == [("payment_not_paid", "A2", None)]
    printed = stall.run("bill", this_month()).stdout
    assert "paid at Alipay, unpaid in the ledger" in printed
    assert "WAIT_BUYER_PAY" in printed
    assert "1 difference." in printed


def test_different_amounts_are_listed(stall: Stall) -> None:
    stall.tamper(stall.Payment, "A2", total_fen=100)
    assert stall.differences() == [("payment_amount", "A2", None)]
    line = stall.run("bill", this_month()).stdout.splitlines()[1]
    assert " 88.88 " in line
    assert " 1.00 " in line


def test_a_payment_missing_in_the_bill_is_listed(stall: Stall) -> None:
    made = {"paid": True, "paid_at": utc_now(), "trade_status": "TRADE_SUCCESS"}
    with stall.app.app_context():
        merchant = stall.alipay.config.merchant
    stall.add(stall.row("A3", merchant=merchant, trade_no="T3", **made))
    assert stall.differences() == [("payment_not_in_bill", "A3", None)]


def test_a_refund_missing_in_the_ledger_is_listed(stall: Stall) -> None:
    stall.delete(stall.Refund, "A1")
    assert stall.differences() == [("refund_unknown", "A1", "R1")]


def test_a_refund_not_done_in_the_ledger_is_listed(stall: Stall) -> None:
    stall.tamper(stall.Refund, "A1", status="REFUND_PROCESSING", refunded_at=None)
    assert stall.differences() == [("refund_not_done", "A1", "R1")]


def test_different_refund_amounts_are_listed(stall: Stall) -> None:
    stall.tamper(stall.Refund, "A1", refund_fen=1)
    assert stall.differences() == [("refund_amount", "A1", "R1")]


def test_a_refund_missing_in_the_bill_is_listed(stall: Stall) -> None:
    with stall.app.app_context():
        merchant = stall.alipay.config.merchant
    made = {"merchant": merchant, "refund_fen": 1, "status": "REFUND_SUCCESS"}
    times = {"created_at": utc_now(), "refunded_at": utc_now()}
    stall.add(stall.Refund(out_trade_no="A2", out_request_no="R9", **made, **times))
    assert stall.differences() == [("refund_not_in_bill", "A2", "R9")]


def test_csv_has_all_columns(stall: Stall) -> None:
    stall.tamper(stall.Payment, "A2", total_fen=100)
    result = stall.run("bill", this_month(), "--csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert result.exit_code == 1
    assert list(row) == COLUMNS
    assert (row["difference"], row["out_trade_no"]) == ("payment_amount", "A2")
    assert (row["bill_fen"], row["ledger_fen"], row["status"]) == ("8888", "100", "TRADE_SUCCESS")
    assert datetime.fromisoformat(row["at"]).utcoffset() == timedelta(0)


def test_json_has_the_same_names(stall: Stall) -> None:
    stall.delete(stall.Payment, "A2")
    assert list(json.loads(stall.run("bill", this_month(), "--json").stdout)) == COLUMNS


def test_no_buyer_is_shown(stall: Stall) -> None:
    stall.delete(stall.Payment, "A2")
    for option in ((), ("--json",), ("--csv",)):
        printed = stall.run("bill", this_month(), *option).output
        assert "龙井茶" not in printed
        assert "@" not in printed


def test_a_long_list_states_how_many_lines_are_missing(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_MAX_LINES", 1)
    stall.delete(stall.Payment, "A1")
    printed = stall.run("bill", this_month()).stdout
    assert "2 differences.\n1 of them are not shown" in printed


def test_a_period_without_sales_has_an_empty_bill(stall: Stall) -> None:
    result = stall.run("bill", "2020-01-01")
    assert result.exit_code == 0
    assert result.stderr == "The bill is empty: Alipay has no trades in this period.\n"


def test_payments_of_the_ledger_are_missing_in_an_empty_bill(stall: Stall) -> None:
    paid_at = datetime(2020, 1, 1, tzinfo=CHINA_TIME)
    stall.tamper(stall.Payment, "A2", paid_at=paid_at)
    result = stall.run("bill", "2020-01-01")
    assert result.exit_code == 1
    assert "paid in the ledger, not in the bill" in result.stdout


def test_a_bill_that_does_not_exist_yet_is_not_an_empty_one(stall: Stall) -> None:
    tomorrow = datetime.now(CHINA_TIME) + timedelta(days=2)
    result = stall.run("bill", tomorrow.strftime("%Y-%m-%d"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "on the next morning" in result.stderr


@pytest.mark.parametrize(
    "error",
    [OutcomeUnknown("no answer came"), GatewayError("no", sub_code="isv.insufficient")],
)
@pytest.mark.parametrize("step", ["data_dataservice_bill_downloadurl_query", "download_bill"])
def test_an_unavailable_bill_is_no_difference(
    step: str, error: GatewayError, stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    with stall.app.app_context():
        monkeypatch.setattr(type(stall.alipay.gateway), step, fail)
    before = stall.dump()
    result = stall.run("bill", this_month())
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(error)[1:] in result.stderr
    assert stall.dump() == before


@pytest.fixture
def shop() -> Shop:
    """A shop that fetches no bill."""
    return make_shop(ALIPAY_PROTOCOL="mapi", ALIPAY_PARTNER=MERCHANT[:16], ALIPAY_KEY=MD5_KEY)


def with_file(shop: Shop, content: bytes, folder: Path, date: str = "2026-01-31") -> Result:
    (folder / "bill").write_bytes(content)
    return shop.run("bill", date, "--file", str(folder / "bill"), "--json")


def sold(shop: Shop) -> Any:
    return shop.row(
        "A1",
        trade_no=TEA["支付宝交易号"],
        paid=True,
        trade_status="TRADE_FINISHED",
        paid_at=datetime(2026, 1, 31, 20, 0, 5, tzinfo=CHINA_TIME),
    )


def test_a_downloaded_bill_is_compared(shop: Shop, tmp_path: Path) -> None:
    shop.add(sold(shop))
    assert with_file(shop, bill(TEA).getvalue(), tmp_path).exit_code == 0
    assert with_file(shop, table(TEA).encode("gbk"), tmp_path).exit_code == 0
    result = with_file(shop, bill(TEA, REFUND).getvalue(), tmp_path)
    assert result.exit_code == 1
    assert '"refund_unknown"' in result.stdout


@pytest.mark.parametrize(
    ("content", "date", "printed"),
    [
        (b"<html>", "2026-01-31", "The bill cannot be compared: It contains no table"),
        (b"PK\3\4", "2026-01-31", "The bill cannot be compared: It is damaged."),
        (bill(TEA).getvalue(), "2026-01-30", "It is of another period than 2026-01-30."),
        (bill(TEA).getvalue(), "yesterday", "a day or a month"),
    ],
)
def test_an_invalid_bill_is_no_difference(
    content: bytes, date: str, printed: str, shop: Shop, tmp_path: Path
) -> None:
    result = with_file(shop, content, tmp_path, date)
    assert (result.exit_code, result.stdout) == (2, "")
    assert printed in result.stderr


def test_a_truncated_bill_has_no_differences(shop: Shop, tmp_path: Path) -> None:
    result = with_file(shop, table(TEA, "nonsense").encode("gbk"), tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")


def test_missing_tables_are_not_reported_as_differences(shop: Shop, tmp_path: Path) -> None:
    with shop.app.app_context():
        shop.db.drop_all()
    result = with_file(shop, bill(TEA).getvalue(), tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no such table" in result.stderr


def test_the_legacy_gateway_provides_no_bill(shop: Shop) -> None:
    result = shop.run("bill", "2026-01-31")
    assert result.exit_code == 2
    assert "--file" in result.stderr


def test_json_and_csv_exclude_each_other(shop: Shop) -> None:
    result = shop.run("bill", "2026-01-31", "--json", "--csv")
    assert result.exit_code == 2
    assert "not both" in result.stderr
