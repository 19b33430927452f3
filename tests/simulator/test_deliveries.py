from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.notifications.delivery import MAX_DELIVERIES
from flask_alipay.simulator.notifications.notify_ids import NotifyIds
from flask_alipay.simulator.notifications.sender import RETRY_SCHEDULE, NotificationSender
from flask_alipay.simulator.replies import PendingNotification
from flask_alipay.simulator.trades.orders import Order
from flask_alipay.simulator.trades.trades import TradeStore


@pytest.fixture
def notify_ids():
    return NotifyIds()


@pytest.fixture
def deliverer(clock, notify_ids, shop):
    return NotificationSender(clock, notify_ids, compose, shop.post)


@pytest.fixture
def notice():
    return a_notice()


def a_notice(out_trade_no="T1", notify_id="n1", url="https://shop.example/notify"):
    order = Order(
        protocol="openapi",
        method="alipay.trade.page.pay",
        out_trade_no=out_trade_no,
        subject="Tea",
        total_fen=8888,
        charset="utf-8",
        sign_type="RSA2",
    )
    now = datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)
    return PendingNotification(url, notify_id, TradeStore().create(order, now))


def compose(notice, now):
    return f"notify_id={notice.notify_id}&at={now.timestamp():.0f}".encode("ascii")


def test_an_acknowledged_notification_is_sent_once(deliverer, clock, shop, notice):
    delivery = deliverer.deliver(notice)
    clock.advance(days=2)
    assert len(shop.bodies) == 1
    assert delivery.acknowledged
    assert delivery.next_at is None


def test_a_notification_is_a_form(deliverer, shop, notice):
    deliverer.deliver(notice)
    assert shop.headers[0]["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "fail"),
        (200, "success\n"),
        (200, "SUCCESS"),
        (200, " success"),
        (200, "<p>success</p>"),
        (200, "\ufeffsuccess"),
        (200, ""),
        (500, "success"),
        (201, "success"),
        (302, "success"),
    ],
)
def test_only_exactly_success_is_heard(deliverer, clock, shop, notice, status, text):
    shop.status, shop.text = status, text
    delivery = deliverer.deliver(notice)
    assert not delivery.acknowledged
    assert delivery.next_at == clock.now() + timedelta(minutes=4)


def test_it_is_sent_eight_times_in_24_hours_and_24_minutes(deliverer, clock, shop, notice):
    shop.text = "fail"
    begin = clock.now()
    delivery = deliverer.deliver(notice)
    clock.advance(days=3)
    sent = [attempt.sent_at - begin for attempt in delivery.attempts]
    assert sent[1:3] == [timedelta(minutes=4), timedelta(minutes=14)]
    assert sent[-1] == timedelta(hours=24, minutes=24) == sum(RETRY_SCHEDULE, timedelta())
    assert len(sent) == len(shop.bodies) == 8
    assert delivery.next_at is None


def test_success_stops_the_retries(deliverer, clock, shop, notice):
    shop.text = "fail"
    delivery = deliverer.deliver(notice)
    clock.advance(minutes=5)
    shop.text = "success"
    clock.advance(days=3)
    assert [attempt.response for attempt in delivery.attempts] == ["fail", "fail", "success"]


def test_a_retry_is_signed_anew_under_the_same_number(deliverer, clock, shop, notice):
    shop.text = "fail"
    deliverer.deliver(notice)
    clock.advance(minutes=4)
    first, second = shop.bodies
    assert first.startswith(b"notify_id=n1&")
    assert second.startswith(b"notify_id=n1&")
    assert first != second


def test_a_number_is_known_to_notify_verify_while_it_is_being_sent(
    deliverer, clock, shop, notify_ids, notice
):
    seen = []
    shop.on_post = lambda url, body: seen.append(notify_ids.is_recent("n1", clock.now()))
    shop.text = "fail"
    deliverer.deliver(notice)
    clock.advance(minutes=4)
    assert seen == [True, True]


def test_a_notification_to_a_failing_shop_is_retried(deliverer, clock, shop, notice):
    def break_down(url, body):
        raise RuntimeError("secret inside")

    shop.on_post = break_down
    delivery = deliverer.deliver(notice)
    (attempt,) = delivery.attempts
    assert (attempt.status, attempt.response) == (None, "RuntimeError")
    shop.on_post = None
    clock.advance(minutes=4)
    assert delivery.acknowledged


def test_attempts_and_responses_are_stored(deliverer, clock, shop, notice):
    shop.status, shop.text = 404, "x" * 5000
    deliverer.deliver(notice)
    (delivery,) = deliverer.deliveries
    (attempt,) = delivery.attempts
    assert attempt.sent_at == clock.now()
    assert attempt.body == shop.bodies[0]
    assert (attempt.status, attempt.response) == (404, "x" * 200)


def test_the_oldest_deliveries_make_room(deliverer):
    for number in range(MAX_DELIVERIES + 5):
        deliverer.deliver(a_notice(f"T{number}"))
    assert len(deliverer.deliveries) == MAX_DELIVERIES
    assert deliverer.latest("T4") is None
    assert deliverer.latest("T5") is not None


def test_the_latest_delivery_of_an_order_is_found(deliverer):
    deliverer.deliver(a_notice(notify_id="first"))
    deliverer.deliver(a_notice(notify_id="second"))
    assert deliverer.latest("T1").notice.notify_id == "second"


def test_the_log_names_order_and_number_and_no_content(deliverer, notice, caplog):
    caplog.set_level("INFO", "flask_alipay.simulator")
    deliverer.deliver(notice)
    assert "n1 of T1" in caplog.text
    assert "at=" not in caplog.text


def test_a_shop_that_is_not_there_is_not_heard(clock, notify_ids):
    deliverer = NotificationSender(clock, notify_ids, compose)
    notice = a_notice(url="http://127.0.0.1:9/notify")
    (attempt,) = deliverer.deliver(notice).attempts
    assert attempt.status is None
    assert attempt.response == "ConnectionRefusedError"


def test_the_time_is_noted_with_each_sending(clock, notify_ids, shop, notice):
    noted = []
    deliverer = NotificationSender(
        clock, notify_ids, compose, shop.post, note_time=lambda: noted.append(clock.now())
    )
    shop.text = "fail"
    delivery = deliverer.deliver(notice)
    clock.advance(minutes=4)
    deliverer.resend(delivery)
    assert {attempt.sent_at for attempt in delivery.attempts} <= set(noted)


def test_a_slow_server_holds_up_no_notification_to_another(notify_ids):
    opens, entered, notified = threading.Event(), threading.Event(), threading.Event()

    def post(url, body, headers):
        if "slow" in url:
            entered.set()
            assert opens.wait(30)
        else:
            notified.set()
        return 200, "success"

    deliverer = NotificationSender(SystemClock(), notify_ids, compose, post)
    instant = timedelta(milliseconds=1)
    for number in range(3):
        deliverer.enqueue(a_notice(f"T{number}", url="https://slow.example/notify"), instant)
    assert entered.wait(30)
    deliverer.enqueue(a_notice("T9", url="https://quick.example/notify"), instant)
    assert notified.wait(10)
    opens.set()


def test_the_clock_tells_of_one_trade_in_order(notify_ids):
    notified, done = [], threading.Event()

    def post(url, body, headers):
        notified.append(body.partition(b"&")[0])
        if len(notified) == 20:
            done.set()
        return 200, "success"

    deliverer = NotificationSender(SystemClock(), notify_ids, compose, post)
    for number in range(20):
        deliverer.enqueue(a_notice(notify_id=f"n{number}"), timedelta(milliseconds=100))
    assert done.wait(30)
    assert notified == [b"notify_id=n%d" % number for number in range(20)]
