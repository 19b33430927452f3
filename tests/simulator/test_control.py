"""The control in JSON, as a script drives it, and as a page of another site would like to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .conftest import NOTIFY_URL

ORIGIN = "http://localhost"


@pytest.fixture
def control(app):
    client = app.test_client()

    def control(path, *, body=None, method="POST", **options):
        return client.open(f"/alipay{path}", method=method, json=body, **options)

    return control


@pytest.fixture
def trade(buyer, merchant):
    """A trade that waits for its buyer."""
    buyer.cashier(merchant.page_pay())
    return "/trades/T1"


def see(control, path):
    return control(path, method="GET").json


def test_trades_are_shown_as_they_stand(control, trade, clock):
    (shown,) = see(control, "/trades")
    assert shown == see(control, trade)
    assert (shown["out_trade_no"], shown["trade_status"]) == ("T1", "WAIT_BUYER_PAY")
    assert (shown["total_amount"], shown["refunded_amount"]) == ("88.88", "0.00")
    assert shown["created_at"] == clock.now().isoformat()
    assert shown["paid_at"] is None


def test_the_cashier_is_where_the_trade_says(control, trade, buyer):
    assert buyer.see(see(control, trade)["cashier_url"]).status_code == 200


@pytest.mark.parametrize(
    ("actions", "status"),
    [
        (["pay"], "TRADE_SUCCESS"),
        (["close"], "TRADE_CLOSED"),
        (["pay", "finish"], "TRADE_FINISHED"),
    ],
)
def test_a_requested_event_happens_and_is_notified(control, trade, shop, actions, status):
    for action in actions:
        answer = control(f"{trade}/{action}")
    assert (answer.status_code, answer.json["trade_status"]) == (200, status)
    assert shop.fields()["trade_status"] == status
    assert len(shop.bodies) == len(actions)


@pytest.mark.parametrize(
    "actions", [["pay", "pay"], ["close", "pay"], ["finish"], ["pay", "close"]]
)
def test_an_impossible_event_is_rejected_and_not_notified(control, trade, shop, actions):
    for action in actions[:-1]:
        control(f"{trade}/{action}")
    before = see(control, trade)
    answer = control(f"{trade}/{actions[-1]}")
    assert answer.status_code == 409
    assert before["trade_status"] in answer.json["error"]
    assert see(control, trade) == before
    assert len(shop.bodies) == len(actions) - 1


def test_a_trade_whose_time_is_over_is_not_paid_but_closed(control, buyer, merchant, shop, clock):
    buyer.see(buyer.cashier(merchant.page_pay(biz={"timeout_express": "5m"})))
    clock.advance(minutes=6)
    assert control("/trades/T1/pay").status_code == 409
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_a_part_is_refunded_then_the_rest(control, trade, shop):
    control(f"{trade}/pay")
    part = control(f"{trade}/refund", body={"amount": "1.00"}).json
    assert (part["refunded_amount"], part["trade_status"]) == ("1.00", "TRADE_SUCCESS")
    rest = control(f"{trade}/refund").json
    assert (rest["refunded_amount"], rest["trade_status"]) == ("88.88", "TRADE_CLOSED")
    assert len(shop.bodies) == 3


@pytest.mark.parametrize(
    ("amount", "status"),
    [("88.89", 409), ("0.00", 400), ("-1", 400), ("1.001", 400), (1.5, 400), ("ein Euro", 400)],
)
def test_an_impossible_refund_is_rejected_and_not_notified(control, trade, shop, amount, status):
    control(f"{trade}/pay")
    answer = control(f"{trade}/refund", body={"amount": amount})
    assert answer.status_code == status
    assert answer.json["error"]
    assert see(control, trade)["refunded_amount"] == "0.00"
    assert len(shop.bodies) == 1


def test_an_unpaid_trade_is_not_refunded(control, trade, shop):
    assert control(f"{trade}/refund", body={"amount": "1.00"}).status_code == 409
    assert shop.bodies == []


@pytest.mark.parametrize("action", ["pay", "close", "finish", "refund", "deliver"])
def test_a_trade_that_is_not_there_is_not_found(control, action):
    answer = control(f"/trades/nobody/{action}")
    assert (answer.status_code, list(answer.json)) == (404, ["error"])
    assert control("/trades/nobody", method="GET").status_code == 404


def test_deliveries_are_shown_with_their_responses(control, trade, shop, clock):
    shop.text = "fail"
    control(f"{trade}/pay")
    (delivery,) = see(control, "/deliveries")
    assert (delivery["out_trade_no"], delivery["heard"]) == ("T1", False)
    assert delivery["next_at"] == (clock.now() + timedelta(minutes=4)).isoformat()
    (attempt,) = delivery["attempts"]
    assert (attempt["status"], attempt["answer"]) == (200, "fail")
    assert attempt["body"].encode() == shop.bodies[0]


def test_a_notification_is_delivered_again_under_its_number(control, trade, shop):
    control(f"{trade}/pay")
    assert len(control(f"{trade}/deliver").json["attempts"]) == 2
    assert shop.fields(0)["notify_id"] == shop.fields(1)["notify_id"]


def test_a_notification_that_was_never_sent_is_not_resent(control, trade, shop):
    assert control(f"{trade}/deliver").status_code == 409
    assert shop.bodies == []


def test_delivering_again_does_not_disturb_the_schedule(control, trade, shop, clock):
    shop.text = "fail"
    control(f"{trade}/pay")
    control(f"{trade}/deliver")
    clock.advance(days=3)
    assert len(shop.bodies) == 1 + 8


def test_an_acknowledged_notification_is_not_retried(control, trade, shop, clock):
    shop.text = "fail"
    control(f"{trade}/pay")
    shop.text = "success"
    assert control(f"{trade}/deliver").json["next_at"] is None
    clock.advance(days=3)
    assert len(shop.bodies) == 2


def test_due_callbacks_run_when_the_clock_is_advanced(control, trade, shop, clock):
    shop.text = "fail"
    control(f"{trade}/pay")
    begin = clock.now()
    notified = control("/clock", body={"advance": 25 * 3600}).json
    assert notified == see(control, "/clock") == {"now": (begin + timedelta(hours=25)).isoformat()}
    assert len(shop.bodies) == 8


def test_the_clock_closes_overdue_trades(control, buyer, merchant, shop):
    buyer.see(buyer.cashier(merchant.page_pay(biz={"timeout_express": "5m"})))
    control("/clock", body={"advance": 301})
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_an_order_that_was_not_opened_is_not_notified(control, buyer, merchant, shop):
    buyer.cashier(merchant.page_pay(biz={"timeout_express": "5m"}))
    control("/clock", body={"advance": 301})
    assert see(control, "/trades/T1")["trade_status"] == "TRADE_CLOSED"
    assert shop.bodies == []


@pytest.mark.parametrize("seconds", [-1, "60", None, True, float("nan"), 10**12, [1]])
def test_the_clock_does_not_go_elsewhere(control, clock, seconds):
    begin = clock.now()
    assert control("/clock", body={"advance": seconds}).status_code == 400
    assert clock.now() == begin


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"x"', b"\xff", "[" * 200_000],
    ids=["cut off", "a list", "a text", "no text", "nested"],
)
def test_a_body_that_is_no_object_is_rejected(control, trade, text):
    control(f"{trade}/pay")
    assert control(f"{trade}/refund", data=text).status_code == 400
    assert see(control, trade)["refunded_amount"] == "0.00"


def test_a_command_line_need_not_say_that_it_uses_json(control, trade):
    control(f"{trade}/pay")
    form = "application/x-www-form-urlencoded"
    answer = control(f"{trade}/refund", data='{"amount": "1.00"}', content_type=form)
    assert answer.json["refunded_amount"] == "1.00"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_drives_nothing(control, trade, shop, headers):
    assert control(f"{trade}/pay", headers=headers).status_code == 403
    assert see(control, trade)["trade_status"] == "WAIT_BUYER_PAY"
    assert shop.bodies == []


def test_a_page_of_its_own_does(control, trade):
    own = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    assert control(f"{trade}/pay", headers=own).status_code == 200


@pytest.mark.parametrize("host", ["evil.com", "evil.com:8090", "127.0.0.1.evil.com"])
def test_a_name_that_was_led_here_sees_and_drives_nothing(control, trade, shop, host):
    assert control("/trades", method="GET", headers={"Host": host}).status_code == 403
    assert control(f"{trade}/pay", headers={"Host": host}).status_code == 403
    assert shop.bodies == []


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "[::1]:8090", "alipay", "shop.localhost"])
def test_names_of_near_are_served(control, trade, host):
    assert control("/trades", method="GET", headers={"Host": host}).status_code == 200


STRANGERS = ["8.8.8.8", "203.0.113.9", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", ""]


@pytest.mark.parametrize("address", STRANGERS)
@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "127.0.0.1"}])
def test_a_stranger_sees_and_drives_nothing_whatever_host_he_names(
    control, trade, shop, address, headers
):
    options = {
        "environ_base": {"REMOTE_ADDR": address},
        "headers": {"Host": "localhost", **headers},
    }
    for path in ("/trades", "/live", "/"):
        assert control(path, method="GET", **options).status_code == 403
    assert control(f"{trade}/pay", **options).status_code == 403
    assert see(control, trade)["trade_status"] == "WAIT_BUYER_PAY"
    assert shop.bodies == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "8.8.8.8"},
        {"X-Forwarded-For": "127.0.0.1, 8.8.8.8"},
        {"X-Real-IP": "8.8.8.8"},
        {"Forwarded": "for=8.8.8.8;proto=https"},
        {"Forwarded": 'for="[2001:db8::1]:4711"'},
        {"Forwarded": "for=unknown"},
    ],
)
def test_whom_a_proxy_on_this_machine_names_is_a_stranger(control, trade, shop, headers):
    assert control(f"{trade}/pay", headers=headers).status_code == 403
    assert shop.bodies == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "172.17.0.1", "192.168.1.7", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
)
def test_this_machine_and_its_network_are_served(control, trade, address):
    headers = {"X-Forwarded-For": "192.168.1.7", "Forwarded": "for=192.168.1.7"}
    options = {"environ_base": {"REMOTE_ADDR": address}, "headers": headers}
    assert control(f"{trade}/pay", **options).status_code == 200


def test_nothing_of_it_is_for_a_cache(control, trade):
    assert control(trade, method="GET").headers["Cache-Control"] == "no-store"


def test_only_the_latest_are_shown_where_that_is_requested(control, buyer, merchant):
    for number in ("T1", "T2", "T3"):
        buyer.cashier(merchant.page_pay(biz={"out_trade_no": number}))
    assert [trade["out_trade_no"] for trade in see(control, "/trades?latest=2")] == ["T2", "T3"]
    for whatever in ("0", "-1", "x"):
        assert len(see(control, f"/trades?latest={whatever}")) == 3


def test_a_trade_lists_its_possible_events(control, trade, buyer, merchant):
    assert see(control, trade)["can"] == ["pay", "close", "expire"]
    assert control(f"{trade}/pay").json["can"] == ["finish", "refund"]
    assert control(f"{trade}/refund").json["can"] == []
    buyer.cashier(merchant.escrow(service="trade_create_by_buyer", out_trade_no="E1"))
    assert see(control, "/trades/E1")["can"] == ["pay", "deposit", "close", "expire"]
    assert control("/trades/E1/deposit").json["can"] == ["send"]
    assert control("/trades/E1/send").json["can"] == ["confirm"]
    assert control("/trades/E1/confirm").json["can"] == []


def test_one_notification_of_several_is_delivered_again(control, trade, shop):
    control(f"{trade}/pay")
    control(f"{trade}/refund")
    first = see(control, "/deliveries")[0]
    again = control(f"/deliveries/{first['notify_id']}/deliver").json
    assert (again["notify_id"], len(again["attempts"])) == (first["notify_id"], 2)
    assert shop.fields()["trade_status"] == "TRADE_SUCCESS"
    assert control("/deliveries/nobody/deliver").status_code == 404


@pytest.fixture
def batch(buyer, merchant, clock, simulator):
    """A batch that waits for its merchant, who refunds a part of a payment."""
    buyer.press(buyer.cashier(merchant.direct_pay(out_trade_no="B1")), "pay")
    trade_no = simulator.trades.by_out_trade_no("B1").trade_no
    refund = merchant.call(
        "refund_fastpay_by_platform_pwd",
        notify_url=NOTIFY_URL,
        seller_user_id=merchant.account.partner,
        refund_date="2026-01-31 12:00:00",
        batch_no="20260131001",
        batch_num="1",
        detail_data=f"{trade_no}^8.88^tea",
    )
    assert buyer.open(refund).status_code == 303
    return simulator.batches.all()[0]


@pytest.mark.parametrize(
    ("action", "status", "refunded"), [("confirm", "done", "8.88"), ("refuse", "refused", "0.00")]
)
def test_a_batch_is_ended_once(control, batch, action, status, refunded):
    (shown,) = see(control, "/batches")
    assert (shown["status"], shown["entries"], shown["total_amount"]) == ("waiting", 1, "8.88")
    ended = control(f"/batches/{shown['batch_id']}/{action}").json
    assert (ended["status"], ended["failed"]) == (status, 0)
    assert see(control, "/trades/B1")["refunded_amount"] == refunded
    assert control(f"/batches/{shown['batch_id']}/confirm").status_code == 409
    assert see(control, "/trades/B1")["refunded_amount"] == refunded


def test_a_batch_that_is_not_there_is_not_found(control):
    assert control("/batches/nobody/confirm").status_code == 404


def test_a_page_of_another_site_confirms_nothing_and_delivers_nothing(control, batch, shop):
    notified, foreign = len(shop.bodies), {"Origin": "https://evil.example"}
    (delivery,) = see(control, "/deliveries")
    for path in (
        f"/batches/{batch.batch_id}/confirm",
        f"/deliveries/{delivery['notify_id']}/deliver",
    ):
        assert control(path, headers=foreign).status_code == 403
    assert len(shop.bodies) == notified
    assert see(control, "/batches")[0]["status"] == "waiting"


def test_all_of_it_is_shown_at_once(control, trade, batch):
    control("/faults", body={"kind": "drop"})
    live = see(control, "/live?latest=1")
    assert list(live) == [
        *("agreements", "authorizations", "batches", "deliveries", "faults", "now", "page"),
        *("pages", "preauthorizations", "total", "trades", "transfers"),
    ]
    assert live["trades"] == see(control, "/trades")[-1:]
    assert live["batches"] == see(control, "/batches")
    assert live["deliveries"] == see(control, "/deliveries")[-1:]
    assert live["faults"] == see(control, "/faults")


def test_a_test_order_is_paid_on_its_cashier_page_and_notified(control, buyer, shop):
    body = {"amount": "12.50", "subject": "茶", "notify_url": NOTIFY_URL}
    answer = control("/trades", body=body)
    made = answer.json
    assert answer.status_code == 200
    assert (made["trade_status"], made["total_amount"]) == ("WAIT_BUYER_PAY", "12.50")
    assert "茶" in buyer.see(made["cashier_url"]).text
    control(f"/trades/{made['out_trade_no']}/pay")
    assert shop.fields()["out_trade_no"] == made["out_trade_no"]
    assert shop.fields()["total_amount"] == "12.50"


def test_a_test_order_of_the_legacy_gateway_is_notified_as_by_that(control, shop):
    body = {"amount": "1", "subject": "Tea", "protocol": "mapi", "notify_url": NOTIFY_URL}
    made = control("/trades", body=body).json
    control(f"/trades/{made['out_trade_no']}/pay")
    assert (shop.fields()["total_fee"], shop.fields()["sign_type"]) == ("1.00", "MD5")


def test_test_orders_have_different_numbers(control):
    body = {"amount": "0.01", "subject": "Tea"}
    numbers = {control("/trades", body=body).json["out_trade_no"] for _ in range(3)}
    assert len(numbers) == 3
    assert len(see(control, "/trades")) == 3


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": 1}, "amount"),
        ({"amount": None}, "amount"),
        ({"subject": " "}, "subject"),
        ({"subject": "x" * 257}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"protocol": "wap"}, "protocol"),
        ({"notify_url": "javascript:alert(1)"}, "notify_url"),
        ({"return_url": "/back"}, "return_url"),
    ],
)
def test_an_invalid_test_order_creates_no_trade(control, shop, wrong, named):
    answer = control("/trades", body={"amount": "0.01", "subject": "Tea", **wrong})
    assert answer.status_code == 400
    assert named in answer.json["error"]
    assert see(control, "/trades") == []
    assert shop.bodies == []


def test_a_page_of_another_site_creates_no_test_order(control):
    body, headers = {"amount": "0.01", "subject": "Tea"}, {"Origin": "http://evil.example"}
    assert control("/trades", body=body, headers=headers).status_code == 403
    assert see(control, "/trades") == []


@pytest.fixture
def many(control):
    """45 trades, the oldest first."""
    return [
        control("/trades", body={"amount": "0.01", "subject": f"Tea {number}"}).json
        for number in range(45)
    ]


def subjects(trades):
    return [trade["subject"] for trade in trades]


def test_a_page_has_twenty_trades_and_the_first_one_the_newest(control, many):
    pages = [subjects(see(control, f"/trades?page={number}")) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 20, 5]
    assert pages[2] + pages[1] + pages[0] == subjects(many)
    assert subjects(see(control, "/trades")) == subjects(many)


def test_a_page_after_the_last_is_the_last(control, many):
    live = see(control, "/live?page=9")
    assert (live["page"], live["pages"], live["total"]) == (3, 3, 45)
    assert subjects(live["trades"]) == subjects(many[:5])


def test_without_trades_there_is_one_empty_page(control):
    live = see(control, "/live?page=2&q=x")
    assert (live["page"], live["pages"], live["total"], live["trades"]) == (1, 1, 0, [])


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "1.5", "9999999999"])
@pytest.mark.parametrize("path", ["/trades", "/live"])
def test_what_is_no_number_of_a_page_is_rejected(control, path, number):
    answer = control(f"{path}?page={number}", method="GET")
    assert answer.status_code == 400
    assert "page" in answer.json["error"]


def test_a_search_finds_subjects_and_both_numbers(control, many):
    wanted = many[30]
    for text in ("tea 30", wanted["out_trade_no"].lower(), wanted["trade_no"], " Tea 30 "):
        assert subjects(control("/trades", method="GET", query_string={"q": text}).json) == [
            "Tea 30"
        ]
    assert see(control, "/trades?q=coffee") == []
    live = see(control, "/live?q=Tea+1&page=1")
    assert (live["total"], live["pages"]) == (11, 1)
