"""Batches of refunds: confirmed on a page, or done as they come."""

from __future__ import annotations

import pytest

from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL

SERVICES = ["refund_fastpay_by_platform_pwd", "refund_fastpay_by_platform_nopwd"]


@pytest.fixture
def batch(merchant):
    """Signs a batch of refunds."""

    def batch(*entries, service="refund_fastpay_by_platform_nopwd", **changes):
        params = {
            "notify_url": NOTIFY_URL,
            "seller_user_id": merchant.account.partner,
            "refund_date": "2026-01-31 12:00:00",
            "batch_no": "20260131001",
            "batch_num": str(len(entries)),
            "detail_data": "#".join(entries),
        } | changes
        return merchant.call(service, **params)

    return batch


@pytest.fixture
def paid(pay, merchant, trade, shop):
    """Pays orders instantly; returns Alipay's numbers of them."""

    def paid(*out_trade_nos):
        for number in out_trade_nos:
            pay(merchant.direct_pay(out_trade_no=number))
        shop.bodies.clear()
        return [trade(number).trade_no for number in out_trade_nos]

    return paid


def by_type(shop, notify_type, charset="utf-8"):
    notified = [shop.fields(index, charset) for index in range(len(shop.bodies))]
    return [fields for fields in notified if fields["notify_type"] == notify_type]


@pytest.mark.parametrize("sign_type", ["MD5", "RSA", "RSA2"])
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_refunds_without_password_are_performed_at_once_and_notified_later(
    paid, server, batch, merchant, shop, trade, later, sign_type, charset
):
    one, two = paid("T1", "T2")
    request = batch(f"{one}^88.88^退", f"{two}^8.88^退", sign_type=sign_type, charset=charset)
    answer = server(request, post=True)
    assert answer.accepted
    assert shop.bodies == []
    assert (trade("T1").status, trade("T2").status) == ("TRADE_CLOSED", "TRADE_SUCCESS")
    later()
    (result,) = by_type(shop, "batch_refund_notify", charset)
    assert result["batch_no"] == "20260131001"
    assert result["success_num"] == "2"
    assert result["result_details"] == f"{one}^88.88^SUCCESS#{two}^8.88^SUCCESS"
    assert "out_trade_no" not in result
    signer = merchant.signer(sign_type)
    assert signer.verify(sign_content(result, charset=charset), result["sign"])


def test_each_refunded_trade_is_notified_as_well(paid, server, batch, shop, later):
    one, two = paid("T1", "T2")
    server(batch(f"{one}^88.88^all", f"{two}^8.88^part"))
    later()
    notified = {fields["out_trade_no"]: fields for fields in by_type(shop, "trade_status_sync")}
    assert {number: fields["trade_status"] for number, fields in notified.items()} == {
        "T1": "TRADE_CLOSED",
        "T2": "TRADE_SUCCESS",
    }
    for fields in notified.values():
        assert fields["refund_status"] == "REFUND_SUCCESS"
        assert fields["gmt_refund"] == "2026-01-31 12:00:00"
    assert notified["T1"]["gmt_close"] == "2026-01-31 12:00:00"


def test_refunds_with_password_are_confirmed_on_a_page(paid, buyer, batch, shop, trade):
    (one,) = paid("T1")
    page = buyer.cashier(batch(f"{one}^8.88^too much", service=SERVICES[0]))
    text = buyer.see(page).text
    for words in (one, "too much", "8.88", "20260131001"):
        assert words in text
    assert trade().refunded_fen == 0
    assert buyer.press(page, "confirm").location == page
    assert trade().refunded_fen == 888
    assert by_type(shop, "batch_refund_notify")[0]["success_num"] == "1"
    assert "The batch is done" in buyer.see(page).text


def test_rejected_refunds_are_not_performed_and_not_notified(paid, buyer, batch, shop, trade):
    (one,) = paid("T1")
    page = buyer.cashier(batch(f"{one}^8.88^no", service=SERVICES[0]))
    buyer.press(page, "refuse")
    assert "No money was transferred." in buyer.see(page).text
    buyer.press(page, "confirm")
    assert (trade().refunded_fen, shop.bodies) == (0, [])


def test_a_batch_is_done_once(paid, buyer, server, batch, shop, trade):
    (one,) = paid("T1")
    page = buyer.cashier(batch(f"{one}^8.88^x", service=SERVICES[0]))
    for _ in range(3):
        buyer.press(page, "confirm")
    assert trade().refunded_fen == 888
    assert len(by_type(shop, "batch_refund_notify")) == 1
    assert server(batch(f"{one}^8.88^x")).error == "DUPLICATE_BATCH_NO"


def test_a_batch_that_waits_is_shown_again(paid, buyer, batch):
    (one,) = paid("T1")
    request = batch(f"{one}^8.88^x", service=SERVICES[0])
    assert buyer.cashier(request) == buyer.cashier(request)
    other = batch(f"{one}^8.89^x", service=SERVICES[0])
    assert "DUPLICATE_BATCH_NO" in buyer.open(other).text


@pytest.mark.parametrize(
    ("status", "amount", "error"),
    [
        ("waiting", "1.00", "TRADE_STATUS_ERROR"),
        ("paid", "88.89", "REFUND_TRADE_FEE_ERROR"),
        ("closed", "1.00", "TRADE_HAS_CLOSED"),
        ("unknown", "1.00", "TRADE_NOT_EXISTS"),
    ],
)
def test_an_entry_that_fails_has_a_code(
    buyer, server, batch, merchant, shop, trade, later, status, amount, error
):
    cashier = buyer.cashier(merchant.direct_pay())
    if status in ("paid", "closed"):
        buyer.press(cashier, {"paid": "pay", "closed": "close"}[status])
    number = "2026013100" if status == "unknown" else trade().trade_no
    shop.bodies.clear()
    assert server(batch(f"{number}^{amount}^x")).accepted
    later()
    (result,) = by_type(shop, "batch_refund_notify")
    assert result["result_details"] == f"{number}^{amount}^{error}"
    assert result["success_num"] == "0"
    assert by_type(shop, "trade_status_sync") == []


def test_what_is_left_can_be_refunded_and_no_more(paid, server, batch, trade):
    (one,) = paid("T1")
    for serial, amount in (("001", "80.00"), ("002", "8.89"), ("003", "8.88"), ("004", "0.01")):
        server(batch(f"{one}^{amount}^x", batch_no=f"20260131{serial}"))
    assert trade().refunded_fen == 8888
    assert trade().status == "TRADE_CLOSED"


def test_money_in_escrow_or_abroad_is_not_refunded_so(pay, server, batch, merchant, trade):
    pay(merchant.escrow(), "deposit")
    pay(merchant.forex(out_trade_no="T2"))
    entries = (f"{trade('T1').trade_no}^1^x", f"{trade('T2').trade_no}^1^x")
    server(batch(*entries))
    assert (trade("T1").refunded_fen, trade("T2").refunded_fen) == (0, 0)


def test_shares_and_fees_may_follow_an_entry(paid, server, batch, trade):
    (one,) = paid("T1")
    share = "a@b.cn^2088^c@d.cn^2089^0.10^share"
    assert server(batch(f"{one}^8.88^x|{share}|less")).error == "DETAIL_DATA_FORMAT_ERROR"
    assert server(batch(f"{one}^8.88^x$$less")).error == "DETAIL_DATA_FORMAT_ERROR"
    entry = f"{one}^8.88^x|{share}|{share}$$0.01^fee"
    assert server(batch(entry)).accepted
    assert trade().refunded_fen == 888


def test_a_thousand_refunds_are_one_batch(server, batch, shop, later):
    entries = [f"{2026013100000000000000000000 + n}^0.01^{'茶' * 80}" for n in range(1000)]
    assert server(batch(*entries), post=True).accepted
    later()
    assert by_type(shop, "batch_refund_notify")[0]["result_details"].count("#") == 999


BAD = [
    ({"batch_no": "20260130001"}, "BATCH_NO_FORMAT_ERROR"),
    ({"batch_no": "20260131000"}, "BATCH_NO_FORMAT_ERROR"),
    ({"batch_no": "2026013101"}, "BATCH_NO_FORMAT_ERROR"),
    ({"batch_no": "20260131" + "1" * 25}, "BATCH_NO_FORMAT_ERROR"),
    ({"batch_num": "x"}, "BATCH_NUM_ERROR"),
    ({"batch_num": "2"}, "BATCH_NUM_NOT_EQUAL_TOTAL"),
    ({"batch_num": "1001"}, "BATCH_NUM_EXCEED_LIMIT"),
    ({"refund_date": "2026-01-31"}, "REFUND_DATE_ERROR"),
    ({"seller_user_id": "2088000000000009"}, "ACCOUNT_NOT_EXISTS"),
    ({"detail_data": ""}, "ILLEGAL_ARGUMENT"),
    ({"detail_data": "1^1"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "1^1^a^b"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "1^1^a$b"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "1^0.001^x"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "1^-1^x"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "^1^x"}, "DETAIL_DATA_FORMAT_ERROR"),
    ({"detail_data": "1^1^x#1^1^y", "batch_num": "2"}, "DUBL_TRADE_NO_IN_SAME_BATCH"),
    ({"detail_data": f"1^1^{'茶' * 86}"}, "SINGLE_DETAIL_DATA_EXCEED_LIMIT"),
    ({"notify_url": "notify"}, "ILLEGAL_ARGUMENT"),
]


@pytest.mark.parametrize(("changes", "code"), BAD)
def test_a_bad_batch_is_rejected(server, buyer, batch, changes, code):
    assert server(batch("1^1^x", **changes)).error == code
    assert code in buyer.open(batch("1^1^x", service=SERVICES[0], **changes)).text


def test_a_page_of_refunds_needs_a_seller(buyer, batch):
    response = buyer.open(batch("1^1^x", service=SERVICES[0], seller_user_id=""))
    assert "seller_user_id or seller_email is required" in response.text


def test_a_batch_page_that_is_not_there_says_so(buyer):
    assert buyer.see("/alipay/batch/nothing").status_code == 404
    assert buyer.press("/alipay/batch/nothing", "confirm").status_code == 404
