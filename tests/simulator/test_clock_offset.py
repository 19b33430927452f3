"""The simulator's time is put on; that of the merchant's machine is not, and what it signs is taken
all the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from flask import Flask

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.clock import SystemClock, clock_offset, zero_offset
from flask_alipay.simulator.openapi import RestRequest
from flask_alipay.simulator.web.cashier import simulator_blueprint
from flask_alipay.simulator.web.forms import RawForm

from .conftest import HandClock, Merchant
from .openapi.server import Server

HALF_A_YEAR = timedelta(days=180)
LATE = timedelta(hours=25)


def machine() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture
def simulator(shop):
    simulator = Simulator(post=shop.post, clock=SystemClock())
    simulator.advance(HALF_A_YEAR)
    return simulator


def queried(simulator, instant):
    """What is said to a question whose timestamp is of that moment."""
    clock = HandClock()
    clock.time = instant
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
    server = Server(app, Merchant(simulator, clock))
    return server.call("query", {"out_trade_no": "nobody"})["sub_code"]


@pytest.mark.parametrize("off", [timedelta(0), timedelta(hours=-23), HALF_A_YEAR / 2, HALF_A_YEAR])
def test_a_merchant_who_lives_by_the_machines_time_is_served(simulator, off):
    assert queried(simulator, machine() + off) == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("off", [-LATE, HALF_A_YEAR + LATE])
def test_what_is_of_neither_time_is_rejected(simulator, off):
    assert queried(simulator, machine() + off) == "isv.invalid-timestamp"


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (timedelta(0), "missing-nonce"),
        (HALF_A_YEAR, "missing-nonce"),
        (timedelta(minutes=-11), "invalid-timestamp"),
        (HALF_A_YEAR + timedelta(minutes=11), "invalid-timestamp"),
    ],
)
def test_version_3_is_worn_likewise(simulator, off, code):
    stamp = int((machine() + off).timestamp() * 1000)
    response = f"app_id={simulator.merchant.app_id},timestamp={stamp}"
    request = RestRequest(
        "POST",
        "alipay/trade/query",
        "",
        ("/v3/alipay/trade/query",),
        b"{}",
        {"authorization": f"ALIPAY-SHA256withRSA {response},sign=x"},
    )
    answer = simulator.reply_v3(request, "").body.decode()
    wanted = "invalid-timestamp" if code == "invalid-timestamp" else "nonce"
    assert wanted in answer


@pytest.mark.parametrize(
    ("off", "refused"), [(timedelta(0), False), (HALF_A_YEAR, False), (-LATE, True)]
)
def test_a_batch_is_of_the_merchants_today_or_of_ours(simulator, off, refused):
    batch = {
        "batch_no": format_china_time(machine() + off)[:10].replace("-", "") + "001",
        "refund_date": format_china_time(machine() + off),
        "batch_num": "1",
        "detail_data": "2026020322001^1.00^torn",
    }
    requested = Merchant(simulator, HandClock()).call("refund_fastpay_by_platform_nopwd", **batch)
    answer = simulator.reply(RawForm(requested.url.partition("?")[2].encode()))
    assert (b"BATCH_NO_FORMAT_ERROR" in answer.body) is refused


def test_another_clock_is_the_merchants_too():
    clock = HandClock()
    assert clock_offset(clock) == zero_offset() == timedelta(0)


def test_a_clock_that_was_put_on_says_how_far():
    clock = SystemClock()
    assert timedelta(0) <= clock_offset(clock) < timedelta(seconds=1)
    clock.advance(HALF_A_YEAR)
    assert abs(clock_offset(clock) - HALF_A_YEAR) < timedelta(seconds=1)
