"""``flask alipay transfer`` and ``reconcile``, with the exit statuses that scripts rely on."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from .shop import LOST, QUERY, TRANSFER, PayingShop, rejection

ANNA = ("anna@example.org", "--name", "安娜", "--title", "奖金")


def run(shop: PayingShop, *args: str, stdin: str | None = None) -> Result:
    result: Result = shop.app.test_cli_runner().invoke(args=("alipay", *args), input=stdin)
    return result


def pay(shop: PayingShop, *args: str, stdin: str | None = None) -> Result:
    return run(shop, "transfer", "8.88", *ANNA, *args, stdin=stdin)


def test_a_confirmed_transfer_is_paid(small_shop: PayingShop) -> None:
    done = pay(small_shop, "--out-biz-no", "T1", stdin="y\n")
    assert done.exit_code == 0, done.output
    assert "8.88 CNY will be transferred to anna@example.org (安娜)" in done.stderr
    assert done.stdout == "8.88 CNY to an***: SUCCESS, as transfer T1.\n"
    assert small_shop.bonuses() == [("transferred", "T1")]


@pytest.mark.parametrize("stdin", ["n\n", ""])
def test_without_a_confirmation_nothing_is_recorded(small_shop: PayingShop, stdin: str) -> None:
    assert pay(small_shop, stdin=stdin).exit_code == 1
    assert small_shop.contents() == []
    assert small_shop.called == []
    assert small_shop.at_alipay.requests == []


def test_an_unknown_result_prints_the_command_that_continues(small_shop: PayingShop) -> None:
    small_shop.at_alipay.script = {TRANSFER: [small_shop.at_alipay.lose], QUERY: [LOST]}
    done = pay(small_shop, "--yes")
    assert done.exit_code == 3
    [found] = re.findall(r"flask alipay (transfer --continue \d+)", done.stderr)
    assert "anna" not in found
    again = run(small_shop, *found.split(), "--yes")
    assert again.exit_code == 0, again.output
    assert small_shop.row.status == "SUCCESS"
    assert small_shop.at_alipay.methods == [TRANSFER, QUERY, QUERY]


def test_a_repeated_command_without_a_number_continues(small_shop: PayingShop) -> None:
    small_shop.at_alipay.script = {TRANSFER: [small_shop.at_alipay.lose], QUERY: [LOST]}
    assert pay(small_shop, "--yes").exit_code == 3
    done = pay(small_shop, stdin="y\n")
    assert "has no result and is continued" in done.stderr
    assert done.exit_code == 0
    assert len(small_shop.rows()) == 1


def test_a_rejected_transfer_exits_with_one(small_shop: PayingShop) -> None:
    small_shop.at_alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    done = pay(small_shop, "--yes")
    assert done.exit_code == 1
    assert "PAYEE_NOT_EXIST" in done.stderr
    assert small_shop.row.status == "FAIL"


def test_a_repeated_transfer_within_a_day_needs_a_new_number(small_shop: PayingShop) -> None:
    pay(small_shop, "--yes")
    before = small_shop.contents()
    done = pay(small_shop, "--yes")
    assert done.exit_code == 1
    [number] = re.findall(r"--out-biz-no (\d+)", done.stderr)
    assert small_shop.contents() == before
    assert pay(small_shop, "--yes", "--out-biz-no", number).exit_code == 0
    assert len(small_shop.rows()) == 2


def test_a_repeated_transfer_that_the_bank_has_not_confirmed_needs_a_new_number(
    shop: PayingShop,
) -> None:
    shop.at_alipay.status = "DEALING"
    card = ("6222000000000000", "--identity-type", "BANKCARD_ACCOUNT", "--bank", "招商银行")
    command = ("transfer", "8.88", *card, *ANNA[1:], "--yes")
    assert run(shop, *command).exit_code == 0
    before = shop.contents()
    done = run(shop, *command)
    assert done.exit_code == 1
    assert shop.row.out_biz_no in done.stderr
    assert shop.contents() == before
    assert shop.called == []
    assert len(shop.at_alipay.transfers) == 1
    shop.change(status="FAIL")
    assert run(shop, *command).exit_code == 0
    assert len(shop.at_alipay.transfers) == 2


@pytest.mark.parametrize(
    "args",
    [
        ("transfer", "--yes"),
        ("transfer", "8.88", "--yes"),
        ("transfer", "8.88", "anna@example.org", "--name", "安娜", "--yes"),
        ("transfer", "8.88", *ANNA, "--identity-type", "email", "--yes"),
        ("transfer", "8.888", *ANNA, "--yes"),
        ("transfer", "0.09", *ANNA, "--yes"),
        ("transfer", "8.88", "anna@example.org", "--title", "奖金", "--yes"),
        ("transfer", "8.88", *ANNA, "--out-biz-no", "a b", "--yes"),
    ],
)
def test_a_misused_command_exits_with_two(small_shop: PayingShop, args: tuple[str, ...]) -> None:
    assert run(small_shop, *args).exit_code == 2
    assert small_shop.contents() == []
    assert small_shop.at_alipay.requests == []


def test_an_unknown_number_cannot_be_continued(small_shop: PayingShop) -> None:
    done = run(small_shop, "transfer", "--continue", "T9", "--yes")
    assert done.exit_code == 1
    assert "no transfer T9" in done.stderr


def test_json_masks_the_payee(small_shop: PayingShop) -> None:
    done = pay(small_shop, "--yes", "--json", "--out-biz-no", "T1")
    printed = json.loads(done.stdout)
    assert (printed["status"], printed["amount_fen"], printed["payee"]) == ("SUCCESS", 888, "an***")
    small_shop.at_alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    unknown = pay(small_shop, "--yes", "--json", "--out-biz-no", "T2")
    assert unknown.exit_code == 3
    assert json.loads(unknown.stdout)["status"] == "DEALING"


def test_a_bank_card_is_described_by_options(small_shop: PayingShop) -> None:
    done = run(
        small_shop,
        *("transfer", "8.88", "6222000000000000", "--identity-type", "BANKCARD_ACCOUNT", "--name"),
        *("安娜", "--title", "奖金", "--bank", "招商银行", "--remark", "一月", "--yes"),
    )
    assert done.exit_code == 0, done.output
    [(_, content)] = small_shop.at_alipay.requests
    assert content["payee_info"]["bankcard_ext_info"] == {
        "inst_name": "招商银行",
        "account_type": "2",
    }
    assert content["remark"] == "一月"


def test_a_failed_callback_exits_with_three(small_shop: PayingShop) -> None:
    small_shop.refusal = RuntimeError("no")
    done = pay(small_shop, "--yes", "--out-biz-no", "T1")
    assert done.exit_code == 3
    assert "transfer --continue T1" in done.stderr
    assert small_shop.row.status == "DEALING"


def test_reconcile_reports_transfers(small_shop: PayingShop) -> None:
    alipay = small_shop.at_alipay
    for number, status in (("T1", "SUCCESS"), ("T2", "FAIL"), ("T3", "DEALING")):
        alipay.script = {TRANSFER: [alipay.lose], QUERY: [LOST]}
        assert pay(small_shop, "--yes", "--out-biz-no", number).exit_code == 3
        alipay.transfers[number]["status"] = status
    done = run(small_shop, "reconcile", "--older-than", "0s")
    assert done.exit_code == 0, done.output
    assert "Transfer T1 has succeeded.\n" in done.stdout
    assert "Transfers: 1 succeeded, 1 waiting, 1 failed.\n" in done.stdout
    assert "T2: " in done.stderr


def test_an_app_without_the_class_is_told_so(small_shop: PayingShop) -> None:
    plain = _without_transfers(small_shop)
    done = plain.test_cli_runner().invoke(args=("alipay", "transfer", "1", *ANNA, "--yes"))
    assert done.exit_code == 2
    assert "no class for transfers" in done.stderr


def _without_transfers(shop: PayingShop) -> Flask:
    from flask_alipay import AlipayBlueprint

    from .shop import Payment, db

    app = Flask("plain")
    settings: dict[str, Any] = {f"ALIPAY_{k}": v for k, v in shop.merchant.settings.items()}
    app.config.update(
        SECRET_KEY="not a secret",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        TRUSTED_HOSTS=["localhost"],
        **settings,
    )
    db.init_app(app)
    app.register_blueprint(AlipayBlueprint(db, Payment), url_prefix="/alipay")
    return app
