"""Tables as the application declares them: the last protection against impossible values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
    create_engine,
    func,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.models import NotificationMixin, PaymentMixin, RefundMixin, TradeStatus
from flask_alipay.protocol.conversion import CHINA_TIME

from .shop import BUYER, MERCHANT, MODELS, TOTAL, Base, Notification, Payment, Refund, Shop, report

# MariaDB calls a broken CHECK an operational error.
BROKEN = (IntegrityError, OperationalError)

TIME = datetime(2026, 7, 1, 23, 30, tzinfo=timezone.utc)
TIMES = (
    *("created_at", "expires_at", "paid_at", "closed_at", "finished_at"),
    *("asked_at", "sent_at", "returned_at", "query_leased_until"),
)


def refund(**columns: Any) -> Refund:
    about = {
        "merchant": MERCHANT,
        "out_trade_no": "A1",
        "out_request_no": "R1",
        "refund_fen": 1,
        "status": "REFUND_SUCCESS",
    }
    return Refund(**about | columns)


def test_a_new_payment_waits_for_its_buyer(shop: Shop) -> None:
    shop.order()
    payment = shop.payment()
    assert shop.status() == (TradeStatus.WAIT_BUYER_PAY, False, 0)
    assert (payment.currency, payment.details) == ("CNY", {})
    assert (payment.trade_no, payment.product, payment.buyer_id) == (None, None, None)
    assert datetime.now(timezone.utc) - payment.created_at < timedelta(minutes=1)


REFUSED: list[dict[str, Any]] = [
    {"total_fen": 0},
    {"total_fen": -1},
    {"refunded_fen": -1},
    {"refunded_fen": TOTAL + 1},
    {"trade_status": "TRADE_PAID"},
    {"trade_status": "TRADE_SUCCESS_"},
    {"trade_status": ""},
    {"total_fen": None},
    {"merchant": None},
    {"out_trade_no": None},
    {"subject": None},
]


def test_the_database_rejects_impossible_values(shop: Shop) -> None:
    for columns in REFUSED:
        with pytest.raises(BROKEN):
            shop.order(**{"out_trade_no": "A1", **columns})
    assert shop.count(Payment) == 0


def test_a_refund_never_exceeds_the_payment_whichever_code_writes_it(shop: Shop) -> None:
    shop.order()
    for value in (-1, TOTAL + 1):
        with shop.session() as session, pytest.raises(BROKEN):
            session.execute(update(Payment).values(refunded_fen=value))
    assert shop.status() == (TradeStatus.WAIT_BUYER_PAY, False, 0)


def test_an_order_number_is_given_once(shop: Shop) -> None:
    shop.order()
    with pytest.raises(IntegrityError):
        shop.order(merchant="2088000000000009")
    assert shop.count(Payment) == 1


def test_a_trade_pays_one_order(shop: Shop) -> None:
    shop.order("A1", trade_no="T1")
    with pytest.raises(IntegrityError):
        shop.order("B1", trade_no="T1")


def test_trades_that_are_not_known_yet_are_many(shop: Shop) -> None:
    shop.order("A1")
    shop.order("B1")
    assert shop.count(Payment) == 2


def test_every_status_fits(shop: Shop) -> None:
    for trade_status in TradeStatus.ALL:
        order = shop.order(f"A_{trade_status}", trade_status=trade_status)
        assert shop.payment(order).trade_status == trade_status


def test_a_refund_is_given_once_for_each_payment(shop: Shop) -> None:
    with shop.session() as session, session.begin():
        session.add_all([refund(), refund(out_trade_no="B1"), refund(out_request_no="r1")])
    with shop.session() as session:
        session.add(refund())
        with pytest.raises(IntegrityError):
            session.flush()
    assert shop.count(Refund) == 3


def test_a_refund_is_of_some_money(shop: Shop) -> None:
    for refund_fen in (0, -1):
        with shop.session() as session:
            session.add(refund(refund_fen=refund_fen))
            with pytest.raises(BROKEN):
                session.flush()


def test_times_are_read_back_as_the_same_time_in_utc(shop: Shop) -> None:
    for zone in (timezone.utc, CHINA_TIME, timezone(-timedelta(hours=9, minutes=30))):
        times: dict[str, Any] = dict.fromkeys(TIMES, TIME.astimezone(zone))
        payment = shop.payment(shop.order(f"A{zone.utcoffset(None).seconds}", **times))
        for name in TIMES:
            assert getattr(payment, name) == TIME
            assert getattr(payment, name).tzinfo is timezone.utc


def test_refunds_and_notifications_have_aware_times(shop: Shop) -> None:
    shop.order()
    shop.settle(report(refunded_fen=1))
    [refund_row], [row] = shop.rows(Refund), shop.rows(Notification)
    for time in (refund_row.created_at, refund_row.refunded_at, row.received_at):
        assert time.tzinfo is timezone.utc
        assert datetime.now(timezone.utc) - time < timedelta(minutes=1)


def test_times_are_aware_after_a_refresh_and_after_a_commit(shop: Shop) -> None:
    shop.order(expires_at=TIME)
    with shop.session() as session:
        payment = session.get(Payment, shop.payment().id)
        assert payment is not None
        session.refresh(payment)
        assert payment.expires_at is not None
        assert payment.expires_at.tzinfo is timezone.utc
        session.commit()
        assert payment.expires_at == TIME
        session.expire(payment, ["expires_at"])
        assert payment.expires_at == TIME
        assert payment not in session.dirty


def test_a_time_is_in_utc_as_soon_as_it_is_set() -> None:
    payment = Payment(expires_at=TIME.astimezone(CHINA_TIME))
    assert payment.expires_at == TIME
    assert payment.expires_at is not None
    assert payment.expires_at.tzinfo is timezone.utc
    payment.expires_at = None
    assert payment.expires_at is None


@pytest.mark.parametrize("name", TIMES)
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    naive = TIME.replace(tzinfo=None)
    with pytest.raises(InvalidParameter, match=f"^{name} must be an aware datetime"):
        Payment(**{name: naive})


def test_the_databases_clock_may_be_used(small_shop: Shop) -> None:
    small_shop.order(created_at=func.current_timestamp())
    assert small_shop.payment().created_at.tzinfo is timezone.utc


def test_details_are_kept_as_they_are(shop: Shop) -> None:
    details = {"body": "龙井茶 🍵", "qr_pay_mode": 4, "nested": {"a": [1, None, True]}}
    shop.order(details=details)
    assert shop.payment().details == details


def test_amounts_are_shown_in_yuan() -> None:
    payment = Payment(total_fen=8888, refunded_fen=5)
    assert (payment.total_amount, payment.refunded_amount) == (Decimal("88.88"), Decimal("0.05"))
    assert str(payment.total_amount) == "88.88"
    with pytest.raises(AttributeError):
        payment.total_amount = Decimal(1)  # type: ignore[misc]


def test_a_repr_shows_no_buyer() -> None:
    payment = Payment(
        out_trade_no="A1", trade_status=TradeStatus.TRADE_SUCCESS, buyer_id=BUYER, subject="茶"
    )
    row = Notification(
        notify_id="n1", out_trade_no="A1", outcome="settled", payload={"buyer_id": BUYER}
    )
    assert repr(payment) == "<Payment A1 TRADE_SUCCESS>"
    assert repr(refund()) == "<Refund A1 R1 REFUND_SUCCESS>"
    assert repr(row) == "<Notification n1 A1 settled>"


def tables(convention: dict[str, str] | None = None) -> type[DeclarativeBase]:
    """Two merchants' tables in one metadata."""

    class Tables(DeclarativeBase):
        metadata = MetaData(naming_convention=convention)

    class Payment(PaymentMixin, Tables):
        pass

    class Refund(RefundMixin, Tables):
        pass

    class Notification(NotificationMixin, Tables):
        pass

    class HongKongPayment(PaymentMixin, Tables):
        __tablename__ = "hk_payment"

    class HongKongRefund(RefundMixin, Tables):
        __tablename__ = "hk_refund"

    class HongKongNotification(NotificationMixin, Tables):
        __tablename__ = "hk_notification"

    return Tables


NAMES = {
    "ck_{}payment_refunded_fen",
    "ck_{}payment_total_fen",
    "ck_{}payment_trade_status",
    "ck_{}refund_refund_fen",
    "ix_{}notification_notify_id",
    "ix_{}notification_out_trade_no",
    "ix_{}payment_trade_status_asked_at",
    "ix_{}payment_trade_status_created_at",
    "ix_{}payment_buyer_id",
    "ix_{}payment_buyer_open_id",
    "ix_{}payment_out_order_no",
    "ix_{}payment_external_agreement_no",
    "ix_{}payment_paid_at",
    "ix_{}refund_out_request_no",
    "ix_{}notification_outcome_received_at",
    "ix_{}refund_status_created_at",
    "uq_{}payment_out_trade_no",
    "uq_{}payment_trade_no",
    "uq_{}refund_out_request_no",
    "uq_{}notification_message_id",
}

CONVENTION = {
    "ck": "check_%(table_name)s_%(constraint_name)s",
    "uq": "unique_%(table_name)s_%(column_0_name)s",
    "ix": "index_%(column_0_label)s",
}


@pytest.mark.parametrize("convention", [None, CONVENTION], ids=["plain", "convention"])
def test_every_constraint_has_its_final_name_in_each_table(
    convention: dict[str, str] | None,
) -> None:
    metadata = tables(convention).metadata
    found = [
        named.name
        for table in metadata.tables.values()
        for named in [*table.constraints, *table.indexes]
        if isinstance(named, (CheckConstraint, UniqueConstraint)) or named in table.indexes
    ]
    expected = [name.format(prefix) for name in NAMES for prefix in ("alipay_", "hk_")]
    assert sorted(map(str, found)) == sorted(expected)


@pytest.fixture
def two_merchants(database_url: str) -> Iterator[tuple[str, set[str]]]:
    engine = create_engine(database_url)
    tables().metadata.create_all(engine)
    yield engine.dialect.name, set(inspect(engine).get_table_names())
    engine.dispose()


def test_two_merchants_can_have_their_tables_in_one_database(
    two_merchants: tuple[str, set[str]],
) -> None:
    _, names = two_merchants
    assert names == {
        f"{prefix}_{kind}"
        for prefix in ("alipay", "hk")
        for kind in ("payment", "refund", "notification")
    }


def test_the_columns_are_plain_types() -> None:
    # A migration that names the package's type would need an import that Alembic does not write.
    plain = (BigInteger, Boolean, DateTime, Integer, String, type(Payment.details.type))
    for model in (PaymentMixin, RefundMixin, NotificationMixin):
        for column in Base.metadata.tables[f"alipay_{model.__name__[:-5].lower()}"].columns:
            assert type(column.type) in plain, column


def test_a_notification_is_found_by_an_index(shop: Shop) -> None:
    found = {
        (index["name"], tuple(index["column_names"]))
        for table in ("alipay_payment", "alipay_refund", "alipay_notification")
        for index in inspect(shop.engine).get_indexes(table)
    }
    assert {
        ("ix_alipay_payment_trade_status_created_at", ("trade_status", "created_at")),
        (
            "ix_alipay_payment_trade_status_asked_at",
            ("trade_status", "asked_at", "created_at"),
        ),
        ("ix_alipay_refund_status_created_at", ("status", "created_at")),
        ("ix_alipay_notification_out_trade_no", ("out_trade_no",)),
        ("ix_alipay_notification_notify_id", ("notify_id",)),
        # For lists and sums of operators.
        ("ix_alipay_payment_buyer_id", ("buyer_id",)),
        ("ix_alipay_payment_buyer_open_id", ("buyer_open_id",)),
        ("ix_alipay_payment_out_order_no", ("out_order_no",)),
        ("ix_alipay_payment_external_agreement_no", ("external_agreement_no",)),
        ("ix_alipay_payment_paid_at", ("paid_at",)),
        ("ix_alipay_refund_out_request_no", ("out_request_no",)),
        ("ix_alipay_notification_outcome_received_at", ("outcome", "received_at")),
    } <= found


def test_ids_count_up_by_themselves(shop: Shop) -> None:
    shop.order("A1")
    shop.order("B1")
    assert shop.payment("B1").id > shop.payment("A1").id > 0


def test_the_apps_columns_coexist_with_the_packages(shop: Shop) -> None:
    shop.order(shipped=True)
    assert shop.payment().shipped is True


def test_a_subject_may_be_in_chinese_and_hold_emoji(shop: Shop) -> None:
    shop.order(subject="龙井茶 🍵" * 30)
    assert shop.payment().subject == "龙井茶 🍵" * 30


def test_the_mixins_stand_on_any_declarative_base() -> None:
    class Other(DeclarativeBase):
        pass

    class Order(PaymentMixin, Other):
        __tablename__ = "orders"
        customer: Mapped[str] = mapped_column(String(10))

        @property
        def label(self) -> str:
            return f"{self.customer}: {self.total_amount}"

    assert Order(customer="Li", total_fen=100).label == "Li: 1.00"
    assert MODELS.Payment is Payment


def test_postgresql_stores_time_zones_and_accepts_any(postgresql_shop: Shop) -> None:
    postgresql_shop.order(expires_at=TIME)
    with postgresql_shop.session() as session:
        session.execute(text("SET TIME ZONE 'Asia/Shanghai'"))
        payment = session.scalars(select(Payment)).one()
        assert payment.expires_at == TIME
        assert payment.expires_at is not None
        assert payment.expires_at.tzinfo is timezone.utc
