"""``flask alipay agreements``, ``charge`` and ``show``, with the exit statuses scripts rely on."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_alipay import AlipayBlueprint
from flask_alipay.models import utc_now

from ..services import on_each_database
from .shop import LOST, PAY, PAYER, TRADE_QUERY, DeductingShop, Payment, db, rejection


def run(shop: DeductingShop, *args: str, stdin: str | None = None) -> Result:
    result: Result = shop.app.test_cli_runner().invoke(args=("alipay", *args), input=stdin)
    return result


def charge(shop: DeductingShop, *args: str, stdin: str | None = None) -> Result:
    return run(shop, "charge", "S1", "--subject", "茶", *args, stdin=stdin)


def listed(shop: DeductingShop, *args: str) -> list[str]:
    done = run(shop, "agreements", "--json", *args)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["external_agreement_no"] for line in done.stdout.splitlines()]


def make_agreements(shop: DeductingShop) -> None:
    """Create agreements: due (D), too early (E), missed (M), suspended (X), used up (U), not
    signed (T), without periods (N), and extended by Alipay (L).
    """
    plans: dict[str, dict[str, Any]] = {
        "D1": {"next_date": "2026-12-05"},
        "E1": {"next_date": "2026-12-20"},
        "M1": {"next_date": "2026-12-02"},
        "X1": {"next_date": "2026-12-05"},
        "U1": {"next_date": "2026-12-05", "total_payments": 1},
        "L1": {"next_date": "2026-12-02"},
    }
    for place, (number, plan) in enumerate(plans.items()):
        shop.sign(number, f"2026500{place}", **plan)
    shop.sign("N1", "20265100", period_type=None, period=None, next_date=None)
    shop.subscribe("T1")
    shop.change("X1", status="STOP")
    shop.change("U1", charge_count=1, charged_fen=3000)
    shop.change("L1", latest_date="2026-12-09")
    shop.now = datetime(2026, 12, 3, 4, tzinfo=timezone.utc)


@on_each_database
def test_agreements_are_listed_and_selected(shop: DeductingShop) -> None:
    make_agreements(shop)
    shop.change("E1", created_at=utc_now() - timedelta(days=3))
    assert listed(shop)[0] == "T1"
    assert listed(shop)[-1] == "E1"
    assert len(listed(shop)) == 8
    assert listed(shop, "--status", "stop") == ["X1"]
    assert listed(shop, "--older-than", "2d") == ["E1"]
    assert "E1" not in listed(shop, "--newer-than", "2d")
    assert listed(shop, "--number", "1") == listed(shop)
    assert listed(shop, "--number", "20265100") == ["N1"]
    assert listed(shop, "--number", "%") == []
    assert listed(shop, "--limit", "2") == listed(shop)[:2]


@on_each_database
def test_agreement_filters_are_those_whose_window_is_open_by_the_merchants_clock(
    shop: DeductingShop,
) -> None:
    make_agreements(shop)
    assert set(listed(shop, "--due")) == {"D1", "L1"}
    shop.now = datetime(2026, 12, 15, 15, 59, tzinfo=timezone.utc)
    assert listed(shop, "--due") == ["E1"]
    shop.now = datetime(2026, 12, 14, 15, 59, tzinfo=timezone.utc)  # still the 14th in China
    assert listed(shop, "--due") == []
    shop.now = datetime(2026, 12, 14, 16, 0, tzinfo=timezone.utc)
    assert listed(shop, "--due") == ["E1"]


def test_the_length_of_the_window_is_the_configured_one(open_shop: Any) -> None:
    shop = open_shop(DEDUCTION_WINDOW_DAYS="0")
    make_agreements(shop)
    assert set(listed(shop, "--due")) == {"L1"}


def test_the_table_has_periods_and_sums(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.charge()
    done = run(small_shop, "agreements")
    assert done.exit_code == 0, done.output
    assert "S1                     NORMAL  1 month  2027-01-05" in done.stdout
    assert "1 agreement; 30.00 CNY deducted, 1 deductions." in done.stdout
    assert run(small_shop, "agreements", "--status", "STOP").stdout == "No agreement matches.\n"


def test_json_masks_the_payer(small_shop: DeductingShop) -> None:
    small_shop.sign()
    [line] = run(small_shop, "agreements", "--json").stdout.splitlines()
    found = json.loads(line)
    assert PAYER not in line
    assert (found["single_fen"], found["next_date"], found["charge_count"]) == (
        3000,
        "2026-12-05",
        0,
    )


def test_a_confirmed_deduction_is_paid(small_shop: DeductingShop) -> None:
    small_shop.sign()
    done = charge(small_shop, "--out-trade-no", "P1", stdin="y\n")
    assert done.exit_code == 0, done.output
    assert "30.00 CNY will be deducted under agreement S1 (茶), as payment P1." in done.stderr
    assert done.stdout == "30.00 CNY under S1: TRADE_SUCCESS, as payment P1.\n"
    assert small_shop.events() == [("paid", "P1")]


@pytest.mark.parametrize("stdin", ["n\n", ""])
def test_without_a_confirmation_nothing_is_stored(small_shop: DeductingShop, stdin: str) -> None:
    small_shop.sign()
    before = small_shop.contents()
    assert charge(small_shop, stdin=stdin).exit_code == 1
    assert small_shop.contents() == before
    assert small_shop.at_alipay.requests == []


def test_a_repeated_number_continues_and_never_charges_twice(small_shop: DeductingShop) -> None:
    small_shop.sign()
    for _ in range(2):
        done = charge(small_shop, "--out-trade-no", "P1", "--yes")
        assert done.exit_code == 0, done.output
    assert small_shop.at_alipay.methods == [PAY]
    assert small_shop.events() == [("paid", "P1")]


def test_an_unknown_result_prints_the_command_that_continues(small_shop: DeductingShop) -> None:
    small_shop.sign()
    alipay = small_shop.at_alipay
    alipay.script = {**alipay.script, PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    done = charge(small_shop, "--yes", "--json")
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["trade_status"] == "WAIT_BUYER_PAY"
    [found] = re.findall(r"flask alipay (charge S1 --out-trade-no \d+)", done.stderr)
    again = run(small_shop, *found.split(), "--yes")
    assert again.exit_code == 0, again.output
    assert alipay.methods.count(PAY) == 1
    assert small_shop.agreement().charge_count == 1


def test_without_a_number_a_deduction_without_a_result_is_continued(
    small_shop: DeductingShop,
) -> None:
    small_shop.sign()
    alipay = small_shop.at_alipay
    alipay.script = {**alipay.script, PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    assert charge(small_shop, "--yes").exit_code == 3
    done = charge(small_shop, stdin="y\n")
    assert "is continued" in done.stderr
    assert done.exit_code == 0, done.output
    assert len(alipay.trades) == 1


def test_a_second_deduction_of_a_period_is_rejected(small_shop: DeductingShop) -> None:
    small_shop.sign()
    charge(small_shop, "--yes")
    before = small_shop.contents()
    done = run(small_shop, "charge", "S1", "--yes")
    assert done.exit_code == 1
    assert "2026-12-31 to 2027-01-05" in done.stderr
    assert small_shop.contents() == before
    assert small_shop.at_alipay.methods == [PAY]


def test_the_subject_is_that_of_the_last_deduction(small_shop: DeductingShop) -> None:
    small_shop.sign()
    charge(small_shop, "--yes")
    small_shop.now = datetime(2027, 1, 5, 4, tzinfo=timezone.utc)
    done = run(small_shop, "charge", "S1", "12", "--out-trade-no", "P2", "--yes")
    assert done.exit_code == 0, done.output
    assert (small_shop.payment("P2").subject, small_shop.payment("P2").total_fen) == ("茶", 1200)


def test_a_rejected_deduction_exits_with_one(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.at_alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    done = charge(small_shop, "--out-trade-no", "P1", "--yes")
    assert done.exit_code == 1, done.output
    assert "ACQ.BUYER_BALANCE_NOT_ENOUGH" in done.stderr
    assert small_shop.events() == [("failed", "P1")]
    again = charge(small_shop, "--out-trade-no", "P1", "--yes")
    assert again.exit_code == 2
    assert "use a new number" in again.stderr
    assert charge(small_shop, "--out-trade-no", "P2", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("charge", "S1", "--yes"), 2),
        (("charge", "S1", "30.001", "--subject", "茶", "--yes"), 2),
        (("charge", "S1", "-5", "--subject", "茶", "--yes"), 2),
        (("charge", "S1", "0", "--subject", "茶", "--yes"), 2),
        (("charge", "S1", "30.01", "--subject", "茶", "--yes"), 1),
        (("charge", "S1", "30", "--subject", "茶", "--out-trade-no", "a b", "--yes"), 2),
        (("charge", "S1", "30", "--subject", "茶" * 300, "--yes"), 2),
        (("charge", "S9", "30", "--subject", "茶", "--yes"), 1),
        (("charge", "--yes"), 2),
    ],
)
def test_invalid_input_changes_nothing(
    small_shop: DeductingShop, args: tuple[str, ...], status: int
) -> None:
    small_shop.sign()
    before = small_shop.contents()
    done = run(small_shop, *args)
    assert done.exit_code == status, done.output
    assert small_shop.contents() == before
    assert small_shop.at_alipay.requests == []
    assert small_shop.events() == []


def test_the_number_of_another_payment_is_rejected(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.sign("S2", "20265001000000000002")
    charge(small_shop, "--out-trade-no", "P1", "--yes")
    before = small_shop.contents()
    done = run(small_shop, "charge", "S2", "--out-trade-no", "P1", "--yes")
    assert done.exit_code == 2
    assert "number of another payment" in done.stderr
    other = charge(small_shop, "20", "--out-trade-no", "P1", "--yes")
    assert other.exit_code == 2
    assert "must be 30.00" in other.stderr
    assert small_shop.contents() == before


def test_an_agreement_is_shown_with_its_deductions(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.charge()
    done = run(small_shop, "show", "S1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "external_agreement_no  S1" in lines
    assert "next_date              2027-01-05" in lines
    assert any("signed" in line for line in lines)
    assert any("30.00 CNY, P1" in line for line in lines)
    assert PAYER not in done.stdout
    by_alipay = json.loads(run(small_shop, "show", "20265001000000000001", "--json").stdout)
    assert [payment["out_trade_no"] for payment in by_alipay["payments"]] == ["P1"]


def test_a_payment_shows_its_agreement(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.charge()
    done = run(small_shop, "show", "P1")
    assert "external_agreement_no  S1" in done.stdout
    assert "deduction_date         2026-12-05" in done.stdout
    assert json.loads(run(small_shop, "show", "P1", "--json").stdout)["deduction_date"]


def test_a_number_of_a_payment_and_an_agreement_is_told_apart(small_shop: DeductingShop) -> None:
    small_shop.sign("X7")
    small_shop.charge("X7", "X7")
    assert "out_trade_no" in run(small_shop, "show", "X7").stdout
    shown = run(small_shop, "show", "X7", "--kind", "agreement").stdout
    assert shown.startswith("external_agreement_no  X7")
    missing = run(small_shop, "show", "X8", "--kind", "agreement")
    assert missing.exit_code == 1
    assert "no agreement X8" in missing.stderr
    assert run(small_shop, "show", "X8").exit_code == 1


def test_a_message_about_an_agreement_is_in_its_history(small_shop: DeductingShop) -> None:
    small_shop.sign("X7")
    small_shop.charge("X7", "X7")
    small_shop.send("dut_user_unsign", external_agreement_no="X7")
    shown = run(small_shop, "show", "X7", "--kind", "agreement").stdout
    assert "ended" in shown
    assert "dut_user_unsign" in shown or "UNSIGN" in shown
    assert "UNSIGN" not in run(small_shop, "show", "X7", "--kind", "payment").stdout


@pytest.mark.parametrize("command", [("agreements",), ("charge", "S1", "1", "--yes")])
def test_an_app_without_the_class_is_told_so(
    small_shop: DeductingShop, command: tuple[str, ...]
) -> None:
    app = Flask("plain")
    settings: dict[str, Any] = {f"ALIPAY_{k}": v for k, v in small_shop.merchant.settings.items()}
    app.config.update(
        SECRET_KEY="not a secret",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        TRUSTED_HOSTS=["localhost"],
        **settings,
    )
    db.init_app(app)
    app.register_blueprint(AlipayBlueprint(db, Payment), url_prefix="/alipay")
    done = app.test_cli_runner().invoke(args=("alipay", *command))
    assert done.exit_code == 2
    assert "no class for agreements" in done.stderr
