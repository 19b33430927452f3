"""Identifying attributes of a payment cannot be changed once the buyer may have it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import String, create_engine, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, validates

from flask_alipay.exceptions import InvalidParameter, PaymentMismatch
from flask_alipay.models import PaymentMixin

from .shop import MERCHANT, TOTAL, Payment, Shop, report

CHANGES: dict[str, Any] = {
    "total_fen": 1,
    "currency": "USD",
    "out_trade_no": "A2",
    "merchant": "2021000000000009",
}
changed = pytest.mark.parametrize(("name", "value"), CHANGES.items())


def found(session: Session) -> Any:
    return session.scalars(select(Payment)).one()


@changed
def test_another_value_is_rejected_where_it_is_set(shop: Shop, name: str, value: Any) -> None:
    shop.order()
    with shop.session() as session:
        payment = found(session)
        before = getattr(payment, name)
        with pytest.raises(
            InvalidParameter, match="Close the payment and create another"
        ) as caught:
            setattr(payment, name, value)
        session.commit()
        assert caught.value.parameter == name
        assert getattr(found(session), name) == before


@changed
def test_it_is_rejected_also_where_the_row_has_to_be_read_again(
    small_shop: Shop, name: str, value: Any
) -> None:
    small_shop.order()
    with small_shop.session() as session:
        payment = found(session)
        session.commit()  # everything is expired
        with pytest.raises(InvalidParameter):
            setattr(payment, name, value)


@changed
def test_a_merged_copy_is_rejected_likewise(small_shop: Shop, name: str, value: Any) -> None:
    small_shop.order()
    with small_shop.session() as session:
        number = found(session).id
        values = {"merchant": MERCHANT, "out_trade_no": "A1", "subject": "茶", "total_fen": TOTAL}
        copy = Payment(id=number, **{**values, name: value})
        with pytest.raises(InvalidParameter):
            session.merge(copy)


def test_the_same_value_may_be_set_again(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        payment = found(session)
        payment.total_fen, payment.currency = TOTAL, "CNY"
        session.commit()


def test_a_payment_that_is_not_stored_may_change(shop: Shop) -> None:
    with shop.session() as session:
        payment = Payment(merchant=MERCHANT, out_trade_no="A1", subject="茶", total_fen=TOTAL)
        session.add(payment)
        payment.total_fen, payment.out_trade_no = 1, "A2"
        session.commit()
        assert (found(session).total_fen, found(session).out_trade_no) == (1, "A2")


@pytest.mark.parametrize(
    ("name", "value"),
    [("subject", "Tea"), ("product", "wap"), ("details", {"body": "b"}), ("shipped", True)],
)
def test_everything_else_may_change(shop: Shop, name: str, value: Any) -> None:
    shop.order()
    with shop.session() as session:
        setattr(found(session), name, value)
        session.commit()
        assert getattr(found(session), name) == value


def test_an_amount_that_sql_changed_never_settles_by_the_old_one(shop: Shop) -> None:
    shop.order()
    with shop.session() as session, session.begin():
        session.execute(update(Payment).values(total_fen=1))
    with pytest.raises(PaymentMismatch):
        shop.settle(report())
    with shop.session() as session:
        assert (found(session).paid, found(session).total_fen) == (False, 1)


class Base(DeclarativeBase):
    pass


class Checked(PaymentMixin, Base):
    """With a validator of the app's own, and a subclass."""

    kind: Mapped[str] = mapped_column(String(8), default="")

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "checked"}  # noqa: RUF012

    @validates("total_fen")
    def positive(self, name: str, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value


class Gift(Checked):
    __tablename__ = None  # type: ignore[assignment]
    __table_args__ = ()
    __mapper_args__ = {"polymorphic_identity": "gift"}  # noqa: RUF012


@pytest.mark.parametrize("model", [Checked, Gift])
def test_the_apps_validator_still_runs_in_subclasses_too(model: type[Any]) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with pytest.raises(ValueError, match="negative"):
        model(total_fen=-1)
    with Session(engine) as session:
        payment = model(merchant=MERCHANT, out_trade_no="A1", subject="茶", total_fen=TOTAL)
        session.add(payment)
        session.commit()
        with pytest.raises(InvalidParameter):
            payment.total_fen = 1
    engine.dispose()
