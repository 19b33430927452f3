"""``trigger``: messages about the agreements of the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from flask_alipay import AgreementMixin, AlipayBlueprint, Message, NotificationMixin, PaymentMixin


class Club:
    """An app with two agreements, the newest unsigned, that keeps the contents of messages."""

    def __init__(self) -> None:
        db = SQLAlchemy()

        class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        class Agreement(AgreementMixin, db.Model):  # type: ignore[name-defined,misc]
            pass

        self.app = Flask(__name__)
        self.app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
        self.app.config["TRUSTED_HOSTS"] = ["localhost"]
        self.app.config.update(ALIPAY_SIMULATOR=True, ALIPAY_SIMULATOR_WITHOUT_DEBUG=True)
        db.init_app(self.app)
        alipay = AlipayBlueprint(db, Payment, None, Notification, Agreement=Agreement)
        self.contents: list[dict[str, Any]] = []
        self.events: list[tuple[str, str]] = []

        @alipay.on_message()
        def keep(message: Message) -> None:
            self.contents.append(dict(message.content))

        @alipay.on_agreement_signed
        def sign(agreement: Agreement) -> None:
            self.events.append(("signed", agreement.external_agreement_no))

        @alipay.on_agreement_ended
        def end(agreement: Agreement) -> None:
            self.events.append(("ended", agreement.external_agreement_no))

        self.app.register_blueprint(alipay, url_prefix="/alipay")
        self._db, self._agreement = db, Agreement
        with self.app.app_context():
            db.create_all()
            for number in ("SUB1", "SUB2"):
                alipay.create_agreement(
                    sign_scene="INDUSTRY|DIGITAL_MEDIA",
                    external_agreement_no=number,
                    external_logon_id="tea@example.com",
                )
            db.session.commit()
        self.change("SUB1", status="NORMAL", agreement_no="2026500100", payer_open_id="074a1C")

    def change(self, number: str, **values: Any) -> None:
        with self.app.app_context():
            for name, value in values.items():
                setattr(self._row(number), name, value)
            self._db.session.commit()

    def agreement(self, number: str) -> Any:
        with self.app.app_context():
            row = self._row(number)
            self._db.session.expunge(row)
            return row

    def trigger(self, kind: str, *options: str) -> Result:
        args = ["alipay", "trigger", "message", "--kind", kind, *options]
        return self.app.test_cli_runner().invoke(args=args)

    def _row(self, number: str) -> Any:
        named = self._agreement.external_agreement_no == number
        return self._db.session.scalars(select(self._agreement).where(named)).one()


@pytest.fixture
def club() -> Club:
    return Club()


def test_a_signature_is_that_of_the_newest_agreement(club: Club) -> None:
    result = club.trigger("dut_user_sign")
    assert result.exit_code == 0, result.output
    (content,) = club.contents
    assert (content["external_agreement_no"], content["status"]) == ("SUB2", "NORMAL")
    assert content["external_logon_id"] == "tea@example.com"
    assert content["personal_product_code"] == "GENERAL_WITHHOLDING_P"
    assert content["invalid_time"] == "2115-02-01 00:00:00"
    agreement = club.agreement("SUB2")
    assert (agreement.status, agreement.agreement_no) == ("NORMAL", content["agreement_no"])
    assert len(agreement.agreement_no) == 20
    assert club.events == [("signed", "SUB2")]


def test_an_end_is_that_of_the_named_agreement(club: Club) -> None:
    result = club.trigger("dut_user_unsign", "--out-trade-no", "SUB1")
    assert result.exit_code == 0, result.output
    (content,) = club.contents
    assert (content["agreement_no"], content["status"]) == ("2026500100", "UNSIGN")
    assert content["alipay_open_id"] == "074a1C"
    assert "alipay_user_id" not in content
    assert "invalid_time" not in content
    assert club.agreement("SUB1").status == "UNSIGN"
    assert club.events == [("ended", "SUB1")]


def test_a_forged_signature_changes_nothing(club: Club) -> None:
    args = ["alipay", "trigger", "forged-message", "--kind", "dut_user_sign"]
    result = club.app.test_cli_runner().invoke(args=args)
    assert result.exit_code == 0, result.output
    assert (club.agreement("SUB2").status, club.contents, club.events) == ("TEMP", [], [])


def test_an_unknown_agreement_is_reported(club: Club) -> None:
    result = club.trigger("dut_user_sign", "--out-trade-no", "SUB3")
    assert result.exit_code == 1
    assert "The ledger has no agreement 'SUB3'." in result.output
    assert (club.contents, club.events) == ([], [])


def test_a_given_content_wins(club: Club) -> None:
    club.trigger("dut_user_sign", "--content", '{"agreement_no": "1"}')
    assert club.contents == [{"agreement_no": "1"}]
