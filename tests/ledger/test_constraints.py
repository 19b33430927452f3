"""Constraints that a real table lacks are named, on each database."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Table, create_engine, inspect

from flask_alipay.ledger.constraints import missing_in_class, missing_in_database

from .shop import Base, Notification, Payment, Refund

LACKING = {
    Payment: [
        "uq_alipay_payment_out_trade_no",
        "uq_alipay_payment_trade_no",
        "ck_alipay_payment_total_fen",
        "ck_alipay_payment_refunded_fen",
        "ck_alipay_payment_trade_status",
    ],
    Refund: ["uq_alipay_refund_out_request_no", "ck_alipay_refund_refund_fen"],
    Notification: ["uq_alipay_notification_message_id"],
}


def test_the_mixins_tables_lack_nothing(database_url: str) -> None:
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    for model in LACKING:
        assert missing_in_class(model) == []
        assert missing_in_database(model, inspect(engine)) == []
    engine.dispose()


def test_missing_constraints_are_named(database_url: str) -> None:
    engine, bare = create_engine(database_url), MetaData()
    for model in LACKING:
        columns = Base.metadata.tables[model.__tablename__].columns
        Table(
            model.__tablename__,
            bare,
            *(Column(each.name, each.type, primary_key=each.primary_key) for each in columns),
        )
    bare.create_all(engine)
    for model, names in LACKING.items():
        assert missing_in_database(model, inspect(engine)) == names
    engine.dispose()
