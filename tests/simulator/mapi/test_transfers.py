from __future__ import annotations

import pytest

from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL

ENTRIES = ("1^a@b.cn^李雷^0.10^wages", "2^nobody@b.cn^韩梅梅^0.20^wages")


@pytest.fixture
def transfers(merchant):
    def transfers(*entries, **changes):
        params = {
            "notify_url": NOTIFY_URL,
            "account_name": "茶馆",
            "email": merchant.account.seller_email,
            "pay_date": "20260131",
            "batch_no": "20260131001",
            "batch_num": str(len(entries)),
            "batch_fee": "0.30",
            "detail_data": "|".join(entries),
        } | changes
        return merchant.call("batch_trans_notify", **params)

    return transfers


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_transfers_are_confirmed_and_notified(buyer, merchant, transfers, shop, charset):
    page = buyer.cashier(transfers(*ENTRIES, charset=charset))
    assert "李雷" in buyer.see(page).text
    buyer.press(page, "confirm")
    fields = shop.fields(charset=charset)
    assert fields["notify_type"] == "batch_trans_notify"
    assert fields["batch_no"] == "20260131001"
    assert fields["pay_user_id"] == merchant.account.partner
    assert fields["pay_user_name"] == "茶馆"
    number, time = fields["success_details"].removesuffix("|").split("^")[-2:]
    assert fields["success_details"] == f"1^a@b.cn^李雷^0.10^S^^{number}^{time}|"
    assert time == "20260131120000"
    failed = fields["fail_details"].split("^")
    assert failed[:6] == ["2", "nobody@b.cn", "韩梅梅", "0.20", "F", "RECEIVE_USER_NOT_EXIST"]
    content = sign_content(fields, charset=charset)
    assert merchant.signer("MD5").verify(content, fields["sign"])
    assert "RECEIVE_USER_NOT_EXIST" in buyer.see(page).text


def test_of_rejected_transfers_every_one_fails(buyer, transfers, shop):
    buyer.press(buyer.cashier(transfers(*ENTRIES)), "refuse")
    fields = shop.fields()
    assert fields["fail_details"].count("^F^MERCHANT_DISUSE_FILE^") == 2
    assert "success_details" not in fields


def test_a_notify_url_with_a_query_is_accepted_with_a_warning(buyer, transfers, caplog):
    response = buyer.open(transfers(*ENTRIES, notify_url="https://shop.example/notify?shop=1"))
    assert response.status_code == 303
    assert "notify_url of this request has a query" in caplog.text
    assert "shop=1" not in caplog.text


def test_nothing_is_notified_without_a_url(buyer, transfers, shop):
    page = buyer.cashier(transfers(*ENTRIES, notify_url=""))
    buyer.press(page, "confirm")
    assert shop.bodies == []
    assert "no notify_url" in buyer.see(page).text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"batch_fee": "0.31"}, "ILLEGAL_ARGUMENT"),
        ({"batch_fee": "x"}, "ILLEGAL_FEE_PARAM"),
        ({"batch_num": "3"}, "BATCH_NUM_NOT_EQUAL_TOTAL"),
        ({"batch_no": "20260130001"}, "BATCH_NO_FORMAT_ERROR"),
        ({"email": "other@shop.example"}, "ACCOUNT_NOT_EXISTS"),
        ({"pay_date": "2026-01-31"}, "ILLEGAL_ARGUMENT"),
        ({"pay_date": "20260132"}, "ILLEGAL_ARGUMENT"),
        ({"account_name": ""}, "ILLEGAL_ARGUMENT"),
        ({"detail_data": "1^a^b^0.30", "batch_num": "1"}, "DETAIL_DATA_FORMAT_ERROR"),
        ({"detail_data": "1^a^b^0.1^|1^a^b^0.2^"}, "DETAIL_DATA_FORMAT_ERROR"),
        ({"detail_data": "1^^b^0.30^", "batch_num": "1"}, "DETAIL_DATA_FORMAT_ERROR"),
    ],
)
def test_bad_transfers_are_rejected(buyer, transfers, changes, code):
    response = buyer.open(transfers(*ENTRIES, **changes))
    assert response.status_code == 400
    assert code in response.text


def test_a_long_batch_is_not_listed_whole(buyer, transfers):
    entries = [f"{number}^a@b.cn^name^0.01^x" for number in range(60)]
    page = buyer.cashier(transfers(*entries, batch_fee="0.60"))
    assert buyer.see(page).text.count("<li>") == 51
    assert "not listed here: 10" in buyer.see(page).text
