"""``trigger``: messages about the pre-authorisations of the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint, Message, NotificationMixin, PaymentMixin
from flask_alipay.models import AuthorizationMixin


class Hotel:
    """An app with two authorizations, that keeps the contents of messages."""

    def __init__(self) -> None:
        db = SQLAlchemy()

        class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        class Authorization(AuthorizationMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        self.app = Flask(__name__)
        self.app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
        self.app.config["TRUSTED_HOSTS"] = ["localhost"]
        self.app.config.update(ALIPAY_SIMULATOR=True, ALIPAY_SIMULATOR_WITHOUT_DEBUG=True)
        db.init_app(self.app)
        alipay = AlipayBlueprint(db, Payment, None, Notification, Authorization=Authorization)
        self.contents: list[dict[str, Any]] = []

        @alipay.on_message()
        def keep(message: Message) -> None:
            self.contents.append(dict(message.content))

        self.app.register_blueprint(alipay, url_prefix="/alipay")
        with self.app.app_context():
            db.create_all()
            (registered,) = self.app.extensions["alipay"].values()
            merchant = registered.config.merchant
            for number in ("DEP1", "DEP2"):
                numbers = {"out_order_no": number, "out_request_no": f"{number}F"}
                row = Authorization(merchant=merchant, title="Deposit", total_fen=50000, **numbers)
                row.captured_fen = 10000 if number == "DEP1" else 0
                row.status = "AUTHORIZED" if number == "DEP1" else "INIT"
                db.session.add(row)
            db.session.commit()

    def trigger(self, kind: str, *options: str) -> Result:
        args = ["alipay", "trigger", "message", "--kind", kind, *options]
        return self.app.test_cli_runner().invoke(args=args)


@pytest.fixture
def hotel() -> Hotel:
    return Hotel()


def test_a_freeze_is_about_the_newest_authorization(hotel: Hotel) -> None:
    result = hotel.trigger("fund_auth_freeze")
    assert result.exit_code == 0, result.output
    assert "DEP2" in result.output
    (content,) = hotel.contents
    assert (content["out_order_no"], content["out_request_no"]) == ("DEP2", "DEP2F")
    assert (content["amount"], content["rest_amount"]) == ("500.00", "500.00")
    assert (len(content["auth_no"]), len(content["operation_id"])) == (28, 20)


def test_a_release_is_that_of_the_rest(hotel: Hotel) -> None:
    assert hotel.trigger("fund_auth_unfreeze", "--out-trade-no", "DEP1").exit_code == 0
    (content,) = hotel.contents
    assert (content["operation_type"], content["amount"]) == ("UNFREEZE", "400.00")
    assert (content["total_pay_amount"], content["total_unfreeze_amount"]) == ("100.00", "400.00")
    assert content["rest_amount"] == "0.00"


@pytest.mark.parametrize(("number", "action"), [("DEP1", "unfreeze"), ("DEP2", "close")])
def test_a_cancellation_depends_on_the_status(hotel: Hotel, number: str, action: str) -> None:
    hotel.trigger("fund_auth_operation_cancel", "--out-trade-no", number)
    (content,) = hotel.contents
    assert (content["out_order_no"], content["action"]) == (number, action)


def test_an_unknown_authorization_is_reported(hotel: Hotel) -> None:
    result = hotel.trigger("fund_auth_freeze", "--out-trade-no", "DEP3")
    assert result.exit_code == 1
    assert "The ledger has no authorization 'DEP3'." in result.output
    assert hotel.contents == []
