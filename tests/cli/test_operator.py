"""Commands of an operator: the ledger is updated, and nothing happens twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy.exc import OperationalError

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.ledger import Ledger

from ..doubles.app import Shop, make_shop

NUMBER = "20260131000000000000000001"
TEA = {"subject": "Tea", "total_amount": "88.88", "out_trade_no": NUMBER}


class Tea(Shop):
    """A shop with its callbacks and a buyer."""

    done: list[str]
    broken: bool = False

    def order(self) -> str:
        with self.app.test_request_context():
            payment = self.alipay.create_payment(**TEA)
            self.db.session.commit()
            return self.alipay.pay_url(payment)

    def buy(self, act: str | None = "pay") -> None:
        buyer = self.app.test_client()
        cashier = buyer.get(self.order(), follow_redirects=True).request.path
        if act:
            buyer.post(f"{cashier}/{act}")

    def stands(self) -> tuple[str, bool, int]:
        with self.app.app_context():
            payment = self.db.session.query(self.Payment).filter_by(out_trade_no=NUMBER).one()
            rows = self.db.session.query(self.Notification).count()
            return payment.trade_status, payment.paid, rows


@pytest.fixture
def make_tea() -> Callable[..., Tea]:
    def make(**config: object) -> Tea:
        made = make_shop(ALIPAY_SIMULATOR=True, **config)
        tea = Tea(**vars(made))
        tea.done = []

        @tea.alipay.on_paid
        def ship(payment: object) -> None:
            if tea.broken:
                raise RuntimeError("the printer is on fire")
            tea.done.append("ship")

        @tea.alipay.on_failed
        def release(payment: object) -> None:
            tea.done.append("release")

        return tea

    return make


@pytest.fixture
def tea(make_tea: Callable[..., Tea]) -> Tea:
    """A shop that Alipay's notifications do not reach."""
    return make_tea(ALIPAY_NOTIFY_URL="http://127.0.0.1:9/lost")


def test_a_payment_whose_notification_was_lost_is_settled_by_a_query(tea: Tea) -> None:
    tea.buy()
    assert tea.stands() == ("WAIT_BUYER_PAY", False, 0)
    result = tea.run("query", NUMBER)
    assert result.exit_code == 0
    assert "updated from WAIT_BUYER_PAY to TRADE_SUCCESS" in result.stdout
    assert tea.done == ["ship"]
    assert tea.stands()[:2] == ("TRADE_SUCCESS", True)


def test_a_second_query_changes_nothing(tea: Tea) -> None:
    tea.buy()
    tea.run("query", NUMBER)
    before = tea.stands()
    assert "TRADE_SUCCESS, at Alipay and in the ledger" in tea.run("query", NUMBER).stdout
    printed = json.loads(tea.run("query", NUMBER, "--json").stdout)
    assert printed["paid"] is True
    assert printed["alipay"] == {"trade_status": "TRADE_SUCCESS"}
    assert (tea.done, tea.stands()) == (["ship"], before)


def test_a_sale_that_alipay_does_not_have_fails_the_query(tea: Tea) -> None:
    columns = {"merchant": "9021000000000001", "paid": True, "trade_status": "TRADE_SUCCESS"}
    tea.add(tea.row(NUMBER, **columns))
    result = tea.run("query", NUMBER)
    assert result.exit_code == 1
    assert "Alipay has no trade with this number; the ledger has TRADE_SUCCESS" in result.stderr
    printed = tea.run("query", NUMBER, "--json")
    assert printed.exit_code == 1
    assert json.loads(printed.stdout)["alipay"] == {"trade_status": None}
    assert tea.stands() == ("TRADE_SUCCESS", True, 0)


@pytest.mark.parametrize(
    ("act", "output", "status"),
    [
        ("", f"{NUMBER} is WAIT_BUYER_PAY, at Alipay and in the ledger.", "WAIT_BUYER_PAY"),
        (None, f"{NUMBER}: Alipay has no such trade yet; the ledger has WAIT_BUYER_PAY.", None),
    ],
    ids=["opened", "never begun"],
)
def test_alipays_report_of_an_unpaid_payment_is_printed(
    act: str | None, output: str, status: str | None, tea: Tea
) -> None:
    tea.order() if act is None else tea.buy(None)
    result = tea.run("query", NUMBER)
    assert (result.exit_code, result.stdout) == (0, f"{output}\n")
    printed = json.loads(tea.run("query", NUMBER, "--json").stdout)
    assert printed["alipay"] == {"trade_status": status}


def test_a_payment_without_a_trade_is_closed_in_the_ledger_alone(tea: Tea) -> None:
    tea.order()
    result = tea.run("close", NUMBER, "--yes")
    assert result.exit_code == 0
    assert "Alipay has no trade with this number; updated from WAIT_BUYER_PAY" in result.stdout
    assert tea.stands()[:2] == ("TRADE_CLOSED", False)


def test_a_missing_response_changes_nothing(tea: Tea, monkeypatch: pytest.MonkeyPatch) -> None:
    tea.buy()
    before = tea.stands()

    def silent(merchant: object, payment: object) -> None:
        raise OutcomeUnknown("no answer came")

    monkeypatch.setattr("flask_alipay.cli.query.query_payment", silent)
    result = tea.run("query", NUMBER)
    assert result.exit_code == 3
    assert "Query again later" in result.stderr
    assert (tea.done, tea.stands()) == ([], before)


def test_an_unpaid_payment_is_closed(tea: Tea) -> None:
    tea.buy(None)
    result = tea.run("close", NUMBER, stdin="y\n")
    assert result.exit_code == 0
    assert "88.88 CNY, will be closed" in result.stderr
    assert tea.done == ["release"]
    assert tea.stands()[:2] == ("TRADE_CLOSED", False)


@pytest.mark.parametrize("response", ["n\n", ""])
def test_a_payment_is_not_closed_without_confirmation(response: str, tea: Tea) -> None:
    tea.buy(None)
    before = tea.stands()
    assert tea.run("close", NUMBER, stdin=response).exit_code == 1
    assert (tea.done, tea.stands()) == ([], before)


def test_a_payment_paid_meanwhile_is_settled_instead_of_closed(tea: Tea) -> None:
    tea.buy()
    result = tea.run("close", NUMBER, "--yes")
    assert result.exit_code == 1
    assert "settled as a sale" in result.stderr
    assert tea.done == ["ship"]
    assert tea.stands()[:2] == ("TRADE_SUCCESS", True)


def test_no_request_is_sent_to_close_a_paid_payment(tea: Tea) -> None:
    tea.buy()
    tea.run("query", NUMBER)
    before = tea.stands()
    result = tea.run("close", NUMBER, "--yes")
    assert result.exit_code == 1
    assert "cannot be closed. Use 'refund'" in result.stderr
    assert (tea.done, tea.stands()) == (["ship"], before)


@pytest.fixture
def burnt(make_tea: Callable[..., Tea]) -> Tea:
    """A shop whose callback failed on Alipay's notification."""
    tea = make_tea()
    tea.broken = True
    tea.buy()
    tea.broken = False
    return tea


def row_of(tea: Tea) -> str:
    (row,) = json.loads(tea.run("show", NUMBER, "--json").stdout)["notifications"]
    assert row["outcome"] == "callback_failed"
    return str(row["id"])


def test_a_failed_callback_is_replayed_from_the_journal(burnt: Tea) -> None:
    row = row_of(burnt)
    result = burnt.run("replay", "--id", row, "--yes")
    assert result.exit_code == 0
    assert "The outcome would be: settled, paid." in result.stdout
    assert "Outcome: settled, paid." in result.stdout
    assert burnt.done == ["ship"]
    assert burnt.stands()[:2] == ("TRADE_SUCCESS", True)


def test_a_response_is_not_replayed_but_queried_again(sold: Tea) -> None:
    sold.run("refund", NUMBER, "10.00", "--yes", "--out-request-no", "R1")
    shown = sold.run("show", NUMBER).stdout
    assert "response: TRADE_SUCCESS" in shown
    assert "response: REFUND_SUCCESS" in shown
    responses = json.loads(sold.run("show", NUMBER, "--json").stdout)["notifications"]
    assert [row["asked"] for row in responses] == ["alipay.trade.query", "alipay.trade.refund"]
    before = sold.stands(), money(sold)
    for row, again in zip(
        responses,
        (f"'query {NUMBER}'", f"'refund {NUMBER} 10.00 --out-request-no R1'"),
        strict=True,
    ):
        result = sold.run("replay", "--id", str(row["id"]), "--yes")
        assert result.exit_code == 1
        output = " ".join(result.stderr.split())
        assert output.startswith(f"Error: It is Alipay's response to {row['asked']}, not a")
        assert again in output
    assert (sold.stands(), money(sold)) == before


def test_a_notification_replayed_twice_is_settled_once(burnt: Tea) -> None:
    row = row_of(burnt)
    burnt.run("replay", "--id", row, "--yes")
    assert "Outcome: duplicate." in burnt.run("replay", "--id", row, "--yes").stdout
    assert burnt.done == ["ship"]


@pytest.mark.parametrize(("args", "stdin"), [(["--dry-run"], None), ([], "n\n")])
def test_a_dry_run_prints_the_outcome_and_changes_nothing(
    args: list[str], stdin: str | None, burnt: Tea
) -> None:
    row, before = row_of(burnt), burnt.stands()
    result = burnt.run("replay", "--id", row, *args, stdin=stdin)
    assert "The outcome would be: settled, paid." in result.stdout
    assert (burnt.done, burnt.stands()) == ([], before)


def test_a_callback_that_fails_again_is_reported(burnt: Tea) -> None:
    row, burnt.broken = row_of(burnt), True
    result = burnt.run("replay", "--id", row, "--yes")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert burnt.done == []
    assert burnt.stands()[:2] == ("WAIT_BUYER_PAY", False)


def captured(tea: Tea, **changed: str) -> bytes:
    """Return the payload as Alipay sent it."""
    with tea.app.app_context():
        payload = tea.db.session.query(tea.Notification).first().payload
    return urlencode({**payload, **changed}).encode()


def test_a_captured_notification_is_replayed(burnt: Tea, tmp_path: Path) -> None:
    (tmp_path / "captured.txt").write_bytes(captured(burnt))
    result = burnt.run("replay", str(tmp_path / "captured.txt"), "--yes", "--json")
    assert json.loads(result.stdout) == {
        "out_trade_no": NUMBER,
        "trade_status": "TRADE_SUCCESS",
        "outcome": "settled",
        "events": ["paid"],
        "dry_run": False,
    }
    assert burnt.done == ["ship"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"total_amount": "0.01"}, "signature"),
        ({"sign": ""}, "not signed"),
        ({"app_id": "2021000000000009"}, "signature"),
    ],
)
def test_a_forgery_is_not_replayed(
    changed: dict[str, str], why: str, burnt: Tea, tmp_path: Path
) -> None:
    before = burnt.stands()
    (tmp_path / "captured.txt").write_bytes(captured(burnt, **changed))
    result = burnt.run("replay", str(tmp_path / "captured.txt"), "--yes")
    assert result.exit_code == 1
    assert why in result.stderr
    assert (burnt.done, burnt.stands()) == ([], before)


def test_a_notification_of_an_unknown_payment_is_not_replayed(burnt: Tea, tmp_path: Path) -> None:
    (tmp_path / "captured.txt").write_bytes(captured(burnt))
    with burnt.app.app_context():
        burnt.db.session.query(burnt.Payment).delete()
        burnt.db.session.commit()
    result = burnt.run("replay", str(tmp_path / "captured.txt"), "--yes")
    assert result.exit_code == 1
    assert "No such payment in the ledger." in result.stderr
    assert burnt.done == []


@pytest.mark.parametrize(
    ("args", "status"),
    [([], 2), (["x.txt", "--id", "1"], 2), (["gone.txt"], 2), (["--id", "999"], 1)],
)
def test_an_unreadable_file_is_not_replayed(args: list[str], status: int, burnt: Tea) -> None:
    before = burnt.stands()
    result = burnt.run("replay", *args, "--yes")
    assert result.exit_code == status
    assert result.stderr
    assert (burnt.done, burnt.stands()) == ([], before)


@pytest.mark.parametrize("command", ["query", "close"])
def test_an_unknown_number_is_rejected(command: str, tea: Tea) -> None:
    result = tea.run(command, "nope", *(["--yes"] if command == "close" else []))
    assert result.exit_code == 1
    assert "has no payment nope" in result.stderr


@pytest.fixture
def sold(tea: Tea) -> Tea:
    """A shop with a sale of 88.88 yuan."""
    tea.buy()
    tea.run("query", NUMBER)

    @tea.alipay.on_refunded
    def restock(payment: object) -> None:
        tea.done.append("restock")

    return tea


def money(tea: Tea) -> tuple[int, list[tuple[int, str]]]:
    """Return the refunded amount and the refunds."""
    with tea.app.app_context():
        payment = tea.db.session.query(tea.Payment).filter_by(out_trade_no=NUMBER).one()
        refunds = tea.db.session.query(tea.Refund).order_by(tea.Refund.id)
        return payment.refunded_fen, [(row.refund_fen, row.status) for row in refunds]


def test_a_part_is_refunded_and_then_the_rest(sold: Tea) -> None:
    part = sold.run("refund", NUMBER, "10.00", "--reason", "torn", stdin="y\n")
    assert part.exit_code == 0
    assert "10.00 CNY of 20260131000000000000000001 (Tea, 88.88 CNY)" in part.stderr
    assert "REFUND_SUCCESS" in part.stdout
    rest = json.loads(sold.run("refund", NUMBER, "all", "--yes", "--json").stdout)
    assert rest["refund_fen"] == 7888
    assert money(sold) == (8888, [(1000, "REFUND_SUCCESS"), (7888, "REFUND_SUCCESS")])
    assert sold.done == ["ship", "restock", "restock"]


def test_the_same_number_is_the_same_refund(sold: Tea) -> None:
    for _again in range(2):
        args = ("refund", NUMBER, "10.00", "--out-request-no", "R1", "--yes")
        assert sold.run(*args).exit_code == 0
    assert money(sold) == (1000, [(1000, "REFUND_SUCCESS")])
    assert sold.done == ["ship", "restock"]


@pytest.mark.parametrize(
    ("args", "stdin", "status", "why"),
    [
        (["10.00"], "n\n", 1, "Aborted"),
        (["10.00"], "", 1, "Aborted"),
        (["88.89", "--yes"], None, 2, "At most 88.88 CNY"),
        (["0", "--yes"], None, 2, "must be between"),
        (["1.001", "--yes"], None, 2, "two decimals"),
        (["ten", "--yes"], None, 2, "two decimals"),
        (["-1", "--yes"], None, 2, "above zero"),
        (["1", "--yes", "--out-request-no", "no such number!"], None, 2, "'--out-request-no'"),
    ],
)
def test_an_impossible_refund_is_rejected(
    args: list[str], stdin: str | None, status: int, why: str, sold: Tea
) -> None:
    before = sold.stands(), money(sold)
    result = sold.run("refund", NUMBER, *args, stdin=stdin)
    assert result.exit_code == status
    assert why in " ".join(result.stderr.split())
    assert (sold.stands(), money(sold)) == before
    assert sold.done == ["ship"]


def test_an_unpaid_payment_is_not_refunded(tea: Tea) -> None:
    tea.buy(None)
    before = tea.stands()
    result = tea.run("refund", NUMBER, "all", "--yes")
    assert result.exit_code == 1
    assert "is not paid" in result.stderr
    assert (tea.stands(), money(tea), tea.done) == (before, (0, []), [])


def test_a_fully_refunded_payment_is_not_refunded_again(sold: Tea) -> None:
    sold.run("refund", NUMBER, "all", "--yes")
    before = sold.stands(), money(sold)
    result = sold.run("refund", NUMBER, "all", "--yes")
    assert result.exit_code == 1
    assert "already refunded" in result.stderr
    assert (sold.stands(), money(sold)) == before
    assert sold.done == ["ship", "restock"]


def test_a_refund_with_an_unknown_result_is_retried(
    sold: Tea, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*args: object, **fields: object) -> None:
        raise OutcomeUnknown("no answer came")

    with monkeypatch.context() as patched, sold.app.app_context():
        patched.setattr(type(sold.alipay.gateway), "trade_refund", silent)
        result = sold.run("refund", NUMBER, "10.00", "--yes")
        assert result.exit_code == 3
        printed = sold.run("refund", NUMBER, "10.00", "--yes", "--json")
    assert money(sold) == (0, [(1000, "REFUND_PROCESSING")])
    assert sold.done == ["ship"]
    number = json.loads(printed.stdout)["out_request_no"]
    goes_on = f"flask alipay refund {NUMBER} 10.00 --out-request-no {number}"
    assert goes_on in " ".join(result.stderr.split())
    assert sold.run(*goes_on.split()[2:], "--yes").exit_code == 0
    assert money(sold) == (1000, [(1000, "REFUND_SUCCESS")])
    assert sold.done == ["ship", "restock"]
    assert sold.run(*goes_on.split()[2:], "--yes").exit_code == 0  # typed once more
    assert money(sold) == (1000, [(1000, "REFUND_SUCCESS")])


def test_repeating_a_refund_that_was_settled_meanwhile_does_not_refund_twice(sold: Tea) -> None:
    assert sold.run("refund", NUMBER, "10.00", "--yes").exit_code == 0
    again = sold.run("refund", NUMBER, "10.00", "--yes")
    assert again.exit_code == 1
    output = " ".join(again.stderr.split())
    assert f"10.00 CNY of {NUMBER} was already refunded" in output
    assert money(sold) == (1000, [(1000, "REFUND_SUCCESS")])
    assert sold.done == ["ship", "restock"]
    meant = re.search(r"--out-request-no (\w+)", output)
    assert meant is not None
    other = sold.run("refund", NUMBER, "10.00", "--yes", "--out-request-no", meant[1])
    assert other.exit_code == 0
    assert money(sold) == (2000, [(1000, "REFUND_SUCCESS")] * 2)


def test_refunding_the_rest_is_not_taken_for_a_repetition(sold: Tea) -> None:
    assert sold.run("refund", NUMBER, "44.44", "--yes").exit_code == 0
    assert sold.run("refund", NUMBER, "all", "--yes").exit_code == 0
    assert money(sold) == (8888, [(4444, "REFUND_SUCCESS")] * 2)


def test_another_amount_is_another_refund(sold: Tea) -> None:
    for amount in ("10.00", "5.00"):
        assert sold.run("refund", NUMBER, amount, "--yes").exit_code == 0
    assert money(sold) == (1500, [(1000, "REFUND_SUCCESS"), (500, "REFUND_SUCCESS")])


def test_a_refund_whose_callback_fails_is_not_reported_as_a_rejection(
    sold: Tea,
) -> None:
    broken = [True]

    @sold.alipay.on_refunded
    def bookkeeping(payment: object) -> None:
        if broken:
            raise RuntimeError("out of ink")

    bookkeeping.__module__ = "books"  # a name in somebody's code stays what it is
    bookkeeping.__qualname__ = "enter"
    result = sold.run("refund", NUMBER, "10.00", "--yes", "--out-request-no", "R1")
    output = " ".join(result.stderr.split())
    assert result.exit_code == 3
    assert "Alipay has refunded the money, but the ledger could not record it." in output
    assert "books.enter raised RuntimeError." in output
    assert f"--out-request-no and the refund's number from 'show {NUMBER}'" in output
    assert money(sold) == (0, [(1000, "REFUND_PROCESSING")])
    broken.clear()
    args = ("refund", NUMBER, "10.00", "--yes", "--out-request-no", "R1")
    assert sold.run(*args).exit_code == 0
    assert money(sold) == (1000, [(1000, "REFUND_SUCCESS")])


def test_a_closed_trade_whose_callback_fails_is_not_reported_as_a_rejection(
    tea: Tea,
) -> None:
    tea.buy(None)
    broken = [True]

    @tea.alipay.on_failed
    def shelve(payment: object) -> None:
        if broken:
            raise RuntimeError("the shelf is full")

    result = tea.run("close", NUMBER, "--yes")
    assert result.exit_code == 3
    assert "is closed at Alipay, or was just paid" in result.stderr
    assert f"Fix the problem, then run 'query {NUMBER}'" in " ".join(result.stderr.split())
    assert tea.stands()[:2] == ("WAIT_BUYER_PAY", False)
    broken.clear()
    assert tea.run("query", NUMBER).exit_code == 0
    assert tea.stands()[:2] == ("TRADE_CLOSED", False)


@pytest.mark.parametrize("command", [("close",), ("refund", "10.00")], ids=["close", "refund"])
def test_a_database_failure_after_alipays_acceptance_is_an_unknown_outcome(
    command: tuple[str, ...], tea: Tea, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea.buy(None if command == ("close",) else "pay")
    if command != ("close",):
        tea.run("query", NUMBER)

    def gone(*args: object, **fields: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("gone"))

    monkeypatch.setattr(Ledger, "_settle", gone)
    monkeypatch.setattr(Ledger, "_refund", gone)
    verb, *rest = command
    result = tea.run(verb, NUMBER, *rest, "--yes")
    assert result.exit_code == 3
    assert "Alipay has responded, but the ledger could not record it" in result.stderr
    assert "Fix the problem, then run" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("payments",),
        ("show", NUMBER),
        ("query", NUMBER),
        ("close", NUMBER, "--yes"),
        ("refund", NUMBER, "1.00", "--yes"),
        ("replay", "--id", "1"),
        ("replay", "-"),
        ("reconcile",),
        ("verify-notify", "--id", "1"),
    ],
    ids=" ".join,
)
def test_nothing_is_requested_without_the_database(command: tuple[str, ...], burnt: Tea) -> None:
    notification_params = captured(burnt)
    with burnt.app.app_context():
        burnt.db.drop_all()
    result = burnt.run(*command, stdin=notification_params.decode())
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output


def test_a_notification_of_the_legacy_gateway_is_replayed(make_tea: Callable[..., Tea]) -> None:
    tea = make_tea(ALIPAY_PROTOCOL="mapi")
    tea.broken = True
    tea.buy()
    tea.broken = False
    result = tea.run("replay", "--id", row_of(tea), "--yes")
    assert "Outcome: settled, paid." in result.stdout
    assert tea.done == ["ship"]


def test_a_capture_of_an_uncertain_merchant_is_not_replayed(
    make_tea: Callable[..., Tea], tmp_path: Path
) -> None:
    """The legacy gateway's key signs for all merchants; Alipay confirms for a minute only."""
    tea = make_tea(ALIPAY_PROTOCOL="mapi", ALIPAY_SIGN_TYPE="RSA")
    tea.broken = True
    tea.buy()
    tea.broken = False
    before = tea.stands()
    (tmp_path / "captured.txt").write_bytes(captured(tea))
    result = tea.run("replay", str(tmp_path / "captured.txt"), "--yes")
    assert result.exit_code == 1
    assert "query the payment instead" in result.stderr
    assert (tea.done, tea.stands()) == ([], before)


def test_the_legacy_gateway_accepts_a_refund_and_reports_it_later(
    make_tea: Callable[..., Tea],
) -> None:
    tea = make_tea(ALIPAY_PROTOCOL="mapi")
    tea.buy()
    assert tea.done == ["ship"]
    result = tea.run("refund", NUMBER, "10.00", "--yes")
    assert result.exit_code == 0
    assert "REFUND_" in result.stdout
    (refund,) = money(tea)[1]
    assert refund[0] == 1000


def test_a_legacy_refund_without_a_notification_url_is_not_requested() -> None:
    settings = {"ALIPAY_PARTNER": "2088000000000000", "ALIPAY_KEY": "0" * 32}
    shop = make_shop(TESTING=True, TRUSTED_HOSTS=None, **settings)
    columns = {"merchant": "2088000000000000", "paid": True, "trade_status": "TRADE_SUCCESS"}
    shop.add(shop.row(NUMBER, trade_no="2026013122001499160501586202", **columns))
    result = shop.run("refund", NUMBER, "10.00", "--yes")
    assert result.exit_code == 2
    assert "ALIPAY_NOTIFY_URL" in result.stderr
    with shop.app.app_context():
        assert shop.db.session.query(shop.Refund).count() == 0
