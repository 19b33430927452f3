"""Payment objects that callbacks get after a claim: equivalent to loaded objects."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Integer,
    String,
    TypeDecorator,
    Uuid,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    deferred,
    mapped_column,
    reconstructor,
    relationship,
)

from flask_alipay.ledger import Ledger, Models
from flask_alipay.models import PaymentMixin

from .shop import MERCHANT, TOTAL, Payment, Shop, report

PAID_AT = datetime(2026, 2, 3, 2, tzinfo=timezone.utc)


class Base(DeclarativeBase):
    pass


class Buyer(Base):
    __tablename__ = "buyer"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Rich(PaymentMixin, Base):
    """With what apps add."""

    __tablename__ = "rich"

    buyer_number: Mapped[int | None] = mapped_column(ForeignKey("buyer.id"))
    buyer: Mapped[Buyer | None] = relationship(lazy="joined")
    note: Mapped[str] = mapped_column("remark", default="none")
    long_text: Mapped[str] = deferred(mapped_column(String(64), default="long"))
    again: Mapped[str] = column_property(select(Buyer.name).where(Buyer.id == 1).scalar_subquery())


class Backwards(TypeDecorator[int]):
    """Type that stores a number with its sign inverted."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else -value

    process_result_value = process_bind_param


class Unique(PaymentMixin, Base):
    __tablename__ = "unique"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)  # type: ignore[assignment]


class Named(PaymentMixin, Base):
    __tablename__ = "named"

    id: Mapped[str] = mapped_column(String(8), primary_key=True, default="P-1")  # type: ignore[assignment]


class Turned(PaymentMixin, Base):
    __tablename__ = "turned"

    id: Mapped[int] = mapped_column(Backwards, primary_key=True, default=7)


class Listening(PaymentMixin, Base):
    """Wants to know when it is loaded."""

    __tablename__ = "listening"

    @reconstructor
    def prepare(self) -> None:
        self.prepared = True


class Parent(PaymentMixin, Base):
    """Base of several kinds of payments in one table."""

    __tablename__ = "parent"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012

    kind: Mapped[str] = mapped_column(default="plain")


class Child(Parent):
    __tablename__ = None  # type: ignore[assignment]
    __table_args__ = ()
    __mapper_args__ = {"polymorphic_identity": "gift"}  # noqa: RUF012


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def settled(session: Session, model: type[Any], *others: Any, **columns: Any) -> Any:
    """Return what a callback sees of a payment of the class."""
    seen: list[Any] = []
    columns = {"merchant": MERCHANT, "subject": "茶", "total_fen": TOTAL} | columns
    session.add_all([model(out_trade_no="A1", **columns), *others])
    session.commit()
    models = Models(model)
    callbacks = {"paid": [lambda payment: seen.append((payment, dict(payment.__dict__)))]}
    Ledger(session, models, merchant=MERCHANT, callbacks=callbacks).settle(report(paid_at=PAID_AT))
    return seen[0]


def test_it_has_the_values_of_a_loaded_object(shop: Shop) -> None:
    shop.order(details={"body": "一罐"})
    names = [each.key for each in inspect(Payment).column_attrs]
    seen: dict[str, Any] = {}

    def read(payment: Any) -> None:
        seen.update({name: getattr(payment, name) for name in names})

    with shop.session() as session:
        shop.ledger(session, paid=read).settle(report(paid_at=PAID_AT))
    loaded = shop.payment()
    assert seen == {name: getattr(loaded, name) for name in names}
    assert seen["paid_at"] == PAID_AT
    assert seen["created_at"].tzinfo is timezone.utc


def test_claimed_values_are_known_without_a_query(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, paid=lambda payment: seen.append(dict(payment.__dict__)))
        seen: list[dict[str, Any]] = []
        ledger.settle(report(paid_at=PAID_AT))
    loaded = shop.payment()
    known = ["id", "merchant", "out_trade_no", "currency", "total_fen", "refunded_fen"]
    known += ["trade_status", "paid", "trade_no", "buyer_id"]
    assert {name: seen[0].get(name) for name in known} == {
        name: getattr(loaded, name) for name in known
    }


def test_it_belongs_to_the_session_and_its_changes_are_flushed(shop: Shop) -> None:
    shop.order()

    def ship(payment: Any) -> None:
        state = inspect(payment)
        assert state.persistent
        assert state.session is session
        payment.shipped = True

    with shop.session() as session:
        shop.ledger(session, paid=ship).settle(report())
    assert shop.payment().shipped


def test_one_that_the_app_has_already_is_that_one_brought_up_to_date(shop: Shop) -> None:
    shop.order()
    seen: list[Any] = []
    with shop.session() as session:
        known = session.scalars(select(Payment)).one()
        shop.ledger(session, paid=lambda payment: seen.append((payment, payment.paid))).settle(
            report()
        )
        assert seen == [(known, True)]


def test_relationships_and_deferred_columns_are_loaded_on_access(
    session: Session,
) -> None:
    buyer = Buyer(id=1, name="Li")
    payment, _ = settled(session, Rich, buyer, buyer=buyer, note="gift")
    assert (payment.note, payment.buyer.name) == ("gift", "Li")
    assert (payment.long_text, payment.again) == ("long", "Li")


def test_a_class_that_listens_to_its_loads_is_loaded(session: Session) -> None:
    payment, _ = settled(session, Listening)
    assert payment.prepared


def test_so_is_one_with_a_load_event(session: Session) -> None:
    loads: list[str] = []

    def remember(payment: Any, context: Any) -> None:
        assert context is not None
        loads.append(payment.out_trade_no)

    event.listen(Rich, "load", remember)
    try:
        settled(session, Rich)
    finally:
        event.remove(Rich, "load", remember)
    assert loads == ["A1"]


def test_a_payment_of_a_subclass_is_of_that_class(session: Session) -> None:
    session.add(Child(out_trade_no="A1", merchant=MERCHANT, subject="茶", total_fen=TOTAL))
    session.commit()
    seen: list[type] = []
    callbacks = {"paid": [lambda payment: seen.append(type(payment))]}
    Ledger(session, Models(Parent), merchant=MERCHANT, callbacks=callbacks).settle(report())
    assert seen == [Child]


@pytest.mark.parametrize("model", [Unique, Named, Turned])
def test_an_id_of_any_type_is_the_apps(database_url: str, model: type[Any]) -> None:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine, [model.__table__])
    with Session(engine) as session:
        payment, _ = settled(session, model)
        number, subject = payment.id, payment.subject
        payment.subject = "tea"
        session.commit()
        assert subject == "茶"
        assert session.scalars(select(model.subject).where(model.id == number)).all() == ["tea"]
    engine.dispose()
