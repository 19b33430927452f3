"""Messages in the journal: listed with their kind, and shown without personal data."""

from __future__ import annotations

import csv
import io

import pytest

from .shop import Shop

TRANSFER = "alipay.fund.trans.order.changed"
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


def send(shop: Shop, kind: str, **content: str) -> None:
    message = {"kind": kind, "content": content} if content else {"kind": kind}
    answer = shop.app.test_client().post("/alipay/simulator/messages", json=message)
    assert answer.get_json()["heard"], answer.text


def test_a_message_is_listed_with_its_kind(shop: Shop) -> None:
    send(shop, DEPOSIT_BACK)
    send(shop, "dut_user_sign")
    page = shop.get("notifications/").text
    assert f"Message {DEPOSIT_BACK}" in page
    assert "Message dut_user_sign" in page
    table = list(csv.reader(io.StringIO(shop.get("notifications/export.csv").text)))
    assert [(row[2], row[5]) for row in table[1:]] == [
        ("Message dut_user_sign", ""),
        (f"Message {DEPOSIT_BACK}", ""),
    ]


def test_a_message_about_a_payment_leads_to_it_and_another_does_not(shop: Shop) -> None:
    number = shop.sold()
    send(shop, DEPOSIT_BACK, out_trade_no=number)
    send(shop, TRANSFER, out_biz_no="T2001")
    page = shop.get("notifications/").text
    assert f"payments/{number}" in page
    assert "T2001" in page
    assert "payments/T2001" not in page
    assert f"Message {DEPOSIT_BACK}" in shop.get(f"payments/{number}").text


@pytest.mark.parametrize(
    ("kind", "content", "private"),
    [
        ("dut_user_sign", {"alipay_user_id": "2088123412341234"}, "2088123412341234"),
        ("fund_auth_freeze", {"payer_logon_id": "138******00"}, "138******00"),
        (TRANSFER, {"receiver_user_id": "2088123412341234"}, "2088123412341234"),
    ],
)
def test_personal_data_of_a_message_is_masked_until_it_is_requested(
    shop: Shop, kind: str, content: dict[str, str], private: str
) -> None:
    send(shop, kind, **content)
    (row,) = shop.rows(shop.Notification)
    page = shop.get(f"notifications/{row.id}").text
    assert f"Message {kind}" in page
    assert "There is no such payment" not in page
    assert private not in page
    assert private in shop.get(f"notifications/{row.id}?reveal=1").text
