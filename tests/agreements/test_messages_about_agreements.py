"""Messages about agreements are settled once, whatever their order, and only for their merchant."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ..doubles.messages import message_fields, signed_message
from ..services import on_each_database
from .shop import AGREEMENT_NO, PAYER, SCENE, DeductingShop

SIGN, UNSIGN = "dut_user_sign", "dut_user_unsign"


@on_each_database
def test_a_signature_is_recorded_once(shop: DeductingShop) -> None:
    shop.subscribe()
    signed = {
        "sign_time": "2026-12-01 12:00:02",
        "invalid_time": "2115-02-01 00:00:00",
        "valid_time": "2026-12-01 12:00:02",
    }
    for number in ("n1", "n1", "n2"):
        assert shop.send(SIGN, notify_id=number, **signed) == (200, "success")
    agreement = shop.agreement()
    assert (agreement.status, agreement.agreement_no) == ("NORMAL", AGREEMENT_NO)
    assert agreement.payer_user_id == PAYER
    assert agreement.signed_at == datetime(2026, 12, 1, 4, 0, 2, tzinfo=timezone.utc)
    assert agreement.valid_until == datetime(2115, 1, 31, 16, tzinfo=timezone.utc)
    assert shop.events() == [("agreement_signed", "S1")]
    assert shop.journal() == ["settled", "duplicate", "recorded"]


def test_an_end_is_recorded_once(shop: DeductingShop) -> None:
    shop.sign()
    for number in ("n1", "n1", "n2"):
        sent = shop.send(UNSIGN, notify_id=number, unsign_time="2026-12-01 09:00:00")
        assert sent == (200, "success")
    agreement = shop.agreement()
    assert agreement.status == "UNSIGN"
    assert agreement.ended_at == datetime(2026, 12, 1, 1, tzinfo=timezone.utc)
    assert shop.events() == [("agreement_ended", "S1")]


def test_a_late_signature_does_not_revive_an_ended_agreement(shop: DeductingShop) -> None:
    shop.subscribe()
    assert shop.send(UNSIGN, notify_id="n2") == (200, "success")
    assert shop.send(SIGN, notify_id="n1") == (200, "success")
    assert shop.agreement().status == "UNSIGN"
    assert shop.events() == [("agreement_ended", "S1")]


def test_an_agreement_is_found_by_alipays_number(shop: DeductingShop) -> None:
    shop.sign()
    assert shop.send(UNSIGN, external_agreement_no=None) == (200, "success")
    assert shop.agreement().status == "UNSIGN"


@on_each_database
def test_a_callback_that_raises_refuses_the_message(shop: DeductingShop) -> None:
    shop.subscribe()
    shop.refusal = RuntimeError("not today")
    assert shop.send(SIGN) == (503, "fail")
    assert (shop.agreement().status, shop.events()) == ("TEMP", [])
    shop.refusal = None
    assert shop.send(SIGN) == (200, "success")
    assert shop.events() == [("agreement_signed", "S1")]


@pytest.mark.parametrize(
    "changes",
    [
        {"external_agreement_no": "S9"},
        {"external_agreement_no": None, "agreement_no": "20265001000000000009"},
    ],
)
def test_an_unknown_agreement_is_recorded_only(
    small_shop: DeductingShop, changes: dict[str, Any]
) -> None:
    small_shop.sign()
    before = small_shop.contents()
    assert small_shop.send(UNSIGN, **changes) == (200, "success")
    assert small_shop.contents() == before
    assert small_shop.journal() == ["recorded"]


@pytest.mark.parametrize("kind", [SIGN, UNSIGN])
def test_another_number_of_alipays_is_refused(small_shop: DeductingShop, kind: str) -> None:
    small_shop.sign()
    before = small_shop.contents()
    assert small_shop.send(kind, agreement_no="20265001000000000002") == (409, "fail")
    assert small_shop.contents() == before
    assert small_shop.journal() == ["mismatched"]


@on_each_database
def test_two_agreements_never_have_the_same_number(shop: DeductingShop) -> None:
    shop.sign("S1")
    shop.subscribe("S2")
    before = shop.contents()
    assert shop.send(SIGN, external_agreement_no="S2") == (409, "fail")
    assert shop.contents() == before


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"agreement_no": None}, 400),
        ({"agreement_no": "2" * 65}, 400),
        ({"status": "STOPPED"}, 400),
        ({"status": "UNSIGN"}, 400),
        ({"auth_app_id": "2021000000000201"}, 200),
        ({"app_id": "2021000000000201"}, 403),
    ],
)
def test_a_message_that_is_invalid_or_foreign_changes_nothing(
    small_shop: DeductingShop, changes: dict[str, Any], status: int
) -> None:
    small_shop.subscribe()
    before = small_shop.contents()
    assert small_shop.send(SIGN, **changes)[0] == status
    assert small_shop.contents() == before


def test_a_forged_message_changes_nothing(small_shop: DeductingShop) -> None:
    small_shop.subscribe()
    before = small_shop.contents()
    content = {"agreement_no": AGREEMENT_NO, "external_agreement_no": "S1", "status": "NORMAL"}
    body = signed_message(small_shop.merchant, message_fields(SIGN, content))
    assert small_shop.post(body.replace(b"=S1", b"=S2"))[0] == 400
    assert small_shop.contents() == before
    assert small_shop.journal() == []


def test_a_merchant_of_a_third_party_application_is_compared(small_shop: DeductingShop) -> None:
    with small_shop.app.app_context():
        small_shop.alipay.app_auth_token_loader(lambda auth_app_id: "202601BB")
    small_shop.subscribe()
    small_shop.change(auth_app_id="2021000000000201")
    assert small_shop.send(SIGN, auth_app_id="2021000000000202", notify_id="n1")[0] == 200
    assert small_shop.send(SIGN, notify_id="n2")[0] == 200  # the application's own
    assert small_shop.agreement().status == "TEMP"
    assert small_shop.send(SIGN, auth_app_id="2021000000000201", notify_id="n3")[0] == 200
    assert small_shop.agreement().status == "NORMAL"
    assert small_shop.events() == [("agreement_signed", "S1")]


def test_a_late_signature_does_not_end_a_suspension(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.change(status="STOP")
    assert small_shop.send(SIGN, sign_scene=SCENE) == (200, "success")
    assert small_shop.agreement().status == "STOP"


def test_an_older_message_does_not_change_the_end_that_a_query_found(
    small_shop: DeductingShop,
) -> None:
    small_shop.sign()
    until = datetime(2030, 1, 1, tzinfo=timezone.utc)
    small_shop.change(valid_until=until)
    assert small_shop.send(SIGN, invalid_time="2026-12-02 00:00:00") == (200, "success")
    assert small_shop.agreement().valid_until == until
