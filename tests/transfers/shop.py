"""A shop that pays money out, and the Alipay that it calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, event, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, TransferMixin
from flask_alipay.exceptions import OutcomeUnknown

from ..compiled import create_tables
from ..conftest import Keys
from ..doubles.merchant import OPENAPI, Merchant
from ..doubles.openapi import DONE, answer

LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
NOT_THERE = {"code": "40004", "msg": "Business Failed", "sub_code": "ORDER_NOT_EXIST"}
TRANSFER, QUERY = "alipay.fund.trans.uni.transfer", "alipay.fund.trans.common.query"
ANNA = {"payee": "anna@example.org", "identity_type": "ALIPAY_LOGON_ID", "name": "安娜"}

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Transfer(TransferMixin, db.Model):  # type: ignore[name-defined,misc]
    #: A column of the shop's own.
    prize: Mapped[str | None] = mapped_column(String(32))


class Bonus(db.Model):  # type: ignore[name-defined,misc]
    """A row that a callback adds."""

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(String(32))
    out_biz_no: Mapped[str] = mapped_column(String(64))


def rejection(sub_code: str) -> dict[str, Any]:
    """Return a rejection by a method."""
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "不行"}


class TransferringAlipay:
    """A transport to an Alipay that knows transfers by their numbers.

    A number is transferred once, whatever is requested. Scripted responses replace its own: an
    exception, a node, bytes, or a function of the content.
    """

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        #: The transfers that exist, by number: the content and the status.
        self.transfers: dict[str, dict[str, Any]] = {}
        #: The status of a new transfer.
        self.status = "SUCCESS"
        #: Replacements of the next responses, by method.
        self.script: dict[str, list[Any]] = {TRANSFER: [], QUERY: []}
        #: Methods and contents, in order.
        self.requests: list[tuple[str, dict[str, Any]]] = []
        #: Called with each request before it is performed.
        self.before: Callable[[str], object] = lambda method: None

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.requests]

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        method, content = params["method"], json.loads(params["biz_content"])
        self.requests.append((method, content))
        self.before(method)
        scripted = self.script[method].pop(0) if self.script[method] else None
        if callable(scripted):
            scripted = scripted(content)
        if scripted is None:
            scripted = self.perform(method, content)
        if isinstance(scripted, Exception):
            raise scripted
        if isinstance(scripted, bytes):
            return scripted
        return answer(method, scripted, signer=self._merchant.signer)

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        raise AssertionError("a call is posted")

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        raise AssertionError("nothing is downloaded")

    def perform(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Perform a request, and return the response."""
        number = content["out_biz_no"]
        known = self.transfers.get(number)
        if method == TRANSFER and known is None:
            order_id = f"2026{len(self.transfers) + 1:028d}"
            known = {"content": dict(content), "status": self.status, "order_id": order_id}
            self.transfers[number] = known
        if known is None:
            return NOT_THERE
        if method == TRANSFER and known["content"] != content:
            return rejection("PAYMENT_INFO_INCONSISTENCY")
        fields = {"out_biz_no": number, "order_id": known["order_id"], "status": known["status"]}
        if method == TRANSFER:
            return {**DONE, **fields, "trans_date": "2026-01-31 12:00:00"}
        if known["status"] == "SUCCESS":
            fields |= {"trans_amount": known["content"]["trans_amount"]}
            fields |= {"pay_date": "2026-01-31 12:00:00", "pay_fund_order_id": "20260131110070001"}
        if known["status"] in ("FAIL", "REFUND"):
            fields |= {"error_code": "CARD_BIN_ERROR", "fail_reason": "卡号有误"}
        return {**DONE, **fields}

    def lose(self, content: Mapping[str, Any]) -> Exception:
        """Perform a transfer, and lose the response."""
        self.perform(TRANSFER, content)
        return LOST


class PayingShop:
    """An app that transfers, arranged and examined in contexts of their own."""

    def __init__(self, place: Path, keys: Keys, url: str | None = None, **settings: Any) -> None:
        self.merchant = Merchant(*OPENAPI, keys)
        self.alipay = AlipayBlueprint(db, Payment, None, Notification, Transfer=Transfer)
        self.app = Flask("paying", root_path=str(place), instance_path=str(place / "instance"))
        given = {**self.merchant.settings, **settings}
        self.app.config.update(
            SECRET_KEY="not a secret",
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{place / 'shop.sqlite'}",
            TRUSTED_HOSTS=["localhost"],
            **{f"ALIPAY_{name}": value for name, value in given.items()},
        )
        db.init_app(self.app)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        #: The callbacks that were called, with the number.
        self.called: list[tuple[str, str]] = []
        self.alipay.on_transferred(self._note("transferred"))
        self.alipay.on_transfer_failed(self._note("transfer_failed"))
        self.at_alipay = TransferringAlipay(self.merchant)
        #: Raised by each callback, if it is set.
        self.refusal: Exception | None = None
        with self.app.app_context():
            if db.engine.dialect.name == "sqlite":
                event.listen(db.engine, "connect", _hurry)
            create_tables(db.metadata, db.engine)
            self.alipay.gateway._transport = self.at_alipay

    def pay(self, amount: Any = "8.88", out_biz_no: str | None = "T1", **fields: Any) -> Any:
        """Transfer, and return the row, detached."""
        with self.app.app_context():
            row = self.alipay.transfer(
                amount, **{"title": "奖金", **ANNA, "out_biz_no": out_biz_no, **fields}
            )
            db.session.refresh(row)
            db.session.expunge(row)
            return row

    def rows(self) -> list[Any]:
        """Return all transfers, detached."""
        with self.app.app_context():
            found = list(db.session.scalars(select(Transfer).order_by(Transfer.id)))
            db.session.expunge_all()
            return found

    @property
    def row(self) -> Any:
        """The only transfer."""
        [row] = self.rows()
        return row

    def contents(self) -> list[tuple[Any, ...]]:
        """Return every column of every transfer and bonus."""
        with self.app.app_context():
            return [
                tuple(getattr(row, column.key) for column in inspect(model).columns)
                for model in (Transfer, Bonus)
                for row in db.session.scalars(select(model).order_by(model.id))
            ]

    def bonuses(self) -> list[tuple[str, str]]:
        """Return the callbacks that were committed, with the number."""
        with self.app.app_context():
            rows = db.session.scalars(select(Bonus).order_by(Bonus.id))
            return [(row.event, row.out_biz_no) for row in rows]

    def journal(self) -> list[str]:
        """Return the outcomes of the journal."""
        with self.app.app_context():
            return list(db.session.scalars(select(Notification.outcome).order_by(Notification.id)))

    def change(self, **values: Any) -> None:
        """Change all transfers behind the ledger's back."""
        with self.app.app_context():
            for row in db.session.scalars(select(Transfer)):
                for name, value in values.items():
                    setattr(row, name, value)
            db.session.commit()

    def close(self) -> None:
        """Close the connections."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def _note(self, name: str) -> Callable[[Any], None]:
        def callback(transfer: Any) -> None:
            self.called.append((name, transfer.out_biz_no))
            db.session.add(Bonus(event=name, out_biz_no=transfer.out_biz_no))
            if self.refusal is not None:
                raise self.refusal

        return callback


def _hurry(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA busy_timeout = 20000")
