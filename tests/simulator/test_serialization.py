from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.notifications.delivery import Attempt, DeliveryState
from flask_alipay.simulator.replies import PendingNotification
from flask_alipay.simulator.storage.serialization import InvalidDocument, dump, load
from flask_alipay.simulator.trades.batches import Batch, BatchEntry, Outcome
from flask_alipay.simulator.trades.orders import Order
from flask_alipay.simulator.trades.trades import Refund, Trade, TradeSettlement
from flask_alipay.simulator.trades.transfers import Transfer

INSTANT = datetime(2026, 1, 31, 4, 0, 0, 123456, tzinfo=timezone.utc)
ORDER = Order("openapi", "alipay.trade.page.pay", "T1", "Tea 茶", 8888, "utf-8", "RSA2")
TRADE = Trade(ORDER, "2026013122001000000000000000", "secret", INSTANT)

NOTICE = PendingNotification("https://shop.example", "n1", TRADE)

instants = st.datetimes(timezones=st.just(timezone.utc))
texts, numbers = st.text(max_size=10), st.integers(-(10**12), 10**12)
optional_instants = st.none() | instants
orders = st.builds(
    Order, expires_at=optional_instants, echo=st.dictionaries(texts, texts, max_size=3)
)
trades = st.builds(
    Trade,
    order=orders,
    created_at=instants,
    opened_at=optional_instants,
    status=texts,
    ended_by=st.none() | texts,
    paid_at=optional_instants,
    finished_at=optional_instants,
    refunds=st.lists(st.builds(Refund, at=instants), max_size=2).map(tuple),
    settlements=st.lists(st.builds(TradeSettlement, at=instants), max_size=2).map(tuple),
)
entries = st.builds(BatchEntry, account=texts, name=texts)
batches = st.builds(
    Batch,
    entries=st.lists(entries, max_size=2).map(tuple),
    outcomes=st.lists(st.builds(Outcome, entry=entries, error=texts), max_size=2).map(tuple),
    batch_id=texts,
    ended_at=optional_instants,
)
attempts = st.builds(Attempt, sent_at=instants)
courses = st.builds(
    DeliveryState,
    attempts=st.lists(attempts, max_size=2).map(tuple),
    next_at=optional_instants,
    scheduled=numbers,
    delayed=st.booleans(),
)
things = st.one_of(
    st.tuples(st.just(Trade), trades),
    st.tuples(st.just(Batch), batches),
    st.tuples(
        st.just(PendingNotification),
        st.builds(PendingNotification, about=trades | batches, sender=texts),
    ),
    st.tuples(st.just(DeliveryState), courses),
    st.tuples(st.just(Fault), st.builds(Fault, seconds=st.floats(allow_nan=False))),
    st.tuples(st.just(Transfer), st.builds(Transfer, at=instants)),
    st.tuples(st.just(datetime), instants),
)


@given(things)
def test_what_is_written_is_read_again(pair):
    kind, thing = pair
    assert load(dump(thing), kind) == thing


def test_a_document_is_readable():
    assert json.loads(dump(TRADE)) == {
        "type": "Trade",
        "order": {
            "type": "Order",
            "protocol": "openapi",
            "method": "alipay.trade.page.pay",
            "out_trade_no": "T1",
            "subject": "Tea 茶",
            "total_fen": 8888,
            "charset": "utf-8",
            "sign_type": "RSA2",
            "echo": {},
        },
        "trade_no": "2026013122001000000000000000",
        "cashier_id": "secret",
        "created_at": "2026-01-31T04:00:00.123456+00:00",
    }


def test_what_a_notice_is_about_is_named():
    assert json.loads(dump(NOTICE))["about"]["type"] == "Trade"


def test_bytes_are_their_text():
    attempt = Attempt(INSTANT, b"a=%E8%8C%B6", 200, "success")
    assert json.loads(dump(attempt))["body"] == "a=%E8%8C%B6"


@pytest.mark.parametrize(
    "change",
    [
        {"status": 1},
        {"paid_at": "yesterday"},
        {"paid_at": "2026-01-31T04:00:00"},
        {"refunds": {}},
        {"refunds": [{"number": "1"}]},
        {"order": None},
        {"order": []},
        {"unheard_of": 1},
        {"type": "Order"},
        {"trade_no": None},
    ],
    ids=str,
)
def test_what_is_something_else_is_unreadable(change):
    document = {**json.loads(dump(TRADE)), **change}
    with pytest.raises(InvalidDocument):
        load(json.dumps(document), Trade)


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"order": {}}], ids=str)
def test_what_is_no_trade_at_all_is_unreadable(document):
    with pytest.raises(InvalidDocument):
        load(json.dumps(document), Trade)


@pytest.mark.parametrize("about", [{}, {"type": "Boat"}, {"type": "Trade"}, None], ids=str)
def test_a_notice_about_something_else_is_unreadable(about):
    document = {**json.loads(dump(NOTICE)), "about": about}
    with pytest.raises(InvalidDocument):
        load(json.dumps(document), PendingNotification)


def test_an_unsupported_type_cannot_be_stored():
    with pytest.raises(TypeError):
        dump({1})
