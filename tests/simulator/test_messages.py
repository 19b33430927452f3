"""Messages, which are not about a trade: sent in both forms, repeated, and broken on request."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from flask import Flask

from flask_alipay.signer import sign_content
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.notifications.messages import SAMPLES
from flask_alipay.simulator.openapi.encryption import ServerCipher
from flask_alipay.simulator.replies import FORGER, OTHER_ACCOUNT
from flask_alipay.simulator.web.cashier import simulator_blueprint

from .conftest import NOTIFY_URL, HandClock, Merchant
from .openapi.server import Server
from .openapi.test_rest import Rest

TRANSFER = "alipay.fund.trans.order.changed"
COMPLAINT = "alipay.merchant.tradecomplain.changed"
each_kind = pytest.mark.parametrize("kind", SAMPLES)


@pytest.fixture
def control(app):
    client = app.test_client()

    def control(path, body=None, method="POST"):
        return client.open(f"/alipay{path}", method=method, json=body)

    return control


def verifies(merchant, fields, charset="utf-8"):
    """Whether Alipay signed a message, by the rule of its kind."""
    keeps = fields.get("notify_type") == "servicemarket_order_notify" or "service" in fields
    exclude = ("sign",) if keeps else ("sign", "sign_type")
    content = sign_content(fields, exclude=exclude, charset=charset)
    return merchant.signer("RSA2").verify(content, fields["sign"])


@each_kind
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_message_is_signed_by_the_rule_of_its_kind(simulator, merchant, shop, kind, charset):
    simulator.messages.send(kind, url=NOTIFY_URL, charset=charset)
    fields = shop.fields(charset=charset)
    assert verifies(merchant, fields, charset)
    assert fields["app_id"] == merchant.account.app_id
    assert fields["charset"] == charset
    assert len(fields["notify_id"]) == 34
    if "." in kind:
        assert (fields["msg_method"], fields["version"]) == (kind, "1.1")
        assert json.loads(fields["biz_content"]) == SAMPLES[kind]
        assert fields["utc_timestamp"] == "1769832000000"
        assert "notify_type" not in fields
    else:
        assert (fields["notify_type"], fields["version"]) == (kind, "1.0")
        assert fields.items() >= SAMPLES[kind].items()
        assert fields["notify_time"] == "2026-01-31 12:00:00"
        assert "biz_content" not in fields


def test_the_content_may_be_encrypted(simulator, merchant, shop):
    simulator.messages.send(TRANSFER, {"a": "茶"}, url=NOTIFY_URL, encrypted=True)
    fields = shop.fields()
    assert verifies(merchant, fields)
    assert fields["encrypt_type"] == "AES"
    decrypted = ServerCipher(merchant.account.aes_key).decrypt(fields["biz_content"])
    assert json.loads(decrypted) == {"a": "茶"}


def test_a_message_is_repeated_on_its_own_schedule(simulator, shop, clock):
    shop.text = "fail"
    simulator.messages.send(TRANSFER, url=NOTIFY_URL)
    times = [clock.now()]
    shop.on_post = lambda url, body: times.append(clock.now())
    clock.advance(hours=30)
    minutes = [(later - times[0]) // timedelta(minutes=1) for later in times]
    assert minutes == [0, 2, 12, 22, 82, 202, 562, 1462]
    assert len({shop.fields(index)["notify_id"] for index in range(8)}) == 1
    assert len({shop.fields(index)["utc_timestamp"] for index in range(8)}) == 8


def test_a_message_that_is_acknowledged_is_not_repeated(simulator, shop, clock):
    simulator.messages.send(TRANSFER, url=NOTIFY_URL)
    clock.advance(hours=30)
    assert len(shop.bodies) == 1


@pytest.mark.parametrize(
    ("kind", "messages"), [("drop", 0), ("repeat", 2), ("delay", 0), ("tamper", 1), ("gbk", 1)]
)
def test_a_fault_happens_to_a_message(simulator, merchant, shop, clock, kind, messages):
    simulator.faults.add(Fault(kind, out_trade_no="T2001"))
    simulator.messages.send(TRANSFER, url=NOTIFY_URL)
    assert len(shop.bodies) == messages
    if messages:
        charset = "gbk" if kind == "gbk" else "utf-8"
        fields = shop.fields(charset=charset)
        assert fields["charset"].lower() == charset
        assert verifies(merchant, fields, charset) is (kind != "tamper")
    clock.advance(minutes=5)
    assert len(shop.bodies) == max(messages, 1)


def test_a_fault_of_another_number_does_not_happen_to_a_message(simulator, shop):
    simulator.faults.add(Fault("drop", out_trade_no="T1"))
    simulator.messages.send(TRANSFER, url=NOTIFY_URL)
    assert len(shop.bodies) == 1


def test_a_forged_message_has_another_signature(simulator, merchant, shop):
    simulator.messages.send(TRANSFER, url=NOTIFY_URL, sender=FORGER)
    fields = shop.fields()
    assert not verifies(merchant, fields)
    simulator.messages.send(TRANSFER, url=NOTIFY_URL, sender=OTHER_ACCOUNT)
    fields = shop.fields()
    assert verifies(merchant, fields)
    assert fields["app_id"] != merchant.account.app_id


# The address


def test_the_address_is_that_of_a_trade_unless_another_was_given(
    simulator, buyer, merchant, shop, control
):
    refused = control("/messages", {"kind": TRANSFER})
    assert (refused.status_code, refused.json["error"][:4]) == (400, "url ")
    buyer.cashier(merchant.page_pay())
    control("/messages", {"kind": TRANSFER})
    control("/messages", {"kind": TRANSFER, "url": "https://shop.example/gateway"})
    control("/messages", {"kind": TRANSFER})
    urls = [each.notice.url for each in simulator.deliverer.deliveries]
    assert urls == [NOTIFY_URL, *["https://shop.example/gateway"] * 2]


def test_the_control_shows_the_kinds_with_samples(control):
    shown = control("/messages", method="GET").json
    assert shown == {"url": "", "kinds": {kind: dict(SAMPLES[kind]) for kind in SAMPLES}}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": 1},
        {"kind": "a b"},
        {"kind": "a.b", "content": []},
        {"kind": "a.b", "content": {"a": "x" * 20_001}},
        {"kind": "a.b", "url": "notify"},
        {"kind": "a.b", "url": 5},
        {"kind": "a.b", "charset": "utf-16"},
        {"kind": "dut_user_sign", "encrypted": True},
        {"kind": "a.b", "sender": "forger"},
    ],
)
def test_the_control_rejects_a_wrong_message(control, shop, wrong):
    answer = control("/messages", {"url": NOTIFY_URL, **wrong})
    assert (answer.status_code, shop.bodies) == (400, [])
    assert answer.json["error"]


def test_the_control_sends_a_message_again(control, shop):
    sent = control("/messages", {"kind": TRANSFER, "url": NOTIFY_URL}).json
    assert (sent["heard"], sent["out_trade_no"]) == (True, "T2001")
    control(f"/deliveries/{sent['notify_id']}/deliver")
    assert len(shop.bodies) == 2


def test_an_address_that_does_not_answer_the_probe_is_not_activated(control, merchant, shop):
    assert control("/messages/activate", {"url": NOTIFY_URL}).json == {"activated": False}
    fields = shop.fields(charset="GBK")
    assert fields["service"] == "alipay.service.check"
    assert verifies(merchant, fields, "GBK")
    shop.text = shop.bodies[0].decode()
    assert control("/messages/activate").json == {"activated": False}


# State


def test_messages_complaints_and_the_address_survive_a_restart(tmp_path, shop):
    clock, later, path = HandClock(), HandClock(), tmp_path / "state"
    shop.text = "fail"
    first = Simulator(post=shop.post, clock=clock, state=path)
    first.messages.send(COMPLAINT, url=NOTIFY_URL)
    first.close()
    shop.text = "success"
    second = Simulator(post=shop.post, clock=later, state=path, merchant=first.merchant)
    later.advance(minutes=2)
    assert len(shop.bodies) == 2
    assert shop.fields(0)["notify_id"] == shop.fields(1)["notify_id"]
    assert second.messages.url == NOTIFY_URL
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(second), url_prefix="/alipay")
    server = Server(app, Merchant(second, later))
    number = SAMPLES[COMPLAINT]["complain_event_id"]
    node = server.call("alipay.merchant.tradecomplain.query", {"complain_event_id": number})
    assert node["complain_event_id"] == number
    second.close()


# Complaints


def test_a_complaint_is_queried_with_its_trade(simulator, server, app, merchant):
    barcode_order = {"scene": "bar_code", "auth_code": "2812345678901234"}
    order = {"out_trade_no": "T1", "total_amount": "88.88", "subject": "Tea"}
    server.call("pay", {**order, **barcode_order})
    simulator.messages.send(COMPLAINT, {"complain_event_id": "20260131001"}, url=NOTIFY_URL)
    method = "alipay.merchant.tradecomplain.query"
    node = server.call(method, {"complain_event_id": "20260131001"})
    assert (node["merchant_order_no"], node["trade_amount"]) == ("T1", "88.88")
    assert node["status"] == "MERCHANT_PROCESSING"
    rest = Rest(app, merchant)
    newer = rest.call("/v3/alipay/merchant/tradecomplain/20260131001")
    assert newer == {name: value for name, value in node.items() if name not in ("code", "msg")}


def test_an_unknown_complaint_is_rejected(server, app, merchant):
    method = "alipay.merchant.tradecomplain.query"
    assert server.refused(method, {"complain_event_id": "1"}) == "PARAM_ILLEGAL"
    assert server.refused(method, {}) == "PARAM_ILLEGAL"
    response = Rest(app, merchant).send("/v3/alipay/merchant/tradecomplain/1")
    assert (response.status_code, response.json["code"]) == (400, "PARAM_ILLEGAL")


@pytest.fixture
def server(app, merchant):
    return Server(app, merchant)


def test_the_charset_of_a_message_is_that_of_its_bytes(simulator, shop):
    simulator.messages.send(TRANSFER, {"a": "茶"}, url=NOTIFY_URL, charset="gbk")
    assert b"%B2%E8" in shop.bodies[0]
