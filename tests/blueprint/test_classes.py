"""Which classes of an app's the blueprint takes, where they inherit from one another."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from flask_alipay import AlipayBlueprint, ConfigurationError, PaymentMixin, RefundMixin

from .merchants import MD5_KEY


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined, misc]
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Ticket(Payment):
    """In a table of its own, beside that of all payments."""

    id: Mapped[int] = mapped_column(ForeignKey(Payment.id), primary_key=True)
    seat: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_identity": "ticket"}  # noqa: RUF012

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return "ticket"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return ()


class Voucher(Payment):
    """In the table of all payments."""

    __mapper_args__ = {"polymorphic_identity": "voucher"}  # noqa: RUF012

    @declared_attr.directive
    def __tablename__(cls) -> None:  # type: ignore[override]
        return None

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return ()


class Document(db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Invoice(PaymentMixin, Document):
    """One of many documents; the ledger's columns are in its own table."""

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


@pytest.mark.parametrize("model", [Payment, Voucher, Invoice])
def test_one_that_has_the_ledgers_columns_in_its_table_is_taken(model: type[Any]) -> None:
    register(model, Refund)


@pytest.mark.parametrize(
    ("models", "key", "owner"),
    [((Ticket,), "Payment", "Payment"), ((Payment, Chargeback), "Refund", "Refund")],
)
def test_one_that_has_them_from_another_table_is_refused(
    models: tuple[type[Any], ...], key: str, owner: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"give the blueprint {owner}$") as refused:
        register(*models)
    assert refused.value.key == key
    assert models[-1].__name__ in str(refused.value)
