"""A shop that holds deposits, and the Alipay that it calls."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String, event, inspect, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import (
    AlipayBlueprint,
    AuthorizationMixin,
    NotificationMixin,
    PaymentMixin,
    RefundMixin,
)
from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.protocol.conversion import format_amount, to_minor_units

from ..compiled import create_tables
from ..conftest import Keys
from ..doubles.merchant import OPENAPI, Merchant
from ..doubles.openapi import DONE, answer

LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
FREEZE, VOUCHER = "alipay.fund.auth.order.freeze", "alipay.fund.auth.order.voucher.create"
QUERY, UNFREEZE = "alipay.fund.auth.operation.detail.query", "alipay.fund.auth.order.unfreeze"
CANCEL, PAY = "alipay.fund.auth.operation.cancel", "alipay.trade.pay"
TRADE_QUERY, TRADE_CLOSE = "alipay.trade.query", "alipay.trade.close"
PAYER = "2088000000000001"
CODE = "280000000000000001"

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
    #: A column of the shop's own.
    room: Mapped[str | None] = mapped_column(String(8))


class Refund(RefundMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
    pass


class Authorization(AuthorizationMixin, db.Model):  # type: ignore[name-defined,misc]
    room: Mapped[str | None] = mapped_column(String(8))


class Call(db.Model):  # type: ignore[name-defined,misc]
    """A row that a callback adds."""

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(String(32))
    number: Mapped[str] = mapped_column(String(64))


def rejection(sub_code: str) -> dict[str, Any]:
    """Return a rejection by a method."""
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "不行"}


class FreezingAlipay:
    """A transport to an Alipay that knows authorizations and trades by their numbers.

    Scripted responses replace its own: an exception, a node, bytes, or a function of the content.
    """

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        self._lock = threading.RLock()
        #: The authorizations that exist, by number; amounts in fen.
        self.held: dict[str, dict[str, Any]] = {}
        #: The trades that exist, by number.
        self.trades: dict[str, dict[str, Any]] = {}
        #: The status of a freeze by the payer's code, and of a new trade.
        self.freezes_as, self.trades_as = "SUCCESS", "TRADE_SUCCESS"
        #: Replacements of the next responses, by method.
        self.script: dict[str, list[Any]] = {}
        #: Methods and contents, in order.
        self.requests: list[tuple[str, dict[str, Any]]] = []
        #: The common parameters of the requests.
        self.common: list[dict[str, str]] = []
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
        self.common.append(dict(params))
        self.before(method)
        scripted = self.script[method].pop(0) if self.script.get(method) else None
        if callable(scripted):
            scripted = scripted(content)
        if scripted is None:
            scripted = self.perform(method, content)
        if isinstance(scripted, Exception):
            raise scripted
        return answer(method, scripted, signer=self._merchant.signer)

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        raise AssertionError("a call is posted")

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        raise AssertionError("nothing is downloaded")

    def lose(self, method: str) -> None:
        """Perform the next request of a method, and lose the response."""

        def performed(content: Mapping[str, Any]) -> Exception:
            self.perform(method, content)
            return LOST

        self.script.setdefault(method, []).append(performed)

    def fail(self, method: str, *responses: Any) -> None:
        """Respond to the next requests of a method without performing them."""
        self.script.setdefault(method, []).extend(responses)

    def freeze(self, content: Mapping[str, Any], status: str = "SUCCESS") -> dict[str, Any]:
        """Freeze the amount of an authorization."""
        held = {
            "content": dict(content),
            "auth_no": f"2026{len(self.held) + 1:024d}",
            "status": {"SUCCESS": "AUTHORIZED", "INIT": "INIT"}.get(status, "CLOSED"),
            "total": to_minor_units(content["amount"]),
            "captured": 0,
            "released": 0,
            "operations": {("FREEZE", content["out_request_no"]): status},
            "amounts": {},
        }
        return self.held.setdefault(content["out_order_no"], held)

    def rest(self, held: Mapping[str, Any]) -> int:
        return int(held["total"] - held["captured"] - held["released"])

    def perform(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Perform a request, and return the response."""
        performers = {
            FREEZE: self._frozen,
            VOUCHER: self._voucher,
            QUERY: self._queried,
            UNFREEZE: self._unfrozen,
            CANCEL: self._cancelled,
            PAY: self._paid,
            TRADE_QUERY: self._trade,
            TRADE_CLOSE: self._closed,
            "alipay.trade.refund": self._refunded,
        }
        with self._lock:
            return performers[method](content)

    def _voucher(self, content: Mapping[str, Any]) -> dict[str, Any]:
        numbers = {name: content[name] for name in ("out_order_no", "out_request_no")}
        value = f"https://qr.alipay.com/{content['out_order_no']}"
        return {**DONE, **numbers, "code_type": "qrCode", "code_value": value}

    def _frozen(self, content: Mapping[str, Any]) -> dict[str, Any]:
        held = self.freeze(content, self.freezes_as)
        return {**DONE, **self._operation(content["out_order_no"], held, "FREEZE"), **PAYERS}

    def _operation(self, number: str, held: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Return the fields of an operation, that of the freeze by default."""
        request_no = held["content"]["out_request_no"]
        return {
            "auth_no": held["auth_no"],
            "out_order_no": number,
            "out_request_no": request_no,
            "operation_id": "20260131000000000001",
            "operation_type": kind,
            "amount": held["content"]["amount"],
            "status": held["operations"]["FREEZE", request_no],
            "gmt_trans": "2026-01-31 12:00:00",
        }

    def _queried(self, content: Mapping[str, Any]) -> dict[str, Any]:
        held = self.held.get(content["out_order_no"])
        if held is None:
            return rejection("AUTH_ORDER_NOT_EXIST")
        operation = content["operation_type"], content["out_request_no"]
        if operation not in held["operations"]:
            return rejection("AUTH_OPERATION_NOT_EXIST")
        fields = self._operation(content["out_order_no"], held, operation[0])
        if operation[0] == "UNFREEZE":
            fields |= {"out_request_no": operation[1], "status": "SUCCESS"}
            fields |= {"amount": format_amount(held["amounts"][operation[1]])}
        return {**DONE, **fields, **self.totals(held), "order_status": held["status"], **PAYERS}

    def totals(self, held: Mapping[str, Any]) -> dict[str, str]:
        frozen = held["status"] != "INIT"
        return {
            "total_freeze_amount": format_amount(held["total"] if frozen else 0),
            "total_pay_amount": format_amount(held["captured"]),
            "rest_amount": format_amount(self.rest(held) if frozen else 0),
        }

    def _unfrozen(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number, held = next(
            (each for each in self.held.items() if each[1]["auth_no"] == content["auth_no"]),
            ("", None),
        )
        if held is None:
            return rejection("AUTH_ORDER_NOT_EXIST")
        request_no, fen = content["out_request_no"], to_minor_units(content["amount"])
        if request_no not in held["amounts"]:
            if held["status"] != "AUTHORIZED":
                return rejection("ORDER_ALREADY_CLOSED")
            if fen > self.rest(held):
                return rejection("REQUEST_AMOUNT_EXCEED")
            held["released"] += fen
            held["amounts"][request_no] = fen
            held["operations"]["UNFREEZE", request_no] = "SUCCESS"
            self._conclude(held)
        if held["amounts"][request_no] != fen:
            return rejection("UNIQUE_VIOLATION")
        fields = self._operation(number, held, "UNFREEZE")
        fields |= {"out_request_no": request_no, "status": "SUCCESS", "amount": content["amount"]}
        del fields["operation_type"]
        return {**DONE, **fields}

    def _conclude(self, held: dict[str, Any]) -> None:
        if not self.rest(held):
            held["status"] = "FINISH" if held["captured"] else "CLOSED"

    def _cancelled(self, content: Mapping[str, Any]) -> dict[str, Any]:
        held = self.held.get(content["out_order_no"])
        if held is None:
            return rejection("AUTH_ORDER_NOT_EXIST")
        frozen = held["status"] == "AUTHORIZED"
        held["released"] += self.rest(held) if frozen else 0
        held["status"] = "CLOSED"
        numbers = {name: content[name] for name in ("out_order_no", "out_request_no")}
        action = "unfreeze" if frozen else "close"
        return {**DONE, **numbers, "auth_no": held["auth_no"], "action": action}

    def _paid(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number, fen = content["out_trade_no"], to_minor_units(content["total_amount"])
        trade = self.trades.get(number)
        if trade is None:
            held = next(
                each for each in self.held.values() if each["auth_no"] == content["auth_no"]
            )
            if held["status"] != "AUTHORIZED":
                return rejection("ACQ.AUTH_NO_ERROR")
            if fen > self.rest(held):
                return rejection("ACQ.AUTH_AMOUNT_NOT_ENOUGH")
            held["captured"] += fen
            if content.get("auth_confirm_mode") == "COMPLETE":
                held["released"] += self.rest(held)
            self._conclude(held)
            trade_no = f"2026{len(self.trades) + 1:024d}"
            trade = {"fen": fen, "status": self.trades_as, "trade_no": trade_no}
            self.trades[number] = trade
        return self._trade(content)

    def _trade(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number = content["out_trade_no"]
        trade = self.trades.get(number)
        if trade is None:
            return rejection("ACQ.TRADE_NOT_EXIST")
        paid = trade["status"] == "TRADE_SUCCESS"
        return {
            **DONE,
            "code": "10003"
            if trade["status"] == "WAIT_BUYER_PAY" and "auth_no" in content
            else "10000",
            "out_trade_no": number,
            "trade_no": trade["trade_no"],
            "trade_status": trade["status"],
            "total_amount": format_amount(trade["fen"]),
            "buyer_user_id": PAYER,
            **({"send_pay_date": "2026-01-31 13:00:00"} if paid else {}),
        }

    def _closed(self, content: Mapping[str, Any]) -> dict[str, Any]:
        trade = self.trades.get(content["out_trade_no"])
        if trade is None:
            return rejection("ACQ.TRADE_NOT_EXIST")
        trade["status"] = "TRADE_CLOSED"
        return {**DONE, "out_trade_no": content["out_trade_no"], "trade_no": trade["trade_no"]}

    def _refunded(self, content: Mapping[str, Any]) -> dict[str, Any]:
        number = content["out_trade_no"]
        return {
            **DONE,
            "out_trade_no": number,
            "trade_no": self.trades[number]["trade_no"],
            "refund_fee": content["refund_amount"],
            "fund_change": "Y",
        }


PAYERS = {"payer_user_id": PAYER, "payer_logon_id": "138****0000"}


class DepositShop:
    """An app that holds deposits, arranged and examined in contexts of their own."""

    def __init__(self, place: Path, keys: Keys, url: str | None = None, **settings: Any) -> None:
        self.merchant = Merchant(*OPENAPI, keys)
        self.alipay = AlipayBlueprint(
            db, Payment, Refund, Notification, Authorization=Authorization
        )
        self.app = Flask("deposits", root_path=str(place), instance_path=str(place / "instance"))
        given = {**self.merchant.settings, **settings}
        self.app.config.update(
            SECRET_KEY="not a secret",
            TESTING=True,
            SQLALCHEMY_DATABASE_URI=url or f"sqlite:///{place / 'shop.sqlite'}",
            TRUSTED_HOSTS=["localhost"],
            **{f"ALIPAY_{name}": value for name, value in given.items() if value is not None},
        )
        db.init_app(self.app)
        #: Raised by each callback, if it is set.
        self.refusal: Exception | None = None
        self.alipay.on_authorized(self._note("authorized"))
        self.alipay.on_released(self._note("released"))
        self.alipay.on_authorization_closed(self._note("authorization_closed"))
        self.alipay.on_paid(self._note("paid"))
        self.alipay.on_failed(self._note("failed"))
        self.alipay.on_refunded(self._note("refunded"))
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        self.at_alipay = FreezingAlipay(self.merchant)
        with self.app.app_context():
            if db.engine.dialect.name == "sqlite":
                event.listen(db.engine, "connect", _hurry)
            create_tables(db.metadata, db.engine)
            self.connect()

    def connect(self) -> None:
        """Have the gateway call :attr:`at_alipay`."""
        self.alipay.gateway._transport = self.at_alipay  # type: ignore[union-attr]

    def create(self, amount: Any = "500.00", number: str = "DEP1", **fields: Any) -> None:
        """Create an authorization."""
        with self.app.app_context():
            self.alipay.create_authorization(
                title="押金", amount=amount, out_order_no=number, **fields
            )
            db.session.commit()

    def hold(self, amount: Any = "500.00", number: str = "DEP1", **fields: Any) -> None:
        """Create an authorization whose amount is frozen."""
        self.create(amount, number, **fields)
        self.run(lambda row: self.alipay.freeze_barcode(row, CODE), number)

    def run(self, work: Callable[[Any], Any], number: str = "DEP1") -> Any:
        """Do something with an authorization, and return the resulting row, detached."""
        with self.app.app_context():
            found = work(self._find(number))
            if inspect(found, raiseerr=False) is not None:
                db.session.refresh(found)
                db.session.expunge(found)
            return found

    def capture(self, amount: Any, out_trade_no: str | None = "C1", **fields: Any) -> Any:
        """Capture a part of the deposit, and return the payment, detached."""
        return self.run(
            lambda row: self.alipay.capture(row, amount, out_trade_no=out_trade_no, **fields)
        )

    def release(self, amount: Any = None, out_request_no: str | None = "R1", **fields: Any) -> Any:
        """Release a part of the deposit, and return its row, detached."""
        return self.run(
            lambda row: self.alipay.release(row, amount, out_request_no=out_request_no, **fields)
        )

    def reconcile(self) -> Any:
        """Reconcile everything."""
        with self.app.app_context():
            for model in (Authorization, Payment):
                for row in db.session.scalars(select(model)):
                    row.asked_at = None
            db.session.commit()
            return self.alipay.reconcile(timedelta(0))

    def row(self, number: str = "DEP1") -> Any:
        """Return an authorization, detached."""
        return self.run(lambda row: row, number)

    def amounts(self, number: str = "DEP1") -> tuple[str, int, int, int]:
        """Return the status, and the captured, released and reserved amount in fen."""
        row = self.row(number)
        return row.status, row.captured_fen, row.released_fen, row.reserved_fen

    def payment(self, number: str = "C1") -> Any:
        """Return a payment, detached."""
        with self.app.app_context():
            found = db.session.scalars(select(Payment).where(Payment.out_trade_no == number)).one()
            db.session.expunge(found)
            return found

    def payments(self) -> int:
        """Return the number of payments."""
        with self.app.app_context():
            return len(db.session.scalars(select(Payment)).all())

    def calls(self) -> list[tuple[str, str]]:
        """Return the callbacks that were committed, with the number."""
        with self.app.app_context():
            rows = db.session.scalars(select(Call).order_by(Call.id))
            return [(row.event, row.number) for row in rows]

    def contents(self) -> list[tuple[Any, ...]]:
        """Return every column of every row but the journal's."""
        with self.app.app_context():
            return [
                tuple(getattr(row, column.key) for column in inspect(model).columns)
                for model in (Authorization, Payment, Call)
                for row in db.session.scalars(select(model).order_by(model.id))
            ]

    def journal(self) -> list[str]:
        """Return the outcomes of the journal."""
        with self.app.app_context():
            return list(db.session.scalars(select(Notification.outcome).order_by(Notification.id)))

    def change(self, number: str = "DEP1", **values: Any) -> None:
        """Change an authorization behind the ledger's back."""
        with self.app.app_context():
            row = self._find(number)
            for name, value in values.items():
                setattr(row, name, value)
            db.session.commit()

    def change_payment(self, number: str = "C1", **values: Any) -> None:
        """Change a payment behind the ledger's back."""
        with self.app.app_context():
            row = db.session.scalars(select(Payment).where(Payment.out_trade_no == number)).one()
            for name, value in values.items():
                setattr(row, name, value)
            db.session.commit()

    def post(self, body: bytes) -> tuple[int, str]:
        """Post a notification, and return the response."""
        response = self.app.test_client().post(
            "/alipay/notify", data=body, content_type="application/x-www-form-urlencoded"
        )
        return response.status_code, response.text

    def close(self) -> None:
        """Close the connections."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def _find(self, number: str) -> Any:
        return db.session.scalars(
            select(Authorization).where(Authorization.out_order_no == number)
        ).one()

    def _note(self, name: str) -> Callable[[Any], None]:
        def callback(row: Any) -> None:
            number = getattr(row, "out_trade_no", None) or row.out_order_no
            db.session.add(Call(event=name, number=number))
            if self.refusal is not None:
                raise self.refusal

        return callback


def _hurry(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA busy_timeout = 20000")
