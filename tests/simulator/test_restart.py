"""A simulator with a state file goes on where it was, whatever it was doing."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_alipay.signer import sign_content
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.clock import ClockOffset
from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.notifications.delivery import DeliveryState, DeliveryStore
from flask_alipay.simulator.replies import FORGER, PendingNotification
from flask_alipay.simulator.storage.sqlite import SqliteStorage
from flask_alipay.simulator.storage.storage import PersistentDict
from flask_alipay.simulator.trades.orders import TradeEvent
from flask_alipay.simulator.trades.trades import Trade, TradeStore
from flask_alipay.simulator.web.cashier import simulator_blueprint

from .conftest import Buyer, HandClock, Merchant
from .openapi.server import ORDER, Server
from .openapi.test_preauthorizations import BAR_CODE, FREEZE, amounts, capture, fund, query
from .test_deliveries import a_notice

HOUR = timedelta(hours=1)


class World:
    """A shop, and a simulator that is started again and again."""

    def __init__(self, path, shop):
        self.path, self.shop = path, shop
        self.clock = HandClock()
        self.start()

    def start(self):
        self.simulator = Simulator(post=self.shop.post, clock=self.clock, state=self.path)
        app = Flask(__name__)
        app.register_blueprint(simulator_blueprint(self.simulator), url_prefix="/alipay")
        self.merchant = Merchant(self.simulator, self.clock)
        self.server = Server(app, self.merchant)
        self.buyer = Buyer(app)
        self.client = app.test_client()

    def restart(self, *, after=timedelta(0)):
        """Starts another one in a new process's clock, some time after the first had ended."""
        time = self.clock.now()
        self.simulator.close()
        self.clock = HandClock()
        if after:
            self.clock.time = time + after
        self.start()

    def kill(self, *, after=timedelta(0)):
        """Starts another one, some time after somebody killed the first: it notes nothing more."""
        self.forget_the_time()
        self.restart(after=after)

    def forget_the_time(self):
        """Has the first one note no more what time it is."""
        self.simulator._offset._stored = PersistentDict(None, "clock", ClockOffset)

    def shown(self, path):
        return self.client.get(f"/alipay{path}").json

    def wap(self):
        """A cashier page."""
        return self.buyer.cashier(self.merchant.page_pay())


@pytest.fixture
def world(tmp_path, shop):
    world = World(tmp_path / "state.db", shop)
    yield world
    world.simulator.close()


def paid(world, method="page_pay"):
    page = world.buyer.cashier(getattr(world.merchant, method)())
    return world.buyer.press(page, "pay")


def test_trades_are_as_they_were(world):
    paid(world)
    world.server.call(
        "refund", {"out_trade_no": "T1", "refund_amount": "1.00", "out_request_no": "R1"}
    )
    (trade,) = world.simulator.trades.all()
    settle = {
        "trade_no": trade.trade_no,
        "out_request_no": "S1",
        "royalty_parameters": [{"trans_in": "2088000000000009", "amount": "2.00"}],
    }
    settle_no = world.server.call("order.settle", settle)["settle_no"]
    world.server.call("precreate", {**ORDER, "out_trade_no": "T2"})
    before = world.simulator.trades.all()
    world.restart()
    assert world.simulator.trades.all() == before
    assert world.simulator.trades.by_trade_no(trade.trade_no) == before[0]
    assert world.server.call("order.settle", settle)["settle_no"] == settle_no


def test_a_buyer_goes_on_at_the_cashier(world):
    page = world.wap()
    world.restart()
    assert "88.88" in world.buyer.see(page).text
    assert world.buyer.press(page, "pay").status_code == 303
    assert world.shop.fields()["trade_status"] == "TRADE_SUCCESS"


def test_what_the_control_shows_is_the_same(world):
    world.shop.text = "fail"
    paid(world)
    world.simulator.faults.add(Fault("drop", times=3))
    before = [world.shown(path) for path in ("/trades", "/deliveries", "/faults")]
    world.restart()
    assert [world.shown(path) for path in ("/trades", "/deliveries", "/faults")] == before
    assert len(before[1][0]["attempts"]) == 1


def test_a_batch_waits_on_its_page_and_its_number_stays_used(world):
    paid(world)
    (trade,) = world.simulator.trades.all()
    batch = {
        "notify_url": "https://shop.example/notify",
        "seller_user_id": world.merchant.account.partner,
        "refund_date": "2026-01-31 12:00:00",
        "batch_no": "20260131001",
        "batch_num": "1",
        "detail_data": f"{trade.trade_no}^1.00^broken",
    }
    sign = world.merchant.call("refund_fastpay_by_platform_pwd", **batch)
    page = world.buyer.cashier(sign)
    world.restart()
    assert world.buyer.press(page, "confirm").status_code == 303
    shown = [world.shop.fields(index) for index in range(len(world.shop.bodies))]
    assert f"{trade.trade_no}^1.00^SUCCESS" in [one.get("result_details") for one in shown]
    world.restart()
    assert world.buyer.open(sign).status_code == 400
    assert world.simulator.trades.by_out_trade_no("T1").refunded_fen == 100


def test_transfers_are_known(world):
    method = "alipay.fund.trans.uni.transfer"
    transfer = {
        "out_biz_no": "M1",
        "trans_amount": "1.00",
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
        "payee_info": {"identity_type": "ALIPAY_USER_ID", "identity": "2088000000000002"},
    }
    made = world.server.call(method, transfer, **world.server.certified)
    world.restart()
    again = world.server.call(method, transfer, **world.server.certified)
    assert again["order_id"] == made["order_id"]


def test_the_address_of_a_bill_is_good_until_its_time_is_over(world):
    paid(world)
    day = {"bill_type": "trade", "bill_date": "2026-01-31"}
    answer = world.server.call("alipay.data.dataservice.bill.downloadurl.query", day)
    path = urlsplit(answer["bill_download_url"]).path
    world.restart()
    assert world.client.get(path).data.startswith(b"PK")
    world.restart(after=timedelta(seconds=40))
    assert world.client.get(path).status_code == 404


def test_a_key_against_phishing_is_good_once(world):
    answer = world.client.get(world.merchant.call("query_timestamp").url)
    (key,) = re.findall(r"<encrypt_key>(.*)</encrypt_key>", answer.text)
    world.restart()
    order = world.merchant.direct_pay(anti_phishing_key=key)
    assert world.buyer.open(order).status_code == 303
    world.restart()
    assert world.buyer.open(order).status_code == 400


def test_codes_to_scan_are_known(world):
    common = {"timestamp": "2026-01-31 12:00:00", "biz_type": "10", "biz_data": "{}"}
    sign = world.merchant.call
    made = world.client.get(sign("alipay.mobile.qrcode.manage", method="add", **common).url)
    (code,) = re.findall(r"<qrcode>(.*)</qrcode>", made.text)
    world.restart()
    stop = sign("alipay.mobile.qrcode.manage", method="stop", qrcode=code, **common)
    assert "SUCCESS" in world.client.get(stop.url).text


def verified(world, notify_id):
    query = {
        "service": "notify_verify",
        "partner": world.merchant.account.partner,
        "notify_id": notify_id,
    }
    return world.client.get("/alipay/gateway.do", query_string=query).text


def test_a_notification_and_a_return_can_still_be_verified(world):
    back = paid(world, "direct_pay").location
    ids = [world.shop.fields()["notify_id"], *parse_qs(urlsplit(back).query)["notify_id"]]
    world.restart()
    assert [verified(world, notify_id) for notify_id in ids] == ["true", "true"]
    world.restart(after=timedelta(minutes=2))
    assert [verified(world, notify_id) for notify_id in ids] == ["false", "false"]


def test_the_time_goes_on_from_where_it_was_put(world):
    world.simulator.advance(25 * HOUR)
    before = world.clock.now()
    world.restart()
    assert timedelta(0) <= world.clock.now() - before < HOUR


def test_the_time_never_is_refunded(world):
    world.simulator.advance(HOUR)
    world.restart(after=5 * HOUR)
    assert world.clock.now() >= HandClock().now() + 6 * HOUR


def test_the_time_does_not_go_back_behind_a_sending_whose_process_was_killed(world):
    world.shop.text = "fail"
    paid(world)
    world.clock.advance(minutes=4)
    sent = world.simulator.deliverer.deliveries[0].attempts[-1].sent_at
    world.kill()
    assert sent <= world.clock.now() < sent + timedelta(minutes=1)


def test_a_file_that_knows_a_later_time_than_its_clock_sets_the_clock(world):
    world.forget_the_time()
    world.clock.advance(minutes=30)
    paid(world)
    instant = world.clock.now()
    world.kill()
    assert world.clock.now() == instant


def test_a_trade_that_was_let_expire_early_does_not_set_the_clock(world):
    limit = timedelta(minutes=90)
    world.buyer.cashier(world.merchant.page_pay(biz={"timeout_express": "90m"}))
    world.simulator.apply_event("T1", TradeEvent.EXPIRE)
    before = world.clock.now()
    world.kill()
    assert world.clock.now() < before + limit / 2


# Notifications.


def test_retries_go_on_on_schedule(world):
    world.shop.text = "fail"
    paid(world)
    world.clock.advance(minutes=5)  # two sendings; the third is due ten minutes after the second
    due = world.simulator.deliverer.deliveries[0].next_at
    world.restart(after=timedelta(minutes=1))
    assert len(world.shop.bodies) == 2
    world.clock.advance(due - world.clock.now() - timedelta(seconds=1))
    assert len(world.shop.bodies) == 2
    world.shop.text = "success"
    world.clock.advance(seconds=1)
    assert len(world.shop.bodies) == 3
    assert len({world.shop.fields(index)["notify_id"] for index in range(3)}) == 1
    world.restart()
    world.clock.advance(days=3)
    assert len(world.shop.bodies) == 3


def test_what_fell_due_meanwhile_is_sent_at_the_start(world):
    world.shop.text = "fail"
    paid(world)
    world.restart(after=2 * HOUR)
    world.clock.advance(timedelta(0))
    (delivery,) = world.simulator.deliverer.deliveries
    assert len(delivery.attempts) == 2
    assert delivery.next_at == world.clock.now() + timedelta(minutes=10)


def test_after_the_last_repetition_there_is_none(world):
    world.shop.text = "fail"
    paid(world)
    world.clock.advance(days=2)
    world.restart(after=HOUR)
    world.clock.advance(days=2)
    assert len(world.shop.bodies) == 8


def test_a_sending_that_was_cut_short_is_made_again(world):
    def die(url, body):
        raise KeyboardInterrupt

    world.shop.on_post = die
    with pytest.raises(KeyboardInterrupt):
        world.simulator.deliverer.deliver(a_notice())
    world.shop.on_post = None
    world.restart()
    world.clock.advance(timedelta(0))
    assert len(world.shop.bodies) == 2
    (delivery,) = world.simulator.deliverer.deliveries
    assert [attempt.acknowledged for attempt in delivery.attempts] == [True]


def test_a_notification_that_waits_for_a_response_is_sent(world):
    paid(world)
    world.server.call("refund", {"out_trade_no": "T1", "refund_amount": "88.88"})
    assert len(world.shop.bodies) == 1  # told half a second after the answer
    world.restart()
    world.clock.advance(seconds=1)
    assert world.shop.fields()["refund_fee"] == "88.88"


def test_one_that_waits_to_be_overtaken_is_overtaken(world):
    world.simulator.faults.add(Fault("out-of-order"))
    paid(world)
    assert world.shop.bodies == []
    world.restart()
    world.simulator.apply_event("T1", TradeEvent.FINISH)
    shown = [world.shop.fields(index)["trade_status"] for index in range(2)]
    assert shown == ["TRADE_FINISHED", "TRADE_SUCCESS"]
    world.clock.advance(days=2)
    assert len(world.shop.bodies) == 2


def test_a_forged_one_stays_forged(world):
    world.shop.text = "fail"
    (trade,) = [world.simulator.trades.by_cashier(world.wap().rpartition("/")[2])]
    notice = world.simulator.dialects.notice(trade.opened(world.clock.now()))
    world.simulator.deliverer.deliver(
        type(notice)(notice.url, notice.notify_id, notice.about, FORGER)
    )
    world.restart()
    world.clock.advance(minutes=5)
    fields = world.shop.fields()
    assert len(world.shop.bodies) == 2
    assert not world.merchant.signer("RSA2").verify(sign_content(fields), fields["sign"])


# Time limits.


def test_a_trade_still_has_its_time_limit(world):
    world.buyer.see(world.buyer.cashier(world.merchant.page_pay(biz={"timeout_express": "5m"})))
    world.restart()
    world.clock.advance(minutes=4)
    assert world.shop.bodies == []
    world.clock.advance(minutes=1)
    assert world.shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_a_trade_whose_time_ran_out_meanwhile_is_notified_at_the_start(world):
    world.buyer.see(world.buyer.cashier(world.merchant.page_pay(biz={"timeout_express": "5m"})))
    world.restart(after=HOUR)
    world.clock.advance(timedelta(0))
    assert world.shop.fields()["trade_status"] == "TRADE_CLOSED"
    world.restart(after=HOUR)
    world.clock.advance(timedelta(0))
    assert len(world.shop.bodies) == 1


# What makes room in memory makes room in the file.


@pytest.fixture
def file(tmp_path):
    file = SqliteStorage(tmp_path / "small.db")
    yield file
    file.close()


def test_the_oldest_trades_leave_the_file_as_well(file, world):
    store = TradeStore(2, file)
    for number in ("T1", "T2", "T3"):
        store.create(a_notice(number).about.order, world.clock.now())
    assert [key for key, _ in file.read("trades", Trade)] == ["T2", "T3"]


def test_the_oldest_deliveries_leave_the_file_as_well(file, world):
    deliveries = DeliveryStore(2, file)
    made = [deliveries.add(a_notice(number), world.clock.now()) for number in ("T1", "T2", "T3")]
    deliveries.keep(made[0])  # its repetitions go on, but it does not come back
    assert [key for key, _ in file.read("deliveries", DeliveryState)] == ["2", "3"]
    assert [key for key, _ in file.read("notices", PendingNotification)] == ["2", "3"]
    assert [d.notice.out_trade_no for d in DeliveryStore(2, file).all()] == ["T2", "T3"]


def test_a_simulator_that_gave_its_file_up_works_on(world):
    world.simulator.close()
    paid(world)
    assert world.shown("/trades")[0]["trade_status"] == "TRADE_SUCCESS"


# Pre-authorisations


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_a_frozen_amount_outlives_the_process(world, end):
    fund(world.server, "order.freeze", {**FREEZE, **BAR_CODE})
    world.clock.advance(seconds=1)
    frozen = query(world.server)
    world.server.call("pay", capture(frozen))
    getattr(world, end)(after=HOUR)
    node = query(world.server)
    assert (node["order_status"], *amounts(node)) == ("AUTHORIZED", "500.00", "100.00", "400.00")
    assert node["auth_no"] == frozen["auth_no"]
    assert world.server.refused("pay", capture(frozen)) == "ACQ.TRADE_HAS_SUCCESS"
    world.clock.advance(days=30)
    assert query(world.server)["order_status"] == "FINISH"
    assert world.shop.fields()["notify_type"] == "fund_auth_unfreeze"


def test_the_time_to_authorise_passes_while_no_process_runs(world):
    voucher = fund(world.server, "order.voucher.create", FREEZE)
    page = urlsplit(voucher["code_value"]).path
    world.buyer.see(page)
    world.restart(after=HOUR)
    assert "timed out" in world.buyer.see(page).text
    assert query(world.server)["order_status"] == "CLOSED"


def test_a_message_that_was_not_acknowledged_is_sent_by_the_next_process(world):
    world.shop.text = "fail"
    fund(world.server, "order.freeze", {**FREEZE, **BAR_CODE})
    world.clock.advance(seconds=1)
    world.kill()
    world.shop.text = "success"
    world.clock.advance(hours=25)
    sent = [world.shop.fields(index) for index in (0, -1)]
    assert len({one["notify_id"] for one in sent}) == 1
    assert sent[-1]["notify_type"] == "fund_auth_freeze"
