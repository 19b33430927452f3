"""App with the blueprint, prepared and inspected in separate contexts.

No request is made inside a pushed context: one that forgot to commit would pass there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, event, inspect, select, update
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.test import TestResponse

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.simulator.simulator import SIMULATORS

from ..compiled import create_tables

FORM = "application/x-www-form-urlencoded"

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
    #: A column of the shop's own.
    gift_note: Mapped[str | None] = mapped_column(String(64))


class Refund(RefundMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Shipment(db.Model):  # type: ignore[name-defined,misc]
    """Row that a callback of the shop adds."""

    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(String(64))


def new_blueprint(**options: Any) -> AlipayBlueprint:
    return AlipayBlueprint(db, Payment, Refund, Notification, **options)


def new_app(place: Path, settings: Mapping[str, Any] | None = None, **config: Any) -> Flask:
    """Return an app with a database and a merchant's settings (named without prefix), not
    registered.
    """
    app = Flask("shop", root_path=str(place), instance_path=str(place / "instance"))
    app.config.update(
        SECRET_KEY="not a secret",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{place / 'shop.sqlite'}",
        ALIPAY_SIMULATOR_WITHOUT_DEBUG=True,
    )
    app.config.update({f"ALIPAY_{name}": value for name, value in (settings or {}).items()})
    if settings is not None and not {"APP_ID", "PARTNER"}.isdisjoint(settings):
        app.config["TRUSTED_HOSTS"] = ["localhost"]
    app.config.update(config)
    return app


class Shop:
    """App that has registered the blueprint.

    :param app: with the blueprint registered.
    :param alipay: the blueprint.
    """

    def __init__(self, app: Flask, alipay: AlipayBlueprint) -> None:
        self.app = app
        self.alipay = alipay
        self.client = app.test_client()
        #: What the callbacks were called with, in order: event and number.
        self.called: list[tuple[str, str]] = []
        alipay.on_paid(self._note("paid"))
        alipay.on_failed(self._note("failed"))
        alipay.on_refunded(self._note("refunded"))
        alipay.on_finished(self._note("finished"))
        if "sqlalchemy" not in app.extensions:
            db.init_app(app)
        with app.app_context():
            if db.engine.dialect.name == "sqlite":
                event.listen(db.engine, "connect", _hurry)
            create_tables(db.metadata, db.engine)

    def order(self, **details: Any) -> str:
        """Create a payment of 88.88 yuan; return its number."""
        with self.app.app_context():
            payment = self.alipay.create_payment(
                **{"subject": "龙井 + 1 100%", "total_amount": "88.88", **details}
            )
            db.session.commit()
            number: str = payment.out_trade_no
        return number

    def payment(self, out_trade_no: str) -> Any:
        """Return the payment as the database has it, detached."""
        with self.app.app_context():
            found = db.session.scalar(self._query(out_trade_no))
            db.session.expunge(found)
        return found

    def change(self, number: str, **values: Any) -> None:
        """Change a payment behind the ledger's back, in SQL."""
        with self.app.app_context():
            found = update(Payment).where(Payment.out_trade_no == number)
            db.session.execute(found.values(**values))
            db.session.commit()

    def ledger(self) -> list[tuple[Any, ...]]:
        """Return every column of every payment and refund, to see whether anything changed.

        The record of what was sent to Alipay is left out: it says nothing about the money.
        """
        with self.app.app_context():
            return [
                tuple(
                    getattr(row, column.key)
                    for column in inspect(model).columns
                    if column.key not in ("sent_at", "query_history")
                )
                for model in (Payment, Refund)
                for row in db.session.scalars(select(model).order_by(model.id))
            ]

    def journal(self) -> list[str]:
        """Return the outcomes, oldest first."""
        with self.app.app_context():
            return list(db.session.scalars(select(Notification.outcome).order_by(Notification.id)))

    def shipments(self) -> list[str]:
        with self.app.app_context():
            return list(db.session.scalars(select(Shipment.out_trade_no).order_by(Shipment.id)))

    def url(self, kind: str, out_trade_no: str, **options: Any) -> str:
        """Return a URL of the package: ``checkout``, ``pay``, ``result``, ``status`` or
        ``gateway``.
        """
        with self.app.test_request_context():
            payment = db.session.scalar(self._query(out_trade_no))
            found: str = getattr(self.alipay, f"{kind}_url")(payment, **options)
        return found

    def look(self, kind: str, out_trade_no: str, **options: Any) -> TestResponse:
        """Open one of the pages."""
        return self.client.get(self.url(kind, out_trade_no), **options)

    def come_back(self, query: str, **options: Any) -> TestResponse:
        """Open the URL to which Alipay redirects the buyer."""
        return self.client.get(f"{self._prefix}/return?{query}", **options)

    def notify(self, body: bytes, **options: Any) -> TestResponse:
        """Send a notification."""
        options.setdefault("content_type", FORM)
        return self.client.post(f"{self._prefix}/notify", data=body, **options)

    def close(self) -> None:
        """Close the connections: an open one is a warning, and so an error."""
        for simulator in self.app.extensions.get(SIMULATORS, {}).values():
            with simulator.clock._changed:
                simulator.clock._due.clear()
        with self.app.app_context():
            db.engine.dispose()

    @cached_property
    def _prefix(self) -> str:
        with self.app.test_request_context():
            from flask import url_for

            endpoint = self.alipay.merchant.endpoint_of("notify")
            return url_for(endpoint).removesuffix("/notify")

    def _query(self, out_trade_no: str) -> Any:
        return select(Payment).where(Payment.out_trade_no == out_trade_no)

    def _note(self, event: str) -> Any:
        def callback(payment: Any) -> None:
            self.called.append((event, payment.out_trade_no))

        return callback


def _hurry(connection: Any, record: object) -> None:
    """Speed up SQLite: a test's database need not survive a power failure."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
