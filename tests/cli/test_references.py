"""The shop's own order number, in commands, JSON, CSV and on the buyer's pages."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym

from flask_alipay import ConfigurationError, PaymentMixin, RefundMixin
from flask_alipay.testing import AlipaySimulator

from ..doubles.app import Shop, make_shop
from ..doubles.bills import bill
from ..doubles.models import LedgerClasses

NUMBER = "20260131000000000000000001"
OTHER = "20260131000000000000000002"


def with_column(base: Any) -> Any:
    class Payment(PaymentMixin, base):
        reference = mapped_column(String(32), index=True)

    return Payment


def with_synonym(base: Any) -> Any:
    class Payment(PaymentMixin, base):
        order_no = mapped_column(String(32))
        reference = synonym("order_no")

    return Payment


def _order_of(base: Any) -> Any:
    class Order(base):
        id: Mapped[int] = mapped_column(primary_key=True)
        number = mapped_column(String(32))

    return Order


def with_hybrid(base: Any) -> Any:
    Order = _order_of(base)

    class Payment(PaymentMixin, base):
        order_id = mapped_column(ForeignKey("order.id"))
        order = relationship(Order)

        @hybrid_property
        def reference(self) -> str | None:
            return self.order.number if self.order else None

        @reference.inplace.expression
        @classmethod
        def _reference(cls) -> Any:
            return select(Order.number).where(Order.id == cls.order_id).scalar_subquery()

    return Payment


def with_proxy(base: Any) -> Any:
    Order = _order_of(base)

    class Payment(PaymentMixin, base):
        order_id = mapped_column(ForeignKey("order.id"))
        order = relationship(Order)
        reference = association_proxy("order", "number")

    return Payment


def make(declare: Callable[[Any], Any]) -> Shop:
    """Return a shop whose class of payments keeps the shop's own number in one of several ways."""

    def classes(base: Any) -> LedgerClasses:
        class Refund(RefundMixin, base):
            pass

        return LedgerClasses(declare(base), Refund, None)

    return make_shop(classes, TESTING=True, ALIPAY_SIMULATOR=True)


def sell(shop: Shop, out_trade_no: str, reference: str | None, **columns: Any) -> None:
    """Add a payment with the shop's own number."""
    with shop.app.app_context():
        payment = shop.row(out_trade_no, merchant=shop.alipay.config.merchant, **columns)
        if hasattr(shop.Payment, "order") and reference is not None:
            Order = shop.Payment.order.property.entity.class_
            payment.order = Order(number=reference)
        elif reference is not None:
            payment.reference = reference
        shop.db.session.add(payment)
        shop.db.session.commit()


KINDS = [with_column, with_synonym, with_hybrid, with_proxy]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def shop(request: pytest.FixtureRequest) -> Shop:
    """A shop with two payments, one of them for the shop's order T1221."""
    found = make(request.param)
    sell(found, NUMBER, "T1221", subject="Tea")
    sell(found, OTHER, None, subject="Coffee")
    return found


def test_a_payment_is_shown_by_the_shops_number(shop: Shop) -> None:
    printed = shop.run("show", "T1221").stdout
    assert NUMBER in printed
    assert "T1221" in printed


def test_a_payment_is_queried_by_the_shops_number(shop: Shop) -> None:
    assert f"T1221 ({NUMBER})" in shop.run("query", "T1221").stdout


def test_json_has_the_shops_number(shop: Shop) -> None:
    found = map(json.loads, shop.run("payments", "--json").stdout.splitlines())
    assert {one["out_trade_no"]: one["reference"] for one in found} == {
        NUMBER: "T1221",
        OTHER: None,
    }
    assert json.loads(shop.run("show", "T1221", "--json").stdout)["reference"] == "T1221"


def test_the_list_is_searched_by_a_part_of_the_shops_number(shop: Shop) -> None:
    printed = shop.run("payments", "--text", "122").stdout
    assert NUMBER in printed
    assert OTHER not in printed


def test_the_list_has_the_shops_number_and_the_subject_at_80_columns(shop: Shop) -> None:
    head, *rows = shop.run("payments", COLUMNS="80").stdout.splitlines()
    assert head.startswith("reference")
    assert head.endswith("subject")
    assert any(row.startswith("T1221") and row.endswith("Tea") for row in rows)


def test_the_csv_has_the_shops_number(shop: Shop) -> None:
    printed = shop.run("payments", "--csv").stdout.lstrip("\ufeff")
    assert {row["reference"] for row in csv.DictReader(io.StringIO(printed))} == {"T1221", ""}


def test_the_buyer_sees_the_shops_number(shop: Shop) -> None:
    with shop.app.test_request_context():
        payment = shop.db.session.scalars(
            select(shop.Payment).where(shop.Payment.out_trade_no == NUMBER)
        ).one()
        url = shop.alipay.checkout_url(payment)
    page = shop.app.test_client().get(url).text
    assert '<dd class="number">T1221</dd>' in page


def bill_file(folder: Path) -> str:
    """Return the path of a bill of 31 January 2026 without payments."""
    place = folder / "bill.zip"
    place.write_bytes(bill().getvalue())
    return str(place)


def pay_both(shop: Shop) -> None:
    """Have the ledger list both payments as sales of 31 January 2026."""
    with shop.app.app_context():
        for payment in shop.db.session.scalars(select(shop.Payment)):
            payment.paid, payment.trade_status = True, "TRADE_SUCCESS"
            payment.paid_at = datetime(2026, 1, 31, 4, tzinfo=timezone.utc)
        shop.db.session.commit()


def test_differences_with_a_bill_have_the_shops_number(shop: Shop, tmp_path: Path) -> None:
    pay_both(shop)
    options = ("bill", "2026-01-31", "--file", bill_file(tmp_path))
    printed = shop.run(*options, COLUMNS="100").stdout
    assert "reference" in printed.splitlines()[0]
    assert any("T1221" in line and NUMBER in line for line in printed.splitlines())
    found = [json.loads(line) for line in shop.run(*options, "--json").stdout.splitlines()]
    assert {one["out_trade_no"]: one["reference"] for one in found} == {
        NUMBER: "T1221",
        OTHER: None,
    }
    rows = csv.DictReader(io.StringIO(shop.run(*options, "--csv").stdout))
    assert {row["out_trade_no"]: row["reference"] for row in rows} == {NUMBER: "T1221", OTHER: ""}


def test_a_bill_of_payments_without_a_shops_number_has_no_column_for_it(
    tmp_path: Path,
) -> None:
    shop = make(with_column)
    sell(shop, NUMBER, None)
    pay_both(shop)
    printed = shop.run("bill", "2026-01-31", "--file", bill_file(tmp_path)).stdout
    assert NUMBER in printed
    assert "reference" not in printed


def test_the_json_of_a_refund_has_the_shops_number(shop: Shop) -> None:
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    simulator.pay(NUMBER)
    printed = shop.run("refund", "T1221", "1.00", "--yes", "--json").stdout
    refund = json.loads(printed)
    assert (refund["out_trade_no"], refund["reference"]) == (NUMBER, "T1221")
    assert (refund["refund_fen"], refund["status"]) == (100, "REFUND_SUCCESS")


def test_a_notification_is_triggered_by_the_shops_number(shop: Shop) -> None:
    result = shop.run("trigger", "paid", "--out-trade-no", "T1221")
    assert result.exit_code == 0, result.output
    assert NUMBER in result.stdout
    assert json.loads(shop.run("show", "T1221", "--json").stdout)["paid"]
    assert not json.loads(shop.run("show", OTHER, "--json").stdout)["paid"]


def test_a_notification_is_not_triggered_for_one_of_several_payments() -> None:
    shop = make(with_column)
    sell(shop, NUMBER, "T1221")
    sell(shop, OTHER, "T1221")
    result = shop.run("trigger", "paid", "--out-trade-no", "T1221")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "matches several payments" in " ".join(result.stderr.split())
    assert not json.loads(shop.run("show", NUMBER, "--json").stdout)["paid"]


def test_a_number_of_several_payments_selects_none_of_them() -> None:
    shop = make(with_column)
    sell(shop, NUMBER, "T1221", trade_status="TRADE_CLOSED")
    sell(shop, OTHER, "T1221", paid=True, trade_status="TRADE_SUCCESS")
    for command in (["show", "T1221"], ["refund", "T1221", "all", "--yes"]):
        result = shop.run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{NUMBER} (TRADE_CLOSED), {OTHER} (TRADE_SUCCESS)" in " ".join(
            result.stderr.split()
        )
    with shop.app.app_context():
        assert [one.refunded_fen for one in shop.db.session.scalars(select(shop.Payment))] == [0, 0]


def test_a_payments_own_number_comes_before_the_shops() -> None:
    shop = make(with_column)
    sell(shop, "T1", "T2")
    sell(shop, "T2", "T1")
    assert json.loads(shop.run("show", "T1", "--json").stdout)["out_trade_no"] == "T1"


def test_a_reference_without_a_column_is_rejected() -> None:
    def with_property(base: Any) -> Any:
        class Payment(PaymentMixin, base):
            @property
            def reference(self) -> str:
                return "T1221"

        return Payment

    with pytest.raises(ConfigurationError, match=r"Payment\.reference cannot be searched for"):
        make(with_property)
