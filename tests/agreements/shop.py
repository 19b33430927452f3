"""A shop that deducts under agreements, and the Alipay that it calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, event, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import AgreementMixin, AlipayBlueprint, NotificationMixin, PaymentMixin
from flask_alipay.exceptions import OutcomeUnknown

from ..compiled import create_tables
from ..conftest import Keys
from ..doubles.merchant import OPENAPI, Merchant
from ..doubles.messages import message
from ..doubles.openapi import DONE, answer

LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
PAY, TRADE_QUERY, CLOSE = "alipay.trade.pay", "alipay.trade.query", "alipay.trade.close"
QUERY, UNSIGN = "alipay.user.agreement.query", "alipay.user.agreement.unsign"
MODIFY = "alipay.user.agreement.executionplan.modify"
METHODS = (PAY, TRADE_QUERY, CLOSE, QUERY, UNSIGN, MODIFY)
AGREEMENT_NO = "20265001000000000001"
PAYER = "2088000000000002"
SCENE = "INDUSTRY|DIGITAL_MEDIA"

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Agreement(AgreementMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Event(db.Model):  # type: ignore[name-defined,misc]
    """A row that a callback adds."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    number: Mapped[str] = mapped_column(String(64))


def rejection(sub_code: str) -> dict[str, Any]:
    """Return a rejection by a method."""
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "不行"}


class DeductingAlipay:
    """A transport to an Alipay that knows one agreement, and trades by their numbers.

    A number is paid once. Scripted responses replace its own: an exception, a node, bytes, or a
    function of the content.
    """

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        #: The fields of the agreement that exists, ``None``: none.
        self.agreement: dict[str, Any] | None = {"status": "NORMAL"}
        #: The trades that exist: the content, and the status.
        self.trades: dict[str, dict[str, Any]] = {}
        #: The status of a new trade.
        self.status = "TRADE_SUCCESS"
        #: Replacements of the next responses, by method.
        self.script: dict[str, list[Any]] = {method: [] for method in METHODS}
        #: Methods, contents and common parameters, in order.
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        #: Called with each request before it is performed.
        self.before: Callable[[str], object] = lambda method: None

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.requests]

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        method, content = params["method"], json.loads(params["biz_content"])
        self.requests.append((method, content, dict(params)))
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
        if method in (PAY, TRADE_QUERY, CLOSE):
            return self._trade(method, content)
        if self.agreement is None:
            return rejection(
                "USER_AGREEMENT_NOT_EXIST" if method == QUERY else "AGREEMENT_NOT_EXIST"
            )
        if method == UNSIGN:
            self.agreement = None
            return DONE
        if method == MODIFY:
            self.agreement["next_deduct_time"] = content["deduct_time"]
            numbers = ("agreement_no", "deduct_time")
            return {**DONE, **{name: content[name] for name in numbers}}
        requested_by = {k: v for k, v in content.items() if k == "external_agreement_no"}
        return {**DONE, "agreement_no": AGREEMENT_NO, **requested_by, **self.agreement}

    def _trade(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        number = content["out_trade_no"]
        if method == PAY and number not in self.trades:
            self.trades[number] = {"content": dict(content), "status": self.status}
        known = self.trades.get(number)
        if known is None:
            return rejection("ACQ.TRADE_NOT_EXIST")
        if method == CLOSE:
            known["status"] = "TRADE_CLOSED"
        fields = {
            **DONE,
            "out_trade_no": number,
            "trade_no": f"2026120522001{list(self.trades).index(number):015d}",
            "total_amount": known["content"]["total_amount"],
            "buyer_user_id": PAYER,
        }
        if method == PAY and known["status"] == "WAIT_BUYER_PAY":
            return {**fields, "code": "10003", "total_amount": "0.00"}
        if method == PAY:
            return {**fields, "gmt_payment": "2026-12-01 12:00:00"}
        paid = {"send_pay_date": "2026-12-01 12:00:00"} if known["status"] != "TRADE_CLOSED" else {}
        return {**fields, "trade_status": known["status"], **paid}

    def lose(self, content: Mapping[str, Any]) -> Exception:
        """Perform a deduction, and lose the response."""
        self.perform(PAY, content)
        return LOST


class DeductingShop:
    """An app with agreements, arranged and examined in contexts of their own."""

    def __init__(self, place: Path, keys: Keys, url: str | None = None, **settings: Any) -> None:
        self.merchant = Merchant(*OPENAPI, keys)
        #: The time by the merchant's clock: 1 December 2026, noon in China.
        self.now = datetime(2026, 12, 1, 4, tzinfo=timezone.utc)
        self.alipay = AlipayBlueprint(
            db, Payment, None, Notification, Agreement=Agreement, clock=lambda: self.now
        )
        self.app = Flask("deducting", root_path=str(place), instance_path=str(place / "instance"))
        # Under TESTING no page queries Alipay's own hosts.
        own = {"GATEWAY_URL": "https://gateway.example/gateway.do"}
        given = {**self.merchant.settings, **own, **settings}
        self.app.config.update(
            SECRET_KEY="not a secret",
            TESTING=True,
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{place / 'shop.sqlite'}",
            TRUSTED_HOSTS=["localhost"],
            **{f"ALIPAY_{name}": value for name, value in given.items() if value is not None},
        )
        db.init_app(self.app)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        #: Raised by each callback, if it is set.
        self.refusal: Exception | None = None
        for name in ("paid", "failed", "agreement_signed", "agreement_ended"):
            getattr(self.alipay, f"on_{name}")(self._note(name))
        self.at_alipay = DeductingAlipay(self.merchant)
        with self.app.app_context():
            if db.engine.dialect.name == "sqlite":
                event.listen(db.engine, "connect", _hurry)
            create_tables(db.metadata, db.engine)
            self.alipay.gateway._transport = self.at_alipay

    def subscribe(self, number: str = "S1", **changes: Any) -> None:
        """Create an agreement: 30 yuan on the 5th of each month."""
        with self.app.app_context():
            given = {
                "period_type": "MONTH",
                "period": 1,
                "next_date": "2026-12-05",
                "single_amount": "30.00",
                "sign_scene": SCENE,
                "external_agreement_no": number,
                **changes,
            }
            self.alipay.create_agreement(**given)
            db.session.commit()

    def sign(self, number: str = "S1", agreement_no: str = AGREEMENT_NO, **columns: Any) -> None:
        """Create an agreement that the payer has signed."""
        self.subscribe(number, **columns)
        self.change(
            number,
            status="NORMAL",
            agreement_no=agreement_no,
            payer_user_id=PAYER,
            sent_at=datetime(2026, 11, 1, tzinfo=timezone.utc),
            signed_at=datetime(2026, 11, 1, tzinfo=timezone.utc),
        )

    def charge(self, payment: str = "P1", number: str = "S1", amount: str = "30.00") -> Any:
        """Charge a payment, new or known, and return it, detached."""
        with self.app.app_context():
            found = db.session.scalar(select(Payment).where(Payment.out_trade_no == payment))
            if found is None:
                found = self.alipay.create_payment(
                    subject="茶", total_amount=amount, out_trade_no=payment
                )
            row = self.alipay.charge(self._agreement(number), found)
            return self._detached(row)

    def call(self, method: str, number: str = "S1", *arguments: Any) -> Any:
        """Call a method of the blueprint on an agreement, and return the result, detached."""
        with self.app.app_context():
            return self._detached(getattr(self.alipay, method)(self._agreement(number), *arguments))

    def send(self, kind: str, **content: Any) -> tuple[int, str]:
        """Deliver a message about the agreement, and return status and text of the response."""
        own = ("auth_app_id", "notify_id", "app_id")
        changes = {name: content.pop(name) for name in own if name in content}
        fields = {
            "agreement_no": AGREEMENT_NO,
            "external_agreement_no": "S1",
            "personal_product_code": "CYCLE_PAY_AUTH_P",
            "sign_scene": SCENE,
            "alipay_user_id": PAYER,
            "status": "NORMAL" if kind == "dut_user_sign" else "UNSIGN",
            **content,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return self.post(message(self.merchant, kind, given, **changes))

    def post(self, body: bytes) -> tuple[int, str]:
        response = self.app.test_client().post(
            "/alipay/notify", data=body, content_type="application/x-www-form-urlencoded"
        )
        return response.status_code, response.text

    def agreement(self, number: str = "S1") -> Any:
        """Return an agreement, detached."""
        with self.app.app_context():
            return _loaded(self._agreement(number))

    def payment(self, number: str = "P1") -> Any:
        """Return a payment, detached; ``None`` if there is none."""
        with self.app.app_context():
            found = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
            return None if found is None else _loaded(found)

    def events(self) -> list[tuple[str, str]]:
        """Return the callbacks that were committed, with the number."""
        with self.app.app_context():
            rows = db.session.scalars(select(Event).order_by(Event.id))
            return [(row.name, row.number) for row in rows]

    def contents(self) -> list[tuple[Any, ...]]:
        """Return every column of every agreement, payment and event."""
        with self.app.app_context():
            return [
                tuple(getattr(row, column.key) for column in inspect(model).columns)
                for model in (Agreement, Payment, Event)
                for row in db.session.scalars(select(model).order_by(model.id))
            ]

    def journal(self) -> list[str]:
        """Return the outcomes of the journal."""
        with self.app.app_context():
            return list(db.session.scalars(select(Notification.outcome).order_by(Notification.id)))

    def change(self, number: str = "S1", **values: Any) -> None:
        """Change an agreement behind the ledger's back."""
        with self.app.app_context():
            row = self._agreement(number)
            for name, value in values.items():
                setattr(row, name, value)
            db.session.commit()

    def change_payment(self, number: str = "P1", **values: Any) -> None:
        """Change a payment behind the ledger's back."""
        with self.app.app_context():
            row = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
            for name, value in values.items():
                setattr(row, name, value)
            db.session.commit()

    def reconcile(self) -> Any:
        with self.app.app_context():
            return self.alipay.reconcile(timedelta(0))

    def close(self) -> None:
        """Close the connections."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def _agreement(self, number: str) -> Any:
        found = db.session.scalar(
            select(Agreement).where(Agreement.external_agreement_no == number)
        )
        assert found is not None
        return found

    def _detached(self, row: Any) -> Any:
        db.session.refresh(row)
        db.session.expunge(row)
        return row

    def _note(self, name: str) -> Callable[[Any], None]:
        def callback(subject: Any) -> None:
            about = "external_agreement_no" if name.startswith("agreement") else "out_trade_no"
            db.session.add(Event(name=name, number=getattr(subject, about)))
            if self.refusal is not None:
                raise self.refusal

        return callback


def _loaded(row: Any) -> Any:
    """Detach a row that has been read just now."""
    db.session.expunge(row)
    return row


def _hurry(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA busy_timeout = 20000")
