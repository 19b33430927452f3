"""``flask alipay authorizations``, ``capture``, ``release`` and ``show``."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_alipay import AlipayBlueprint
from flask_alipay.models import utc_now

from ..services import on_each_database
from .shop import (
    LOST,
    PAY,
    PAYER,
    QUERY,
    TRADE_QUERY,
    UNFREEZE,
    DepositShop,
    Payment,
    db,
    rejection,
)


def run(shop: DepositShop, *args: str, stdin: str | None = None) -> Result:
    result: Result = shop.app.test_cli_runner().invoke(args=("alipay", *args), input=stdin)
    return result


def listed(shop: DepositShop, *args: str) -> list[str]:
    done = run(shop, "authorizations", "--json", *args)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["out_order_no"] for line in done.stdout.splitlines()]


def lose_release(shop: DepositShop) -> None:
    """Let the next release succeed at Alipay, and lose the responses."""
    shop.at_alipay.lose(UNFREEZE)
    shop.at_alipay.fail(QUERY, LOST, LOST)


@on_each_database
def test_authorizations_are_listed_and_selected(shop: DepositShop) -> None:
    shop.hold(number="HELD1")
    shop.hold(number="HELD2")
    shop.create(number="WAIT_1")
    shop.change("HELD1", created_at=utc_now() - timedelta(days=25))
    assert listed(shop) == ["WAIT_1", "HELD2", "HELD1"]
    assert listed(shop, "--status", "AUTHORIZED") == ["HELD2", "HELD1"]
    assert listed(shop, "--status", "init", "--status", "CLOSED") == ["WAIT_1"]
    assert listed(shop, "--older-than", "20d") == ["HELD1"]
    assert listed(shop, "--newer-than", "20d", "--limit", "1") == ["WAIT_1"]
    assert listed(shop, "--number", "ELD") == ["HELD2", "HELD1"]
    assert listed(shop, "--number", "T_") == ["WAIT_1"]
    assert listed(shop, "--number", shop.row("HELD2").auth_no) == ["HELD2"]


def test_the_table_has_amounts_and_sums(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.capture("120.00")
    small_shop.release("30.00")
    done = run(small_shop, "authorizations")
    assert done.exit_code == 0, done.output
    assert re.search(r"DEP1 +AUTHORIZED +500.00 +120.00 +30.00 +350.00", done.stdout)
    assert "1 authorization of 500.00 CNY; captured 120.00 CNY, released 30.00 CNY." in done.stdout
    assert run(small_shop, "authorizations", "--status", "CLOSED").stdout == (
        "No authorization matches.\n"
    )


def test_json_masks_the_payer(small_shop: DepositShop) -> None:
    small_shop.hold()
    [line] = run(small_shop, "authorizations", "--json").stdout.splitlines()
    assert PAYER not in line
    found = json.loads(line)
    assert (found["total_fen"], found["rest_fen"], found["releases"]) == (50000, 50000, [])


def test_a_confirmed_capture_is_paid(small_shop: DepositShop) -> None:
    small_shop.hold()
    done = run(small_shop, "capture", "DEP1", "120", "--out-trade-no", "C1", stdin="y\n")
    assert done.exit_code == 0, done.output
    assert "120.00 CNY of authorization DEP1 (押金, 500.00 CNY, 500.00 CNY left)" in done.stderr
    assert done.stdout == "120.00 CNY of DEP1: TRADE_SUCCESS, as payment C1.\n"
    assert small_shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert small_shop.calls()[-1] == ("paid", "C1")


@pytest.mark.parametrize("stdin", ["n\n", ""])
@pytest.mark.parametrize("command", [("capture", "DEP1", "1"), ("release", "DEP1")])
def test_without_a_confirmation_nothing_happens(
    small_shop: DepositShop, command: tuple[str, ...], stdin: str
) -> None:
    small_shop.hold()
    before, sent = small_shop.contents(), len(small_shop.at_alipay.requests)
    assert run(small_shop, *command, stdin=stdin).exit_code == 1
    assert small_shop.contents() == before
    assert len(small_shop.at_alipay.requests) == sent


def test_all_that_is_left_is_captured(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.capture("120.00")
    assert run(small_shop, "capture", "DEP1", "all", "--yes").exit_code == 0
    assert small_shop.amounts() == ("FINISH", 50000, 0, 0)
    again = run(small_shop, "capture", "DEP1", "all", "--yes")
    assert again.exit_code == 1
    assert "Nothing is left of DEP1" in again.stderr


def test_a_completing_capture_releases_the_rest(small_shop: DepositShop) -> None:
    small_shop.hold()
    done = run(small_shop, "capture", "DEP1", "80", "--complete", stdin="y\n")
    assert "everything else will be released" in done.stderr
    assert done.exit_code == 0, done.output
    assert small_shop.amounts() == ("FINISH", 8000, 42000, 0)


def test_an_unknown_capture_prints_the_command_that_continues(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.at_alipay.lose(PAY)
    small_shop.at_alipay.fail(TRADE_QUERY, LOST, LOST)
    done = run(small_shop, "capture", "DEP1", "80", "--complete", "--yes", "--json")
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["trade_status"] == "WAIT_BUYER_PAY"
    [found] = re.findall(
        r"flask alipay (capture DEP1 80.00 --out-trade-no \d+ --complete)", done.stderr
    )
    small_shop.at_alipay.script = {}
    again = run(small_shop, *found.split(), "--yes")
    assert again.exit_code == 0, again.output
    assert small_shop.at_alipay.methods.count(PAY) == 1
    assert small_shop.amounts() == ("FINISH", 8000, 42000, 0)


def test_without_a_number_a_capture_without_a_result_is_continued(
    small_shop: DepositShop,
) -> None:
    small_shop.hold()
    small_shop.at_alipay.lose(PAY)
    small_shop.at_alipay.fail(TRADE_QUERY, LOST, LOST)
    assert run(small_shop, "capture", "DEP1", "80", "--yes").exit_code == 3
    small_shop.at_alipay.script = {}
    assert run(small_shop, "capture", "DEP1", "80", "--yes").exit_code == 0
    assert small_shop.payments() == 1
    assert small_shop.amounts() == ("AUTHORIZED", 8000, 0, 0)


def test_a_repeated_capture_within_a_day_needs_a_new_number(small_shop: DepositShop) -> None:
    small_shop.hold()
    run(small_shop, "capture", "DEP1", "80", "--yes")
    before = small_shop.contents()
    done = run(small_shop, "capture", "DEP1", "80.00", "--yes")
    assert done.exit_code == 1
    [number] = re.findall(r"--out-trade-no (\d+)", done.stderr)
    assert small_shop.contents() == before
    assert (
        run(small_shop, "capture", "DEP1", "80", "--out-trade-no", number, "--yes").exit_code == 0
    )
    assert small_shop.amounts() == ("AUTHORIZED", 16000, 0, 0)


def test_a_rejected_capture_exits_with_one(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.at_alipay.fail(PAY, rejection("ACQ.AUTH_AMOUNT_NOT_ENOUGH"))
    done = run(small_shop, "capture", "DEP1", "80", "--out-trade-no", "C1", "--yes")
    assert done.exit_code == 1, done.output
    assert "ACQ.AUTH_AMOUNT_NOT_ENOUGH" in done.stderr
    assert small_shop.calls()[-1] == ("failed", "C1")
    assert small_shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_failed_callback_exits_with_three(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.refusal = RuntimeError("no")
    done = run(small_shop, "capture", "DEP1", "80", "--out-trade-no", "C1", "--yes")
    assert done.exit_code == 3, done.output
    assert "capture DEP1 80.00 --out-trade-no C1" in done.stderr


def test_a_release_gives_a_part_or_all_back(small_shop: DepositShop) -> None:
    small_shop.hold()
    done = run(small_shop, "release", "DEP1", "30", "--out-request-no", "R1", stdin="y\n")
    assert done.exit_code == 0, done.output
    assert "30.00 CNY of authorization DEP1 (押金, 500.00 CNY) will be released." in done.stderr
    assert done.stdout == (
        "30.00 CNY of DEP1 released, as release R1; 470.00 CNY left, status AUTHORIZED.\n"
    )
    assert run(small_shop, "release", "DEP1", "--reason", "完好", "--yes").exit_code == 0
    assert small_shop.amounts() == ("CLOSED", 0, 50000, 0)
    again = run(small_shop, "release", "DEP1", "--yes")
    assert (again.exit_code, "Nothing is left" in again.stderr) == (1, True)


def test_a_repeated_release_number_releases_once(small_shop: DepositShop) -> None:
    small_shop.hold()
    for _ in range(2):
        done = run(small_shop, "release", "DEP1", "30", "--out-request-no", "R1", "--yes")
        assert done.exit_code == 0, done.output
    assert run(small_shop, "release", "DEP1", "--out-request-no", "R1", "--yes").exit_code == 0
    assert small_shop.amounts() == ("AUTHORIZED", 0, 3000, 0)


def test_an_unknown_release_prints_the_command_that_continues(small_shop: DepositShop) -> None:
    small_shop.hold()
    lose_release(small_shop)
    done = run(small_shop, "release", "DEP1", "30", "--yes", "--json")
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["release_fen"] == 3000
    [found] = re.findall(r"flask alipay (release DEP1 30.00 --out-request-no \d+)", done.stderr)
    small_shop.at_alipay.script = {}
    again = run(small_shop, *found.split(), "--yes")
    assert again.exit_code == 0, again.output
    assert small_shop.amounts() == ("AUTHORIZED", 0, 3000, 0)


def test_without_a_number_a_release_without_a_result_is_continued(
    small_shop: DepositShop,
) -> None:
    small_shop.hold()
    lose_release(small_shop)
    assert run(small_shop, "release", "DEP1", "30", "--yes").exit_code == 3
    small_shop.at_alipay.script = {}
    done = run(small_shop, "release", "DEP1", "--yes")
    assert done.exit_code == 0, done.output
    assert small_shop.amounts() == ("AUTHORIZED", 0, 3000, 0)


def test_a_repeated_release_within_a_day_needs_a_new_number(small_shop: DepositShop) -> None:
    small_shop.hold()
    run(small_shop, "release", "DEP1", "30", "--yes")
    # The double states a fixed day.
    now = (utc_now() + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
    small_shop.change(releases=[{**small_shop.row().releases[0], "time": now}])
    before = small_shop.contents()
    done = run(small_shop, "release", "DEP1", "30", "--yes")
    assert done.exit_code == 1
    [number] = re.findall(r"--out-request-no (\d+)", done.stderr)
    assert small_shop.contents() == before
    args = ("release", "DEP1", "30", "--out-request-no", number, "--yes")
    assert run(small_shop, *args).exit_code == 0


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (("capture", "DEP1", "--yes"), 2),
        (("capture", "DEP1", "500.01", "--yes"), 2),
        (("capture", "DEP1", "0.001", "--yes"), 2),
        (("capture", "DEP1", "-5", "--yes"), 2),
        (("capture", "DEP1", "5", "--out-trade-no", "a b", "--yes"), 2),
        (("capture", "DEP1", "5", "--subject", "茶" * 300, "--yes"), 2),
        (("capture", "NONE", "5", "--yes"), 1),
        (("release", "DEP1", "500.01", "--yes"), 2),
        (("release", "DEP1", "0", "--yes"), 2),
        (("release", "DEP1", "-5", "--yes"), 2),
        (("release", "DEP1", "5", "--out-request-no", "a b", "--yes"), 2),
        (("release", "DEP1", "5", "--reason", "茶" * 101, "--yes"), 2),
        (("release", "NONE", "--yes"), 1),
        (("release", "--yes"), 2),
    ],
)
def test_invalid_input_changes_nothing(
    small_shop: DepositShop, args: tuple[str, ...], status: int
) -> None:
    small_shop.hold()
    before, sent = small_shop.contents(), len(small_shop.at_alipay.requests)
    done = run(small_shop, *args)
    assert done.exit_code == status, done.output
    assert small_shop.contents() == before
    assert len(small_shop.at_alipay.requests) == sent


def test_an_authorization_is_shown_with_its_captures_and_releases(
    small_shop: DepositShop,
) -> None:
    small_shop.hold()
    small_shop.capture("120.00")
    small_shop.release("30.00")
    done = run(small_shop, "show", "DEP1")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "left          350.00 CNY" in lines
    for text in ("120.00 CNY, C1", "30.00 CNY, R1", "frozen"):
        assert any(text in line for line in lines), text
    assert PAYER not in done.stdout
    number = small_shop.row().auth_no
    by_alipay = run(small_shop, "show", number, "--kind", "authorization", "--json").stdout
    assert [each["out_trade_no"] for each in json.loads(by_alipay)["payments"]] == ["C1"]
    assert "out_order_no  DEP1" in run(small_shop, "show", "C1").stdout


def test_an_unresolved_release_is_shown(small_shop: DepositShop) -> None:
    small_shop.hold()
    lose_release(small_shop)
    run(small_shop, "release", "DEP1", "30", "--out-request-no", "R1", "--yes")
    shown = run(small_shop, "show", "DEP1").stdout
    assert re.search(r"release requested +30.00 CNY, R1", shown)


def test_the_shops_number_takes_precedence(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.hold(number="DEP2")
    small_shop.change("DEP2", auth_no="DEP1")
    shown = run(small_shop, "show", "DEP1", "--kind", "authorization").stdout
    assert "out_order_no  DEP1" in shown


@pytest.mark.parametrize(
    "command",
    [("authorizations",), ("capture", "D", "1", "--yes"), ("release", "D", "--yes")],
)
def test_an_app_without_the_class_is_told_so(
    small_shop: DepositShop, command: tuple[str, ...]
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
    assert "no class for authorizations" in done.stderr
