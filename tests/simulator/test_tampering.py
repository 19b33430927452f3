"""What may become of a signed notification on its way, in each of the three protocols."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote_to_bytes

import pytest

from flask_alipay.signer import sign_content
from flask_alipay.simulator.notifications.tampering import corrupt_text, tamper_amount
from flask_alipay.simulator.protocols import with_charset
from flask_alipay.simulator.trades.batches import REFUNDS, TRANSFERS, Batch, BatchEntry
from flask_alipay.simulator.trades.orders import Order, TradeEvent

PROTOCOLS = ["openapi", "mapi", "wap"]


@pytest.fixture
def notice(simulator, clock):
    def notice(protocol, event=TradeEvent.PAY, **more):
        order = Order(
            **{
                "protocol": protocol,
                "method": "m",
                "out_trade_no": "T1",
                "subject": "Tea 茶",
                "total_fen": 8888,
                "charset": "utf-8",
                "sign_type": "RSA",
                "notify_url": "https://shop.example/notify",
                **more,
            }
        )
        trade = simulator.trades.create(order, clock.now()).apply_event(event, clock.now())
        return simulator.dialects.notice(trade)

    return notice


@pytest.fixture
def notified_of(simulator):
    """What the merchant is told of a batch."""

    def notified_of(kind, entry):
        batch = Batch(kind, "20260131001", (entry,), "utf-8", "MD5", "https://shop.example/notify")
        simulator.batches.create(batch)
        assert simulator.complete_batch(batch.batch_id, confirm=True) is not None
        return simulator.deliverer.deliveries[-1].notice

    return notified_of


@pytest.fixture
def compose(simulator, clock):
    return lambda notice: simulator.dialects.compose(notice, clock.now())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_amount_is_all_that_changes(notice, compose, protocol):
    body = compose(notice(protocol))
    changed = tamper_amount(body)
    assert body.count(b"88.88") > changed.count(b"88.88")
    assert changed.replace(b"0.01", b"88.88", 1) == body


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_least_amount_becomes_another(notice, compose, protocol):
    body = compose(notice(protocol, total_fen=1))
    changed = tamper_amount(body)
    assert changed != body
    assert changed.replace(b"0.02", b"0.01", 1) == body


@pytest.mark.parametrize("alter", [tamper_amount, corrupt_text])
def test_notifications_of_foreign_money_are_altered_as_well(notice, compose, alter):
    body = compose(
        notice("mapi", TradeEvent.SETTLE, currency="USD", payment_events=(TradeEvent.SETTLE,))
    )
    assert alter(body) != body


ENTRIES = {
    "a refund": (REFUNDS, BatchEntry("2026013122001000000000000001", 888, "8.88", "茶")),
    "a refund of the least": (REFUNDS, BatchEntry("2026013122001000000000000001", 1, "0.01", "")),
    "a transfer": (TRANSFERS, BatchEntry("1", 888, "8.88", "茶", "tea@shop.example", "李四")),
    "a transfer of the least": (
        TRANSFERS,
        BatchEntry("序1", 1, "0.01", "", "tea@shop.example", "Li"),
    ),
    "a transfer that fails": (
        TRANSFERS,
        BatchEntry("1", 888, "8.88", "", "nobody@shop.example", "Li"),
    ),
}


@pytest.mark.parametrize(("kind", "entry"), ENTRIES.values(), ids=ENTRIES)
def test_the_amount_is_all_that_changes_in_a_batch(notified_of, compose, merchant, kind, entry):
    body = compose(notified_of(kind, entry))
    changed = tamper_amount(body)
    other = b"0.02" if entry.amount == "0.01" else b"0.01"
    assert changed != body
    assert changed.replace(b"%%5E%s%%5E" % other, f"%5E{entry.amount}%5E".encode(), 1) == body
    fields = dict(parse_qsl(changed.decode("ascii")))
    assert not merchant.signer("MD5").verify(sign_content(fields), fields["sign"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_garbled_text_is_none_in_any_charset(notice, compose, protocol):
    body = compose(notice(protocol))
    changed = unquote_to_bytes(corrupt_text(body))
    assert changed.replace(b"\xff", b"") == unquote_to_bytes(body)
    for charset in ("utf-8", "gbk", "gb18030"):
        with pytest.raises(UnicodeDecodeError):
            changed.decode(charset)


@pytest.mark.parametrize(("protocol", "charset"), [("openapi", "gbk"), ("mapi", "gbk")])
def test_another_charset_is_written_and_signed(notice, compose, merchant, protocol, charset):
    body = compose(with_charset(notice(protocol), charset))
    fields = dict(parse_qsl(body.decode("ascii"), encoding=charset, errors="strict"))
    assert fields["subject"] == "Tea 茶"
    content = sign_content(fields, charset=charset)
    assert merchant.signer("RSA").verify(content, fields["sign"])


def test_the_older_gateway_for_phones_tells_it_in_utf_8_all_the_same(notice, compose):
    notified = notice("wap")
    body, requested = compose(notified), compose(with_charset(notified, "gbk"))
    assert "Tea 茶".encode() in unquote_to_bytes(requested)
    assert body == requested


def test_a_batch_is_notified_in_another_charset_as_well(notified_of, compose, merchant):
    notified = notified_of(REFUNDS, BatchEntry("2026013122001000000000000001", 888, "8.88", "茶"))
    fields = dict(parse_qsl(compose(with_charset(notified, "gbk")).decode("ascii"), encoding="gbk"))
    assert merchant.signer("MD5").verify(sign_content(fields, charset="gbk"), fields["sign"])
