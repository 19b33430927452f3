"""``payments`` and ``show``: lists of payments, and one with its history."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from flask_alipay.cli.table import width
from flask_alipay.keys import private_pem, public_pem

from ..conftest import Keys
from ..doubles.app import MERCHANT, NOON, Shop, make_shop, minutes

PAID = "20260131000000000000000001"
OPEN = "20260131000000000000000002"
CLOSED = "20260131000000000000000003"
TRADE = "2026013122001499160501586202"
OPEN_ID = "074a1C-dEf_GhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"


@pytest.fixture
def shop(keys: Keys) -> Shop:
    shop = make_shop(
        ALIPAY_APP_ID=MERCHANT,
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
    )
    now = datetime.now(timezone.utc)
    paid = shop.row(
        PAID,
        trade_no=TRADE,
        trade_status="TRADE_SUCCESS",
        paid=True,
        refunded_fen=1000,
        buyer_id="2088123456789012",
        subject="龙井茶 100% leaf",
        created_at=NOON,
        paid_at=NOON + minutes(2),
    )
    refund = shop.Refund(
        merchant=MERCHANT,
        out_trade_no=PAID,
        out_request_no="R1",
        refund_fen=1000,
        status="REFUND_SUCCESS",
        created_at=NOON + minutes(60),
        refunded_at=NOON + minutes(61),
    )
    notification_params = shop.Notification(
        notify_id="n1",
        merchant=MERCHANT,
        out_trade_no=PAID,
        trade_no=TRADE,
        trade_status="TRADE_SUCCESS",
        outcome="settled",
        detail="paid",
        payload={"buyer_logon_id": "buyer@example.com", "out_trade_no": PAID, "sign": "abcdefgh"},
        received_at=NOON + minutes(3),
    )
    shop.add(
        paid,
        refund,
        notification_params,
        shop.row(OPEN, created_at=now - timedelta(hours=2), buyer_open_id=OPEN_ID),
        shop.row(CLOSED, trade_status="TRADE_CLOSED", created_at=now, total_fen=100),
        shop.row("T9", merchant="2021000000000009"),
    )
    return shop


def listed(shop: Shop, *args: str) -> list[str]:
    lines = shop.run("payments", "--json", *args).stdout.splitlines()
    return [json.loads(line)["out_trade_no"] for line in lines]


def test_the_newest_payments_of_the_merchant_come_first(shop: Shop) -> None:
    assert listed(shop) == [CLOSED, OPEN, PAID]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--status", "TRADE_SUCCESS"], [PAID]),
        (["--status", "TRADE_SUCCESS", "--status", "trade_closed"], [CLOSED, PAID]),
        (["--paid"], [PAID]),
        (["--unpaid"], [CLOSED, OPEN]),
        (["--older-than", "30m"], [OPEN, PAID]),
        (["--newer-than", "1d"], [CLOSED, OPEN]),
        (["--unpaid", "--older-than", "30m", "--newer-than", "1d"], [OPEN]),
        (["--text", "龙井"], [PAID]),
        (["--text", "0%"], [PAID]),
        (["--text", "%"], [PAID]),
        (["--text", TRADE[-8:]], [PAID]),
        (["--text", "_"], []),
        (["--buyer", "2088123456789012"], [PAID]),
        (["--buyer", OPEN_ID], [OPEN]),
        (["--buyer", OPEN_ID[:12]], []),
        (["--limit", "1"], [CLOSED]),
    ],
)
def test_filters_select_payments(args: list[str], expected: list[str], shop: Shop) -> None:
    assert listed(shop, *args) == expected


def test_totals_include_all_matching_payments(shop: Shop) -> None:
    printed = shop.run("payments", "--limit", "1").stdout
    assert "3 payments of 178.76 CNY; paid 88.88 CNY, refunded 10.00 CNY." in printed
    assert "2 older payments are not shown" in printed


def test_an_empty_result_is_reported(shop: Shop) -> None:
    result = shop.run("payments", "--text", "coffee")
    assert (result.exit_code, result.stdout) == (0, "No payment matches.\n")


@pytest.fixture
def days() -> Shop:
    """A shop with payments around midnight in China, and one of today."""
    shop = make_shop(ALIPAY_SIMULATOR=True)
    with shop.app.app_context():
        merchant = shop.alipay.config.merchant
    times = {
        "JAN30": datetime(2026, 1, 30, 15, 59, 59, tzinfo=timezone.utc),
        "JAN31A": datetime(2026, 1, 30, 16, 0, tzinfo=timezone.utc),
        "JAN31B": datetime(2026, 1, 31, 15, 59, 59, tzinfo=timezone.utc),
        "FEB1": datetime(2026, 1, 31, 16, 0, tzinfo=timezone.utc),
        "TODAY": datetime.now(timezone.utc),
    }
    shop.add(*(shop.row(n, merchant=merchant, created_at=at) for n, at in times.items()))
    return shop


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--today"], ["TODAY"]),
        (["--on", "2026-01-31"], ["JAN31B", "JAN31A"]),
        (["--from", "2026-01-31", "--to", "2026-01-31"], ["JAN31B", "JAN31A"]),
        (["--from", "2026-02-01"], ["TODAY", "FEB1"]),
        (["--to", "2026-01-30"], ["JAN30"]),
        (["--from", "2026-01-30", "--to", "2026-02-01", "--limit", "2"], ["FEB1", "JAN31B"]),
    ],
)
def test_a_day_is_in_china_time(args: list[str], expected: list[str], days: Shop) -> None:
    assert listed(days, *args) == expected


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--today", "--on", "2026-01-31"], "--today, --on, or --from and --to"),
        (["--on", "2026-01-31", "--to", "2026-02-01"], "--today, --on, or --from and --to"),
        (["--from", "2026-02-02", "--to", "2026-02-01"], "--from is later than --to"),
        (["--on", "2026-02-30"], "use the format 2026-01-31"),
        (["--on", "31.1.2026"], "use the format 2026-01-31"),
        (["--json", "--csv"], "--json or --csv, not both"),
    ],
)
def test_days_that_contradict_each_other_are_rejected(
    args: list[str], why: str, days: Shop
) -> None:
    result = days.run("payments", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in " ".join(result.stderr.split())


def test_the_list_of_one_day_shows_times_without_the_day(days: Shop) -> None:
    head, *rows = days.run("payments", "--on", "2026-01-31", COLUMNS="80").stdout.splitlines()
    assert "created" in head
    assert "  23:59    Tea" in rows[0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_subject_is_shown_at_80_columns(language: str, shop: Shop) -> None:
    lines = shop.run("payments", COLUMNS="80", LANGUAGE=language).stdout.splitlines()
    assert lines[0].endswith("subject" if language == "en" else "标题")
    assert any(line.endswith("Tea") for line in lines)
    assert any("龙井" in line for line in lines)
    assert any("10.00" in line for line in lines)


def test_the_csv_has_all_payments_as_a_spreadsheet_program_opens_them(shop: Shop) -> None:
    shop.add(*(shop.row(f"N{number}", subject="=1+1") for number in range(60)))
    printed = shop.run("payments", "--csv").stdout
    assert printed.startswith("\ufeffout_trade_no,")
    rows = list(csv.DictReader(io.StringIO(printed[1:])))
    assert len(rows) == 63
    paid = next(row for row in rows if row["out_trade_no"].startswith(PAID))
    assert paid["out_trade_no"] == f"{PAID}\t"
    assert paid["subject"] == "龙井茶 100% leaf"
    assert (paid["total_amount"], paid["refunded_amount"]) == ("88.88", "10.00")
    assert paid["created_at"] == "2026-01-31 20:00:00"
    assert {row["subject"] for row in rows if row["out_trade_no"].startswith("N")} == {"'=1+1"}


def test_the_csv_masks_the_buyer(shop: Shop) -> None:
    printed = shop.run("payments", "--csv").stdout
    assert "2088123456789012" not in printed
    assert OPEN_ID not in printed
    rows = {row["out_trade_no"].strip(): row for row in csv.DictReader(io.StringIO(printed[1:]))}
    assert (rows[PAID]["buyer_id"], rows[PAID]["buyer_open_id"]) == ("20***", "")
    assert (rows[OPEN]["buyer_id"], rows[OPEN]["buyer_open_id"]) == ("", "07***")


def test_json_lists_all_payments(shop: Shop) -> None:
    shop.add(*(shop.row(f"N{number}") for number in range(1200)))
    assert len(listed(shop)) == 1203


def test_json_keeps_chinese_readable(shop: Shop) -> None:
    assert '"subject": "龙井茶 100% leaf"' in shop.run("show", PAID, "--json").stdout


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_payment_takes_one_line_of_the_terminal(
    columns: str, language: str, shop: Shop
) -> None:
    printed = shop.run("payments", COLUMNS=columns, LANGUAGE=language).stdout
    assert max(map(width, printed.splitlines())) <= int(columns)
    assert all(number in printed for number in (PAID, OPEN, CLOSED))


@pytest.mark.parametrize("age", ["soon", "30", "m", "-1h", "٣h"])
def test_an_invalid_age_is_rejected(age: str, shop: Shop) -> None:
    result = shop.run("payments", f"--older-than={age}")
    assert result.exit_code == 2
    assert "30m, 2h or 7d" in result.stderr


def test_missing_tables_are_reported_without_a_traceback(shop: Shop) -> None:
    with shop.app.app_context():
        shop.db.drop_all()
    result = shop.run("payments")
    assert result.exit_code == 2
    assert "no such table" in result.stderr
    assert "SELECT" not in result.output


def test_show_lists_the_events_in_order(shop: Shop) -> None:
    printed = shop.run("show", PAID).stdout
    events = [line[21:45].split("  ")[0] for line in printed.split("\n\n")[1].splitlines()]
    assert events == [
        "event",
        "created",
        "paid",
        "Alipay: TRADE_SUCCESS",
        "refund requested",
        "refunded",
    ]
    assert "2026-01-31 20:00:00" in printed  # China time


def test_show_finds_a_payment_by_alipays_number(shop: Shop) -> None:
    assert PAID in shop.run("show", TRADE).stdout


def test_show_masks_the_buyer(shop: Shop) -> None:
    for args in (["show", PAID], ["show", PAID, "--json"], ["payments", "--json"]):
        printed = shop.run(*args).output
        assert "2088123456789012" not in printed
        assert "buyer@example.com" not in printed
    assert "buyer@example.com" in shop.run("show", PAID, "--show-params").stdout


def test_show_has_the_open_id_of_a_newer_application(shop: Shop) -> None:
    assert "buyer_open_id  07***\n" in shop.run("show", OPEN).stdout
    printed = json.loads(shop.run("show", OPEN, "--json").stdout)
    assert (printed["buyer_id"], printed["buyer_open_id"]) == (None, "07***")


def test_show_prints_the_complete_history_as_json(shop: Shop) -> None:
    printed = json.loads(shop.run("show", PAID, "--json").stdout)
    assert printed["total_fen"] == 8888
    assert printed["paid_at"] == "2026-01-31T12:02:00+00:00"
    assert [refund["out_request_no"] for refund in printed["refunds"]] == ["R1"]
    assert [(n["outcome"], n["detail"]) for n in printed["notifications"]] == [("settled", "paid")]


def test_show_lists_the_way_to_alipay_and_each_query(shop: Shop) -> None:
    with shop.app.app_context():
        payment = shop.alipay.ledger().find(OPEN)
        payment.sent_at = payment.returned_at = NOON
        first, last = "2026-01-31T12:00:01+00:00", "2026-01-31T12:00:09+00:00"
        groups = {"first": first, "last": last, "times": 3, "result": "WAIT_BUYER_PAY"}
        payment.query_history = [groups]
        shop.db.session.commit()
    printed = shop.run("show", OPEN).stdout
    for event in ("sent to Alipay", "buyer returned", "queried"):
        assert event in printed
    assert "WAIT_BUYER_PAY, 3 times" in printed
    assert "已提交到支付宝" in shop.run("show", OPEN, LANGUAGE="zh").stdout
    found = json.loads(shop.run("show", OPEN, "--json").stdout)
    assert found["sent_at"] == found["returned_at"] is not None
    assert found["queries"] == [groups]


def test_show_states_that_no_report_was_received(shop: Shop) -> None:
    assert "No notification about it was received." in shop.run("show", OPEN).stdout


def test_show_suggests_a_search_for_an_unknown_number(shop: Shop) -> None:
    result = shop.run("show", "T9")
    assert result.exit_code == 1
    assert "has no payment T9" in result.stderr
    assert "--text" in result.stderr


def test_show_mentions_notifications_of_an_unknown_payment(shop: Shop) -> None:
    shop.add(
        shop.Notification(
            merchant=MERCHANT,
            out_trade_no="LOST",
            trade_status="TRADE_SUCCESS",
            outcome="unknown",
            payload={},
        )
    )
    result = shop.run("show", "LOST")
    assert result.exit_code == 1
    assert "another database" in result.stderr


def test_every_database_is_read(database_url: str) -> None:
    shop = make_shop(ALIPAY_SIMULATOR=True, SQLALCHEMY_DATABASE_URI=database_url)
    with shop.app.app_context():
        merchant = shop.alipay.config.merchant
    try:
        shop.add(
            shop.row(PAID, merchant=merchant, paid=True, trade_status="TRADE_SUCCESS"),
            shop.row(OPEN, merchant=merchant, subject="龙井茶 100%"),
        )
        assert "2 payments of 177.76 CNY; paid 88.88 CNY" in shop.run("payments").stdout
        assert listed(shop, "--text", "0%") == [OPEN]
        assert json.loads(shop.run("show", PAID, "--json").stdout)["paid"] is True
        findings = map(json.loads, shop.run("doctor", "--offline", "--json").stdout.splitlines())
        assert {f["level"] for f in findings if f["check"] == "table"} == {"ok"}
    finally:
        with shop.app.app_context():
            shop.db.drop_all()
            shop.db.engine.dispose()
