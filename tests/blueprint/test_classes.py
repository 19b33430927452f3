"""Inheritance between an application's classes, as far as the blueprint supports it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, event
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from flask_alipay import AlipayBlueprint, ConfigurationError, PaymentMixin, RefundMixin

from ..doubles.merchant import MD5_KEY


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined, misc]
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Ticket(Payment):
    """Payment in a separate table, joined with that of all payments."""

    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(ForeignKey(Payment.id), primary_key=True)
    seat: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_identity": "ticket"}  # noqa: RUF012


class Voucher(Payment):
    """Payment in the table of all payments."""

    __mapper_args__ = {"polymorphic_identity": "voucher"}  # noqa: RUF012

    @declared_attr.directive
    def __tablename__(cls) -> None:  # type: ignore[override]
        return None

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return ()


class Coupon(Payment):
    """Payment in the table of all payments, by inheritance alone."""

    __mapper_args__ = {"polymorphic_identity": "coupon"}  # noqa: RUF012


class Document(db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Invoice(PaymentMixin, Document):
    """One of many documents; the ledger's columns are in a separate table."""

    id: Mapped[int] = mapped_column(ForeignKey(Document.id), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "invoice"}  # noqa: RUF012

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return "invoice"


class Refund(RefundMixin, db.Model):  # type: ignore[name-defined, misc]
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Chargeback(Refund):
    id: Mapped[int] = mapped_column(ForeignKey(Refund.id), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "back"}  # noqa: RUF012

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return "chargeback"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return ()


def register(*models: type[Any]) -> None:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a" * 32,
        SERVER_NAME="shop.example",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        ALIPAY_PARTNER="2088000000000001",
        ALIPAY_KEY=MD5_KEY,
    )
    db.init_app(app)
    app.register_blueprint(AlipayBlueprint(db, *models), url_prefix="/alipay")


@pytest.mark.parametrize("model", [Payment, Voucher, Coupon, Invoice])
def test_one_that_has_the_ledgers_columns_in_its_table_is_taken(model: type[Any]) -> None:
    register(model, Refund)


@pytest.mark.parametrize(
    ("models", "key", "owner"),
    [((Ticket,), "Payment", "Payment"), ((Payment, Chargeback), "Refund", "Refund")],
)
def test_one_that_has_them_from_another_table_is_refused(
    models: tuple[type[Any], ...], key: str, owner: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"pass {owner} to the blueprint$") as refused:
        register(*models)
    assert refused.value.key == key
    assert models[-1].__name__ in str(refused.value)


def sale(**attributes: Any) -> type[Any]:
    """Return a class of payments on a separate base."""

    class Other(DeclarativeBase):
        pass

    return type("Sale", (PaymentMixin, Other), {"__tablename__": "sale", **attributes})


class Audited:
    """Base of the application that is listed first."""

    __table_args__ = {"mysql_engine": "InnoDB"}  # noqa: RUF012


NAMES = ("uq_sale_out_trade_no", "uq_sale_trade_no", "ck_sale_total_fen", "ck_sale_refunded_fen")


def test_a_class_whose_table_args_drop_the_constraints_is_rejected() -> None:
    payment = sale(__table_args__=(Index("ix_merchant", "merchant"),))
    with pytest.raises(ConfigurationError, match="lacks the constraints") as refused:
        register(payment)
    assert refused.value.key == "Payment"
    assert all(name in str(refused.value) for name in ("Sale", *NAMES))


def test_a_class_whose_first_base_drops_the_constraints_is_rejected() -> None:
    class Other(DeclarativeBase):
        pass

    class Sale(Audited, PaymentMixin, Other):
        __tablename__ = "sale"

    class Back(Audited, RefundMixin, Other):
        __tablename__ = "back"

    with pytest.raises(ConfigurationError, match="uq_sale_out_trade_no"):
        register(Sale)
    with pytest.raises(ConfigurationError, match="uq_back_out_request_no") as refused:
        register(Payment, Back)
    assert refused.value.key == "Refund"


def test_a_class_that_joins_its_table_args_with_the_mixins_is_taken() -> None:
    class Other(DeclarativeBase):
        pass

    class Sale(PaymentMixin, Other):
        @declared_attr.directive
        def __table_args__(cls) -> tuple[Any, ...]:
            return (*super().__table_args__, Index("ix_merchant", "merchant"))

    register(Sale)


def test_uniqueness_may_be_declared_in_another_way() -> None:
    payment = sale(
        __table_args__=(
            Index("ux_number", "out_trade_no", unique=True),
            UniqueConstraint("trade_no"),
            CheckConstraint("total_fen > 0", name="ck_sale_total_fen"),
            CheckConstraint("refunded_fen <= total_fen", name="ck_sale_refunded_fen"),
            CheckConstraint("trade_status <> ''", name="ck_sale_trade_status"),
        )
    )
    register(payment)


def test_listeners_that_the_guarded_update_bypasses_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    payment = sale()
    event.listen(payment, "after_update", lambda *_: None)
    register(payment)
    assert "Sale" in caplog.text
    assert "after_update" in caplog.text
    caplog.clear()
    register(Payment, Refund)
    assert "guarded UPDATE" not in caplog.text


def test_the_session_of_flask_sqlalchemy_lite_is_accepted_without_an_app_context() -> None:
    from flask_sqlalchemy_lite import SQLAlchemy as Lite
    from sqlalchemy.orm import DeclarativeBase

    class Base(DeclarativeBase):
        pass

    class Payment(PaymentMixin, Base):
        pass

    app = Flask(__name__)
    app.config.update(SECRET_KEY="test", TESTING=True, ALIPAY_SIMULATOR=True)
    app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite://"}
    db = Lite(app)
    app.register_blueprint(AlipayBlueprint(db, Payment), url_prefix="/alipay")
    with app.app_context():
        db.engine.dispose()
