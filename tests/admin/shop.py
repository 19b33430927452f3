"""Shop with operator pages, on the simulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any

from flask import Flask, request
from flask_admin import Admin
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as Lite
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.test import TestResponse

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.admin import add_alipay_views

from ..compiled import create_tables
from ..doubles.app import Shop as AppShop
from ..doubles.app import instance_path
from ..doubles.models import LedgerClasses

#: Nothing listens there: notifications are lost.
LOST = "http://127.0.0.1:9/lost"
OPERATOR = "alice"


def _locale() -> str:
    found = request.accept_languages.best_match(("zh", "en"), "en")
    return {"zh": "zh_Hans_CN"}.get(found, found)


@dataclass
class Shop(AppShop):
    """App with operator pages, and a browser that keeps cookies."""

    #: What the callbacks were called with, in order.
    called: list[tuple[str, str]] = field(default_factory=list)
    #: The operator's browser.
    client: Any = None

    def get(self, path: str, **options: Any) -> TestResponse:
        """Open an operator page."""
        response: TestResponse = self.client.get(f"/admin/alipay/{path}", **options)
        return response

    def post(self, path: str, form: dict[str, str] | None = None) -> TestResponse:
        """Send the form of an operator page as the page has it, with some fields changed."""
        url = f"/admin/alipay/{path}"
        fields = {**form_of(self.client.get(url).text), **(form or {})}
        response: TestResponse = self.client.post(url, data=fields)
        return response

    def act(self, path: str, form: dict[str, str] | None = None) -> str:
        """Confirm an action; return the page to which it leads."""
        response = self.post(path, form)
        assert response.status_code == 303, response.text
        page: str = self.client.get(response.location).text
        return page

    def refund(self, number: str, amount: str, reason: str = "", **form: str) -> TestResponse:
        """Fill in and confirm a refund."""
        requested = self.post(f"payments/{number}/refund", {"amount": amount, "reason": reason})
        assert requested.status_code == 200, requested.text
        return self.confirm(number, {**form_of(requested.text), **form})

    def confirm(self, number: str, fields: dict[str, str]) -> TestResponse:
        """Send the confirmation of a refund."""
        url = f"/admin/alipay/payments/{number}/refund"
        response: TestResponse = self.client.post(url, data=fields)
        return response

    def order(self, **details: Any) -> str:
        """Return the number of a new payment of 88.88 yuan."""
        with self.app.test_request_context():
            given = {"subject": "龙井 tea", "total_amount": "88.88", **details}
            payment = self.alipay.create_payment(**given)
            self.db.session.commit()
            number: str = payment.out_trade_no
        return number

    def pay(self, number: str) -> None:
        """Pay at the simulated Alipay."""
        with self.app.test_request_context():
            url = self.alipay.pay_url(self.alipay.ledger().find(number))
        buyer = self.app.test_client()
        cashier = buyer.get(url, follow_redirects=True).request.path
        assert buyer.post(f"{cashier}/pay").status_code == 303

    def sold(self, **details: Any) -> str:
        """Return the number of a new payment that was paid and settled."""
        number = self.order(**details)
        self.pay(number)
        assert self.payment(number).paid
        return number

    def row(self, out_trade_no: str, **columns: Any) -> Any:
        """Return a payment that is inserted without the package."""
        return super().row(out_trade_no, **{"merchant": self.merchant, **columns})

    @property
    def merchant(self) -> str:
        with self.app.app_context():
            return self.alipay.config.merchant

    def payment(self, number: str) -> Any:
        with self.app.app_context():
            found = self.alipay.ledger().find(number)
            self.db.session.expunge(found)
        return found

    def rows(self, model: Any) -> list[Any]:
        """Return all rows of a class, the oldest first."""
        with self.app.app_context():
            found = self.db.session.scalars(select(model).order_by(model.id)).all()
            self.db.session.expunge_all()
        return list(found)

    def ledger(self) -> list[str]:
        """Return what payments and refunds say, to see whether anything changed."""
        names = ("out_trade_no", "trade_status", "refunded_fen", "status", "refund_fen")
        return [
            " ".join(str(getattr(row, name, "")) for name in names)
            for model in (self.Payment, self.Refund)
            if model is not None
            for row in self.rows(model)
        ]

    def actions(self) -> list[str]:
        """Return what operators did, from the journal."""
        return [row.detail for row in self.rows(self.Notification) if "operator" in row.payload]


def form_of(page: str) -> dict[str, str]:
    """Return the fields of a page's POST form, as a browser would send them."""
    found = re.search(r'<form method="post">(.*?)</form>', page, re.S)
    assert found is not None, page
    inputs = re.findall(r"<input\b([^>]*)>", found[1])
    fields = {}
    for attributes in inputs:
        name, value = (re.search(rf'\b{key}="([^"]*)"', attributes) for key in ("name", "value"))
        if name and "checkbox" not in attributes:
            fields[name[1]] = unescape(value[1]) if value else ""
    return fields


@cache
def _declared(lite: bool) -> tuple[Any, LedgerClasses]:
    """Return the classes for all apps of the kind."""
    db: Any

    if lite:

        class Base(DeclarativeBase):
            pass

        db = Lite()
    else:
        db = SQLAlchemy()
        Base = db.Model  # type: ignore[misc]

    class Payment(PaymentMixin, Base):
        #: The shop's own order number.
        reference: Mapped[str | None] = mapped_column(String(32), index=True)

    class Refund(RefundMixin, Base):
        pass

    class Notification(NotificationMixin, Base):
        pass

    return db, LedgerClasses(Payment, Refund, Notification)


def make_shop(
    url: str = "sqlite://",
    *,
    lite: bool = False,
    refunds: bool = True,
    journal: bool = True,
    config: dict[str, Any] | None = None,
    admin: Callable[[Flask], Admin] = Admin,
    **views: Any,
) -> Shop:
    """Return a shop.

    :param url: of its database.
    :param lite: on Flask-SQLAlchemy-Lite.
    :param refunds: whether it has a class for refunds.
    :param journal: whether it has a class for notifications.
    :param config: further configuration.
    :param views: options of ``add_alipay_views``.
    """
    db, declared = _declared(lite)
    Payment, Refund, Notification = declared
    app = Flask(__name__, instance_path=instance_path())
    app.config.update(SECRET_KEY="test", ALIPAY_SIMULATOR=True, TESTING=True)
    key = "SQLALCHEMY_ENGINES" if lite else "SQLALCHEMY_DATABASE_URI"
    app.config[key] = {"default": url} if lite else url
    app.config.update(config or {})
    db.init_app(app)
    Babel(app, locale_selector=_locale)
    classes = (Payment, Refund if refunds else None, Notification if journal else None)
    alipay = AlipayBlueprint(db, *classes)  # type: ignore[arg-type]
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        create_tables(Payment.metadata, db.engine)
    options = {"is_accessible": lambda: True, "operator": lambda: OPERATOR, **views}
    add_alipay_views(admin(app), alipay, **options)
    shop = Shop(app, db, alipay, *classes)
    shop.client = app.test_client()
    alipay.on_paid(lambda payment: shop.called.append(("paid", payment.out_trade_no)))
    alipay.on_failed(lambda payment: shop.called.append(("failed", payment.out_trade_no)))
    alipay.on_refunded(lambda payment: shop.called.append(("refunded", payment.out_trade_no)))
    return shop


def close(shop: Shop) -> None:
    """Close a shop's connections: an open one is a warning, and so an error."""
    with shop.app.app_context():
        shop.db.engine.dispose()
