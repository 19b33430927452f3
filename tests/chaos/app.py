"""Application that the workers run, configured by the environment: what operators, buyers and tasks
request.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import requests  # noqa: F401 - before workers are forked: each would import it by itself
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from flask_alipay.exceptions import AlipayError, GatewayError, InvalidAmount
from flask_alipay.operations import captures, granted_payments, trade_updates, transfers
from flask_alipay.protocol.conversion import format_amount

from . import grants
from .shop import APP_ID, alipay, db

# On the rig's clock, on which a second is a minute.
_IN_FLIGHT = timedelta(seconds=5)


def pay_out(number: str, payee: str, fen: int) -> tuple[str, int]:
    """Transfer money to a payee, as an operator does."""

    def act() -> bool | None:
        row = alipay.transfer(
            format_amount(fen),
            payee=payee,
            identity_type="ALIPAY_OPEN_ID",
            title="Prize",
            out_biz_no=None if number == "-" else number,
        )
        return bool(row.status == "SUCCESS")

    return _respond(act)


def query(number: str) -> tuple[str, int]:
    """Query a payment, as an operator does."""
    return _respond(lambda: alipay.query(alipay.ledger().find(number)).paid)


def refund(number: str, request: str, fen: int) -> tuple[str, int]:
    """Refund a payment, as an operator does at a buyer's request."""

    def act() -> bool | None:
        payment: Any = alipay.ledger().find(number)
        if not payment.paid:
            return None
        row = alipay.refund(payment, format_amount(fen), out_request_no=request)
        return bool(row.status == "REFUND_SUCCESS")

    return _respond(act)


def _respond(act: Callable[[], bool | None]) -> tuple[str, int]:
    try:
        return {True: ("success", 200), False: ("not yet", 503), None: ("too early", 425)}[act()]
    except InvalidAmount:
        return "too much", 409
    except GatewayError as error:
        return ("refused", 409) if error.signed else ("unknown", 503)
    except (AlipayError, SQLAlchemyError):
        return "trouble", 503


def _responding(view: Callable[..., bool | None]) -> Callable[..., tuple[str, int]]:
    @wraps(view)
    def respond(**arguments: Any) -> tuple[str, int]:
        return _respond(lambda: view(**arguments))

    return respond


def create_app() -> Flask:
    """Return the shop."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret for the rig",
        SQLALCHEMY_DATABASE_URI=os.environ["RIG_DATABASE"],
        ALIPAY_APP_ID=APP_ID,
        ALIPAY_PRIVATE_KEY_PATH=os.environ["RIG_PRIVATE_KEY"],
        ALIPAY_PUBLIC_KEY_PATH=os.environ["RIG_PUBLIC_KEY"],
        ALIPAY_GATEWAY_URL=os.environ["RIG_GATEWAY"],
    )
    db.init_app(app)
    app.add_url_rule("/query/<number>", view_func=query, methods=["POST"])
    for module in (transfers, captures, granted_payments, trade_updates):
        setattr(module, "IN_FLIGHT", _IN_FLIGHT)  # noqa: B010 - a constant
    app.add_url_rule("/transfer/<number>/<payee>/<int:fen>", view_func=pay_out, methods=["POST"])
    app.add_url_rule("/refund/<number>/<request>/<int:fen>", view_func=refund, methods=["POST"])
    for rule, view in grants.VIEWS.items():
        app.add_url_rule(rule, view_func=_responding(view), methods=["POST"])
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _configure)
    return app


def _configure(connection: Any, record: object) -> None:
    connection.execute("PRAGMA busy_timeout = 20000")
    connection.execute("PRAGMA synchronous = NORMAL")
