from __future__ import annotations

import pytest

DAY = {"gmt_start_time": "2026-01-31 00:00:00", "gmt_end_time": "2026-02-01 00:00:00"}


@pytest.fixture
def account(server, merchant):
    def account(**params):
        return server(merchant.call("account.page.query", **({"page_no": "1"} | params)))

    return account


def entries(answer):
    return [
        {field.tag: field.text or "" for field in entry}
        for entry in answer.node.find("account_log_list")
    ]


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_credits_are_listed_with_the_balance(pay, account, merchant, clock, charset):
    for number in ("T1", "T2"):
        pay(merchant.direct_pay(out_trade_no=number))
        clock.advance(minutes=1)
    answer = account(charset=charset, **DAY)
    first, second = entries(answer)
    assert (first["merchant_out_order_no"], first["income"]) == ("T1", "88.88")
    assert (first["outcome"], first["trans_code_msg"]) == ("0.00", "在线支付")
    assert first["goods_title"] == "Tea 茶"
    assert first["memo"] == ""
    assert (first["balance"], second["balance"]) == ("1000088.88", "1000177.76")
    assert answer.fields == {"has_next_page": "F", "page_no": "1", "page_size": "5000"}
    assert answer.signed_by(merchant.signer("MD5"))


def test_debits_are_listed(pay, server, buyer, account, merchant, trade):
    pay(merchant.direct_pay())
    refund = {
        "refund_date": "2026-01-31 12:00:00",
        "batch_no": "20260131001",
        "batch_num": "1",
        "detail_data": f"{trade().trade_no}^8.88^x",
    }
    server(merchant.call("refund_fastpay_by_platform_nopwd", **refund))
    transfer = {
        "account_name": "茶馆",
        "email": merchant.account.seller_email,
        "pay_date": "20260131",
        "batch_no": "20260131002",
        "batch_num": "1",
        "batch_fee": "1.00",
        "detail_data": "1^a@b.cn^name^1.00^wages",
    }
    buyer.press(buyer.cashier(merchant.call("batch_trans_notify", **transfer)), "confirm")
    listed = entries(account(**DAY))
    assert [entry["outcome"] for entry in listed] == ["0.00", "8.88", "1.00"]
    assert listed[-1]["balance"] == "1000079.00"
    assert [len(entries(account(trans_code=code, **DAY))) for code in ("6001", "3011,6001")] == [
        1,
        3,
    ]


def test_money_in_escrow_is_not_in_the_account(buyer, server, account, merchant, trade):
    cashier = buyer.cashier(merchant.escrow())
    buyer.press(cashier, "deposit")
    assert entries(account(**DAY)) == []
    sent = {"trade_no": trade().trade_no, "logistics_name": "SF", "transport_type": "EMS"}
    server(merchant.call("send_goods_confirm_by_platform", **sent))
    buyer.press(cashier, "confirm")
    assert len(entries(account(**DAY))) == 1


def test_an_account_has_pages(pay, account, merchant):
    for number in range(3):
        pay(merchant.direct_pay(out_trade_no=f"T{number}"))
    first = account(page_size="2", **DAY)
    assert (len(entries(first)), first.fields["has_next_page"]) == (2, "T")
    second = account(page_no="2", page_size="2", **DAY)
    assert (len(entries(second)), second.fields["has_next_page"]) == (1, "F")
    assert entries(account(page_no="9", **DAY)) == []


def test_an_order_is_found_without_a_time(pay, account, merchant, trade):
    for number in ("T1", "T2"):
        pay(merchant.direct_pay(out_trade_no=number))
    for wanted in ({"merchant_out_order_no": "T2"}, {"trade_no": trade("T2").trade_no}):
        (entry,) = entries(account(**wanted))
        assert entry["merchant_out_order_no"] == "T2"


@pytest.mark.parametrize(
    "changes",
    [
        {"page_no": ""},
        {"page_no": "0"},
        {"page_size": "5001"},
        {"gmt_start_time": ""},
        {"gmt_end_time": ""},
        {"gmt_start_time": "yesterday"},
        {"gmt_end_time": "2026-02-01 00:00:01"},
        {"gmt_end_time": "2026-01-30 00:00:00"},
    ],
)
def test_a_bad_query_is_rejected(account, changes):
    assert account(**(DAY | changes)).error == "ILLEGAL_ARGUMENT"


def test_a_key_against_phishing_is_good_once(server, buyer, merchant):
    key = server(merchant.call("query_timestamp")).fields["encrypt_key"]
    assert buyer.open(merchant.direct_pay(anti_phishing_key=key)).status_code == 303
    again = buyer.open(merchant.direct_pay(anti_phishing_key=key))
    assert "ILLEGAL_ANTI_PHISHING_KEY" in again.text


def test_the_key_is_given_out_without_signature_or_charset(server, merchant):
    url = f"/alipay/gateway.do?service=query_timestamp&partner={merchant.account.partner}"
    answer = server(type("Url", (), {"url": url}))
    assert answer.node.tag == "timestamp"
    assert answer.declared == "GBK"
    assert answer.signed_by(merchant.signer("MD5"))


def test_a_bad_signature_is_not_overlooked(server, merchant):
    request = merchant.call("query_timestamp", sign_type="RSA")
    url = request.url.replace("_input_charset=utf-8", "_input_charset=gbk")
    assert server(type("Url", (), {"url": url})).error == "ILLEGAL_SIGN"


@pytest.mark.parametrize("post", [False, True])
def test_the_older_address_confirms_a_notification_as_well(app, pay, merchant, shop, clock, post):
    def confirm(**query):
        address = "/alipay/trade/notify_query.do"
        client = app.test_client()
        found = (
            client.post(address, data=query) if post else client.get(address, query_string=query)
        )
        assert (found.status_code, found.mimetype) == (200, "text/plain")
        return found.text

    pay(merchant.direct_pay())
    notify_id, partner = shop.fields()["notify_id"], merchant.account.partner
    assert confirm(partner=partner, notify_id=notify_id) == "true"
    assert confirm(partner=partner, notify_id="another") == "false"
    assert confirm(partner="2088000000000009", notify_id=notify_id) == "invalid"
    assert confirm(partner=partner) == "invalid"
    clock.advance(seconds=61)
    assert confirm(partner=partner, notify_id=notify_id) == "false"
