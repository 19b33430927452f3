"""What goes wrong when it is asked for: on the way to the shop, and in the gateway's answers."""

from __future__ import annotations

import http.client
import json
import threading
from datetime import timedelta

import pytest
from werkzeug.serving import make_server

from flask_alipay.signer import sign_content
from flask_alipay.simulator.faults import KINDS, MAX_FAULTS, Fault, Faults
from flask_alipay.simulator.notifications.sender import LONGEST_HELD

from ..docs.reading import page, words


@pytest.fixture
def control(app):
    client = app.test_client()

    def control(path, *, body=None, method="POST", **options):
        return client.open(f"/alipay{path}", method=method, json=body, **options)

    return control


@pytest.fixture
def trade(buyer, merchant):
    buyer.see(buyer.cashier(merchant.page_pay()))
    return "/trades/T1"


def inject(control, kind, **more):
    answer = control("/faults", body={"kind": kind, **more})
    assert answer.status_code == 200, answer.json
    return answer.json


def attempts(control):
    return [
        (attempt["status"], attempt["answer"])
        for delivery in control("/deliveries", method="GET").json
        for attempt in delivery["attempts"]
    ]


def test_a_fault_happens_as_often_as_it_was_requested():
    faults = Faults()
    faults.add(Fault("drop", times=2))
    assert [faults.take("drop", "T1") is not None for _ in range(3)] == [True, True, False]


def test_a_fault_happens_to_its_own_trade():
    faults = Faults()
    faults.add(Fault("drop", out_trade_no="T1"))
    for other in ("T10", "XT1", "T1_1", "T1-1", ""):
        assert faults.take("drop", other) is None
    assert faults.take("slow", "T1") is None
    assert faults.take("drop", '{"out_trade_no":"T1"}') is not None


def test_a_fault_happens_to_its_own_method():
    faults = Faults()
    faults.add(Fault("slow", out_trade_no="T1", method="alipay.trade.refund"))
    assert faults.take("slow", '{"method":"alipay.trade.refund","out_trade_no":"T2"}') is None
    assert faults.take("slow", "method=alipay.trade.refund.query&out_trade_no=T1") is None
    assert faults.take("slow", "method=alipay.trade.refund&out_trade_no=T1") is not None


def test_faults_are_shown_and_cleared(control):
    assert inject(control, "drop", times=3, out_trade_no="T1") == [
        {"kind": "drop", "times": 3, "out_trade_no": "T1", "seconds": 5.0, "method": ""}
    ]
    assert len(inject(control, "slow")) == 2
    assert control("/faults", method="DELETE").json == []
    assert control("/faults", method="GET").json == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "steal"},
        {"kind": ["drop"]},
        {"kind": "drop", "times": 0},
        {"kind": "drop", "times": "2"},
        {"kind": "drop", "out_trade_no": 1},
        {"kind": "slow", "seconds": 61},
        {"kind": "delay", "seconds": -1},
        {"kind": "drop", "often": 2},
        {"kind": "drop", "method": "alipay.trade.query"},
        {"kind": "slow", "method": 1},
    ],
)
def test_an_invalid_fault_is_rejected(control, wrong):
    assert control("/faults", body=wrong).status_code == 400
    assert control("/faults", method="GET").json == []


def test_there_are_not_too_many_faults(control, simulator):
    for _ in range(MAX_FAULTS):
        simulator.faults.add(Fault("drop"))
    assert control("/faults", body={"kind": "drop"}).status_code == 409


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_page_of_another_site_breaks_and_mends_nothing(control, simulator, method):
    simulator.faults.add(Fault("drop"))
    foreign = {"Origin": "https://evil.example"}
    answer = control("/faults", body={"kind": "drop"}, method=method, headers=foreign)
    assert answer.status_code == 403
    assert len(simulator.faults.all()) == 1


def test_a_notification_that_is_lost_comes_on_schedule(control, trade, shop, clock):
    inject(control, "drop")
    control(f"{trade}/pay")
    assert shop.bodies == []
    clock.advance(minutes=4)
    assert attempts(control) == [(None, "dropped by a fault"), (200, "success")]
    assert len(shop.bodies) == 1


def test_a_notification_that_is_late_is_overtaken(control, trade, shop, clock):
    inject(control, "delay", seconds=60)
    begin = clock.now()
    control(f"{trade}/pay")
    control(f"{trade}/refund")
    clock.advance(minutes=2)
    notified = [shop.fields(index)["trade_status"] for index in range(2)]
    assert notified == ["TRADE_CLOSED", "TRADE_SUCCESS"]
    (late, _) = control("/deliveries", method="GET").json
    assert late["attempts"][0]["sent_at"] == (begin + timedelta(minutes=1)).isoformat()


def test_a_notification_waits_until_the_next_has_overtaken_it(control, trade, shop, clock):
    inject(control, "out-of-order")
    control(f"{trade}/pay")
    assert shop.bodies == []
    control(f"{trade}/refund", body={"amount": "1.00"})
    assert [shop.fields(index).get("refund_fee") for index in range(2)] == ["1.00", None]
    clock.advance(hours=2)
    assert len(shop.bodies) == 2


def test_several_that_wait_come_the_wrong_way_round(control, trade, shop):
    inject(control, "out-of-order", times=2)
    control(f"{trade}/pay")
    control(f"{trade}/refund", body={"amount": "1.00"})
    control(f"{trade}/refund", body={"amount": "2.00"})
    fees = [shop.fields(index).get("refund_fee") for index in range(3)]
    assert fees == ["3.00", "1.00", None]


def test_a_notification_that_nothing_overtakes_comes_after_all(control, trade, shop, clock):
    inject(control, "out-of-order")
    control(f"{trade}/pay")
    (delivery,) = control("/deliveries", method="GET").json
    assert delivery["next_at"] == (clock.now() + LONGEST_HELD).isoformat()
    clock.advance(minutes=59)
    assert shop.bodies == []
    clock.advance(minutes=1)
    assert attempts(control) == [(200, "success")]


def test_notifications_of_another_trade_overtakes_nothing(control, trade, buyer, merchant, shop):
    buyer.see(buyer.cashier(merchant.page_pay(biz={"out_trade_no": "T2"})))
    inject(control, "out-of-order", out_trade_no="T1")
    control("/trades/T1/pay")
    control("/trades/T2/pay")
    assert [shop.fields(index)["out_trade_no"] for index in range(len(shop.bodies))] == ["T2"]


@pytest.mark.parametrize(
    ("request_name", "sign_type"), [("page_pay", "RSA2"), ("direct_pay", "MD5")]
)
def test_a_notification_is_written_and_signed_in_gbk(
    control, buyer, merchant, shop, clock, request_name, sign_type
):
    buyer.see(buyer.cashier(getattr(merchant, request_name)()))
    inject(control, "gbk")
    shop.text = "fail"
    control("/trades/T1/pay")
    shop.text = "success"
    clock.advance(minutes=4)
    for index in (0, 1):  # it is the same notification, in the same charset
        fields = shop.fields(index, charset="gbk")
        assert fields["subject"] == "Tea 茶"
        assert fields.get("charset") == {"page_pay": "GBK", "direct_pay": None}[request_name]
        content = sign_content(fields, charset="gbk")
        assert merchant.signer(sign_type).verify(content, fields["sign"])
    control("/trades/T1/refund")
    assert shop.fields(2)["subject"] == "Tea 茶"


def test_a_notification_is_repeated_though_it_was_heard(control, trade, shop):
    inject(control, "repeat")
    control(f"{trade}/pay")
    assert len(shop.bodies) == 2
    assert shop.fields(0)["notify_id"] == shop.fields(1)["notify_id"]


@pytest.mark.parametrize("request_name", ["page_pay", "direct_pay"])
def test_a_notification_is_altered_after_it_was_signed(
    control, buyer, merchant, shop, request_name
):
    buyer.see(buyer.cashier(getattr(merchant, request_name)()))
    inject(control, "tamper")
    control("/trades/T1/pay")
    control("/trades/T1/deliver")
    altered, good = shop.fields(0), shop.fields(1)
    amounts = {"page_pay": "total_amount", "direct_pay": "total_fee"}
    assert (altered[amounts[request_name]], good[amounts[request_name]]) == ("0.01", "88.88")
    if request_name == "direct_pay":
        md5 = merchant.signer("MD5")
        assert not md5.verify(sign_content(altered), altered["sign"])
        assert md5.verify(sign_content(good), good["sign"])


def query(merchant):
    return merchant.page_pay(
        method="alipay.trade.query",
        biz={"total_amount": None, "subject": None, "product_code": None},
        notify_url="",
        return_url="",
    )


def test_a_response_is_signed_wrongly_once(control, trade, buyer, merchant):
    good = buyer.open(query(merchant)).text
    inject(control, "wrong-sign", out_trade_no="T1")
    altered = buyer.open(query(merchant)).text
    assert json.loads(altered)["sign"] != json.loads(good)["sign"]
    assert (
        json.loads(altered)["alipay_trade_query_response"]
        == (json.loads(good)["alipay_trade_query_response"])
    )
    assert buyer.open(query(merchant)).text == good


def test_a_response_has_no_signature_once(control, trade, buyer, merchant):
    good = buyer.open(query(merchant)).text
    inject(control, "unsigned", out_trade_no="T1")
    bare = json.loads(buyer.open(query(merchant)).text)
    assert bare == {name: node for name, node in json.loads(good).items() if name != "sign"}
    assert buyer.open(query(merchant)).text == good


def test_a_slow_response_is_waited_for(control, trade, buyer, merchant, monkeypatch):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    inject(control, "slow", seconds=7)
    assert buyer.open(query(merchant)).status_code == 200
    assert waited == [7]


def test_a_response_breaks_off_in_the_middle(control, app, trade, merchant):
    inject(control, "cut-off")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        connection.request("GET", query(merchant).url)
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_kind_is_documented():
    assert set(KINDS) <= words(page("simulator.rst"))
