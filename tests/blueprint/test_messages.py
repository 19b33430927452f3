"""Notifications that are not about a trade: received, recorded and told to the shop once."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay import AlipayBlueprint, Message
from flask_alipay.exceptions import ConfigurationError, NotConfirmed
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.keys import public_key_der
from flask_alipay.ledger.retention import MIN_AGE, OldNotifications
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Rsa2Signer

from ..doubles.merchant import MAPI_MD5, Merchant, in_each_charset, on_each_gateway
from ..doubles.messages import (
    AGREEMENT,
    COMPLAINT,
    CONTENTS,
    DEPOSIT_BACK,
    SERVICE_ORDER,
    TRANSFER,
    gateway_check,
    message,
    message_fields,
    signed_message,
)
from ..doubles.shop import Notification, Payment, Shipment, Shop, db, new_blueprint
from .conftest import OpenShop, Refusals

AES_KEY = "aa4BtZ4tspm2wnXLb1ThQA=="

Log = Callable[[], list[logging.LogRecord]]
each_kind = pytest.mark.parametrize("kind", CONTENTS)
openapi_in_each_charset = pytest.mark.parametrize(
    "merchant", [("openapi", "RSA2", "utf-8"), ("openapi", "RSA2", "gbk")], indirect=True
)


class Messages:
    """A callback that keeps what it was called with."""

    def __init__(self, shop: Shop, *kinds: str) -> None:
        self.received: list[Message] = []
        shop.alipay.on_message(*kinds)(self.received.append)

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.received]


def rows(shop: Shop) -> list[Any]:
    with shop.app.app_context():
        found = list(db.session.scalars(select(Notification).order_by(Notification.id)))
        db.session.expunge_all()
    return found


# Received


@each_kind
@openapi_in_each_charset
def test_a_message_is_answered_with_success_and_told_to_the_shop(
    shop: Shop, merchant: Merchant, kind: str
) -> None:
    messages = Messages(shop)
    answer = shop.notify(message(merchant, kind))
    assert (answer.data, answer.status_code) == (b"success", 200)
    (received,) = messages.received
    assert received.kind == kind
    assert dict(received.content).items() >= CONTENTS[kind].items()
    assert received.app_id == merchant.settings["APP_ID"]
    assert received.sent_at is not None
    assert shop.journal() == ["settled"]


@each_kind
def test_a_message_without_a_callback_is_recorded(
    shop: Shop, merchant: Merchant, kind: str
) -> None:
    Messages(shop, "alipay.some.other.kind")
    assert shop.notify(message(merchant, kind)).data == b"success"
    (row,) = rows(shop)
    assert (row.outcome, row.trade_status) == ("recorded", kind[:32])
    assert row.message_id == f"{merchant.settings['APP_ID']}:{row.notify_id}"


def test_a_message_is_not_about_a_payment(shop: Shop, merchant: Merchant) -> None:
    shop.order(out_trade_no="T0001")
    before = shop.ledger()
    assert shop.notify(message(merchant, DEPOSIT_BACK)).data == b"success"
    assert shop.ledger() == before
    assert shop.called == []


def test_a_message_about_a_trade_is_found_by_its_number(shop: Shop, merchant: Merchant) -> None:
    shop.notify(message(merchant, DEPOSIT_BACK))
    (row,) = rows(shop)
    content = CONTENTS[DEPOSIT_BACK]
    assert (row.out_trade_no, row.trade_no) == (content["out_trade_no"], content["trade_no"])


def test_a_kind_unknown_to_this_package_is_accepted(shop: Shop, merchant: Merchant) -> None:
    messages = Messages(shop, "alipay.new.kind.of.2030")
    body = message(merchant, "alipay.new.kind.of.2030", {"a": {"b": [1, 2.50, None, "茶"]}})
    assert shop.notify(body).data == b"success"
    (received,) = messages.received
    assert received.content == {"a": {"b": [1, Decimal("2.50"), None, "茶"]}}


def test_a_shop_without_a_journal_answers_messages(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop(merchant, alipay=AlipayBlueprint(db, Payment))
    assert shop.notify(message(merchant, TRANSFER)).data == b"success"
    assert shop.journal() == []


@pytest.mark.parametrize("merchant", [MAPI_MD5], indirect=True)
def test_a_message_of_the_legacy_gateway_is_received(shop: Shop, merchant: Merchant) -> None:
    messages = Messages(shop, AGREEMENT)
    fields = {
        "notify_type": AGREEMENT,
        "notify_id": "1",
        "notify_time": format_china_time(utc_now()),
        "agreement_no": "20265001000000000001",
    }
    assert shop.notify(merchant.encoded(merchant.signed(fields))).data == b"success"
    assert [dict(each.content) for each in messages.received] == [
        {"agreement_no": "20265001000000000001"}
    ]


def test_the_content_is_decrypted_with_the_configured_key(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop({**merchant.settings, "AES_KEY": AES_KEY})
    messages = Messages(shop, TRANSFER)
    text = ContentCipher(AES_KEY).encrypt(json.dumps(CONTENTS[TRANSFER]).encode())
    fields = message_fields(TRANSFER, encrypt_type="AES", biz_content=text)
    assert shop.notify(signed_message(merchant, fields)).data == b"success"
    assert [dict(each.content) for each in messages.received] == [CONTENTS[TRANSFER]]


# Once


def test_a_retry_is_answered_and_does_nothing(shop: Shop, merchant: Merchant) -> None:
    messages = Messages(shop)
    sent = int(utc_now().timestamp() * 1000)
    bodies = [message(merchant, TRANSFER, utc_timestamp=str(sent + n)) for n in range(3)]
    assert [shop.notify(body).data for body in bodies] == [b"success"] * 3
    assert messages.kinds == [TRANSFER]
    assert shop.journal() == ["settled", "duplicate", "duplicate"]


def test_messages_with_different_numbers_are_different(shop: Shop, merchant: Merchant) -> None:
    messages = Messages(shop)
    for number in ("1", "2"):
        shop.notify(message(merchant, TRANSFER, notify_id=number))
    assert [each.notify_id for each in messages.received] == ["1", "2"]


def test_a_failed_message_is_retried(shop: Shop, merchant: Merchant) -> None:
    calls = []

    @shop.alipay.on_message(TRANSFER)
    def handle(message: Message) -> None:
        calls.append(message.kind)
        db.session.add(Shipment(out_trade_no=message.content["out_biz_no"]))
        if len(calls) == 1:
            raise RuntimeError

    answers = [shop.notify(message(merchant, TRANSFER)) for _ in range(3)]
    assert [(each.data, each.status_code) for each in answers] == [
        (b"fail", 503),
        (b"success", 200),
        (b"success", 200),
    ]
    assert calls == [TRANSFER] * 2
    assert shop.shipments() == ["PAYOUT0001"]
    assert shop.journal() == ["callback_failed", "settled", "duplicate"]


# Callbacks


def test_callbacks_run_in_order_those_for_all_kinds_first(shop: Shop, merchant: Merchant) -> None:
    called: list[str] = []
    shop.alipay.on_message(TRANSFER, COMPLAINT)(lambda message: called.append("one"))
    shop.alipay.on_message()(lambda message: called.append("all"))
    shop.alipay.on_message(TRANSFER)(lambda message: called.append("two"))
    shop.notify(message(merchant, TRANSFER))
    assert called == ["all", "one", "two"]


def test_a_callback_for_all_kinds_and_for_one_runs_once(shop: Shop, merchant: Merchant) -> None:
    called: list[Message] = []

    def note(message: Message) -> None:
        called.append(message)

    shop.alipay.on_message()(note)
    shop.alipay.on_message(TRANSFER, TRANSFER)(note)
    shop.notify(message(merchant, TRANSFER))
    assert len(called) == 1


def test_an_async_callback_runs_inside_the_transaction(shop: Shop, merchant: Merchant) -> None:
    @shop.alipay.on_message(AGREEMENT)
    async def handle(message: Message) -> None:
        db.session.add(Shipment(out_trade_no=message.content["agreement_no"]))

    assert shop.notify(message(merchant, AGREEMENT)).data == b"success"
    assert shop.shipments() == ["20265001000000000001"]


def test_a_callback_is_returned_unchanged(shop: Shop) -> None:
    def handle(message: Message) -> None: ...

    assert shop.alipay.on_message(TRANSFER)(handle) is handle


def test_a_callback_may_be_defined_before_the_registration(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    alipay, called = new_blueprint(), []
    alipay.on_message(TRANSFER)(lambda message: called.append(message.kind))
    shop = open_shop(merchant, alipay=alipay)
    shop.notify(message(merchant, TRANSFER))
    assert called == [TRANSFER]


def test_a_callback_that_a_factory_defines_again_replaces_the_earlier_one(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    alipay, called = new_blueprint(), []

    def define(app: str) -> None:
        @alipay.on_message(TRANSFER)
        def handle(message: Message) -> None:
            called.append(app)

    define("first")
    first = open_shop(merchant, alipay=alipay)
    define("second")
    second = open_shop(merchant, alipay=alipay)
    second.notify(message(merchant, TRANSFER))
    first.notify(message(merchant, TRANSFER))
    assert called == ["second", "first"]


def test_a_callback_that_can_never_run_is_rejected(shop: Shop) -> None:
    def generator(message: Message) -> Iterator[None]:
        yield

    async def asynchronous(message: Message) -> AsyncIterator[None]:
        yield

    for callback in (generator, asynchronous, None):
        with pytest.raises(TypeError):
            shop.alipay.on_message(TRANSFER)(callback)  # type: ignore[type-var]


def test_a_decorator_without_parentheses_is_rejected(shop: Shop) -> None:
    with pytest.raises(TypeError, match=r"on_message\(\)"):
        shop.alipay.on_message(lambda message: None)  # type: ignore[arg-type]


def test_messages_need_the_journal() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AlipayBlueprint(db, Payment).on_message(TRANSFER)
    assert caught.value.key == "Notification"


def test_a_callback_must_not_end_the_transaction(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.alipay.on_message(TRANSFER)(lambda message: db.session.commit())
    refusals.of(message(merchant, TRANSFER), lines=2)
    assert refusals.reason == "callback_failed"
    assert shop.journal() == ["callback_failed"]
    assert rows(shop)[0].message_id is None


# Rejected


@pytest.fixture
def messages(shop: Shop) -> Messages:
    return Messages(shop)


@each_kind
def test_a_message_for_another_application_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, kind: str
) -> None:
    answer = refusals.of(message(merchant, kind, app_id="9021000000000009"))
    assert answer.status_code == 403
    assert refusals.reason == "wrong_account"
    assert (messages.received, shop.journal()) == ([], [])


@each_kind
def test_a_message_without_an_application_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, kind: str
) -> None:
    refusals.of(signed_message(merchant, message_fields(kind, app_id=None)))
    assert refusals.reason == "wrong_account"
    assert (messages.received, shop.journal()) == ([], [])


@each_kind
@pytest.mark.parametrize("name", ["notify_id", "app_id", "charset", "sign_type"])
def test_an_altered_message_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, kind: str, name: str
) -> None:
    body = message(merchant, kind)
    altered = re.sub(rf"(^|&){name}=[^&]*".encode(), rb"\1%b=UTF8x" % name.encode(), body)
    assert altered != body
    if name == "sign_type" and kind != SERVICE_ORDER:  # Alipay does not sign it
        assert shop.notify(altered).data == b"success"
        return
    refusals.of(altered)
    assert (messages.received, shop.journal()) == ([], [])


def test_a_signature_over_sign_type_is_valid_for_two_kinds_only(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages
) -> None:
    fields = message_fields(TRANSFER)
    probe = signed_message(merchant, {**fields, "service": "x"})
    refusals.of(probe.replace(b"&service=x", b""))
    assert refusals.reason == "bad_signature"
    assert (messages.received, shop.journal()) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '"text"',
        "{",
        '{"status":"SUCCESS"',
        '{"status":"SUCCESS"}&version=1.1',
        '{"a":NaN}',
        "[" * 20_000,
    ],
)
def test_a_message_with_truncated_or_other_content_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, content: str
) -> None:
    fields = message_fields(TRANSFER, biz_content=content or None)
    if not content:
        fields["biz_content"] = " "
    refusals.of(signed_message(merchant, fields))
    assert refusals.reason == "malformed"
    assert (messages.received, shop.journal()) == ([], [])


def test_content_that_looks_like_another_field_is_accepted(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    content = {"url": "https://shop.example/?a=1&status=SUCCESS"}
    assert shop.notify(message(merchant, COMPLAINT, content)).data == b"success"
    assert [dict(each.content) for each in messages.received] == [content]


def test_a_field_that_could_be_read_as_several_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages
) -> None:
    """Otherwise text of a buyer, within JSON that Alipay signed, could become the message."""
    inner = '{"x":"&biz_content={}"}'
    fields = message_fields(TRANSFER, biz_content=inner)
    assert shop.notify(signed_message(merchant, fields)).data == b"success"
    app_id = fields.pop("app_id")
    split = {**fields, "app_id": f'{app_id}&biz_content={{"x":"', "biz_content": '{}"}'}
    refusals.of(signed_message(merchant, split))
    fields["auth_app_id"] = '1&biz_content={"x":"'
    fields |= {"app_id": app_id, "biz_content": "{}"}
    refusals.of(signed_message(merchant, fields))
    assert refusals.reason == "malformed"
    assert len(messages.received) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"notify_id": None},
        {"notify_id": "9" * 129},
        {"msg_method": "a." * 51},
        {"partner": "2088000000000001"},
        {"encrypt_type": "AES"},
    ],
)
def test_a_message_without_the_parts_of_one_is_rejected(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    messages: Messages,
    changes: dict[str, str | None],
) -> None:
    refusals.of(signed_message(merchant, message_fields(TRANSFER, **changes)))
    assert refusals.reason == "malformed"
    assert (messages.received, shop.journal()) == ([], [])


def test_content_encrypted_with_another_key_is_rejected(
    open_shop: OpenShop, merchant: Merchant, log: Log
) -> None:
    shop = open_shop({**merchant.settings, "AES_KEY": AES_KEY})
    messages = Messages(shop)
    other = ContentCipher(base64.b64encode(b"another key ....").decode())
    fields = message_fields(TRANSFER, encrypt_type="AES", biz_content=other.encrypt(b"{}"))
    Refusals(shop, log).of(signed_message(merchant, fields))
    assert (messages.received, shop.journal()) == ([], [])


@on_each_gateway
def test_a_notification_about_nothing_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages
) -> None:
    refusals.of(merchant.notification(shop.order(), trade_status=None))
    assert refusals.reason == "malformed"
    assert (messages.received, shop.journal()) == ([], [])


@in_each_charset
def test_a_return_is_not_a_message(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages
) -> None:
    refusals.of(merchant.come_back(shop.order(), trade_status=None).encode())
    assert (messages.received, shop.journal()) == ([], [])


@pytest.mark.parametrize("days", [29, 400])
def test_an_old_message_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, days: int
) -> None:
    """The row of the journal that would make it a duplicate may be deleted."""
    at = utc_now() - timedelta(days=days)
    refusals.of(message(merchant, TRANSFER, utc_timestamp=str(int(at.timestamp() * 1000))))
    refusals.of(message(merchant, AGREEMENT, notify_time=format_china_time(at)))
    assert refusals.reason == "not_confirmed"
    assert (messages.received, shop.journal()) == ([], [])


@pytest.mark.parametrize("time", [None, "soon", ""])
def test_a_message_without_a_time_that_can_be_read_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, messages: Messages, time: str | None
) -> None:
    refusals.of(message(merchant, TRANSFER, utc_timestamp=time))
    refusals.of(message(merchant, AGREEMENT, notify_time=time))
    assert refusals.reason == "not_confirmed"
    assert (messages.received, shop.journal()) == ([], [])


def test_a_retry_is_no_new_message_after_its_row_was_deleted(
    shop: Shop, merchant: Merchant, messages: Messages, refusals: Refusals
) -> None:
    received_at = utc_now() - MIN_AGE - timedelta(minutes=1)
    retry = message(
        merchant, AGREEMENT, notify_time=format_china_time(received_at + timedelta(hours=25))
    )
    assert shop.notify(message(merchant, AGREEMENT)).data == b"success"
    with shop.app.app_context():
        for row in db.session.scalars(select(Notification)):
            row.received_at = received_at
        db.session.commit()
        app_id = merchant.settings["APP_ID"]
        old = OldNotifications(db.session, Notification, app_id, utc_now() - MIN_AGE)
        assert sum(old.delete()) == 1
    refusals.of(retry)
    assert (messages.kinds, shop.journal()) == ([AGREEMENT], [])


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_old_message_is_not_replayed(
    shop: Shop, merchant: Merchant, messages: Messages, dry_run: bool
) -> None:
    """A capture of it may be all that is left."""
    at = format_china_time(utc_now() - timedelta(days=29))
    body, before = message(merchant, AGREEMENT, notify_time=at), shop.ledger()
    with shop.app.app_context(), pytest.raises(NotConfirmed, match="more than 28 days ago"):
        shop.alipay.replay(body, dry_run=dry_run)
    assert (shop.ledger(), messages.received, shop.journal()) == (before, [], [])


def test_a_message_that_was_delayed_for_weeks_is_accepted(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    at = format_china_time(utc_now() - timedelta(days=27))
    assert shop.notify(message(merchant, AGREEMENT, notify_time=at)).data == b"success"
    assert messages.kinds == [AGREEMENT]


# Journal and log


def test_tokens_within_the_content_are_masked_in_the_journal(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    detail = {"app_auth_token": "201509BB", "app_refresh_token": "201510BB", "app_auth_code": "c1"}
    body = message(merchant, "open.app.auth.notify", {"detail": {**detail, "user_id": "2088"}})
    assert shop.notify(body).data == b"success"
    assert messages.received[0].content["detail"].items() >= detail.items()
    (row,) = rows(shop)
    kept = json.loads(row.payload["biz_content"])["detail"]
    assert kept == {**dict.fromkeys(detail, "***"), "user_id": "2088"}


def test_credentials_in_the_fields_of_a_message_are_masked_in_the_journal(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    secrets = {"app_auth_code": "c1", "app_auth_token": "201509BB"}
    content = {**secrets, "detail": json.dumps(secrets), "status": "execute_auth"}
    assert shop.notify(message(merchant, "open_app_auth_notify", content)).data == b"success"
    assert dict(messages.received[0].content) == content
    (row,) = rows(shop)
    assert row.payload.items() >= dict.fromkeys(secrets, "***").items()
    assert json.loads(row.payload["detail"]) == dict.fromkeys(secrets, "***")
    assert row.payload["status"] == "execute_auth"


def test_credentials_in_json_within_the_content_are_masked_in_the_journal(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    inner = json.dumps({"app_auth_token": "secret", "name": "茶"}, ensure_ascii=False)
    content = {"detail": inner, "refresh_token": ["secret"], "lone": "\ud800"}
    body = message(merchant, "open.app.auth.notify", {}, biz_content=json.dumps(content))
    assert shop.notify(body).data == b"success"
    (row,) = rows(shop)
    assert "secret" not in str(row.payload)
    kept = json.loads(row.payload["biz_content"])
    assert json.loads(kept.pop("detail")) == {"app_auth_token": "***", "name": "茶"}
    assert kept == {"refresh_token": "***", "lone": "\ud800"}


def test_a_message_without_credentials_is_replayed_from_the_journal(
    shop: Shop, merchant: Merchant, messages: Messages
) -> None:
    content = '{ "text": "the token is  lost", "inner": "{\\"a\\": 1.10}", "a": 1.10 }'
    assert shop.notify(message(merchant, COMPLAINT, biz_content=content)).data == b"success"
    (row,) = rows(shop)
    assert row.payload["biz_content"] == content
    with shop.app.app_context():
        assert shop.alipay.replay(row.payload, journalled=True).outcome == "duplicate"


def test_a_message_is_one_log_line_without_its_content(
    shop: Shop, merchant: Merchant, log: Log
) -> None:
    shop.notify(message(merchant, AGREEMENT))
    (record,) = log()
    assert record.levelno == logging.INFO
    assert AGREEMENT in record.getMessage()
    assert vars(record)["kind"] == AGREEMENT
    assert "138******00" not in str(vars(record))


def test_a_callback_that_fails_again_is_an_alert(
    shop: Shop, merchant: Merchant, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Message) -> None:
        raise RuntimeError

    shop.alipay.on_message()(fail)
    for kind in (COMPLAINT, AGREEMENT):
        shop.notify(message(merchant, kind))
    alerts = [each for each in caplog.records if each.name == "flask_alipay.alerts"]
    assert alerts == []
    shop.notify(message(merchant, COMPLAINT))
    (alert,) = [each for each in caplog.records if each.name == "flask_alipay.alerts"]
    assert message_fields(COMPLAINT)["notify_id"] in alert.getMessage()


# The probe of an application gateway


def test_the_probe_gets_the_public_key_signed(shop: Shop, merchant: Merchant) -> None:
    answer = shop.notify(gateway_check(merchant))
    assert answer.status_code == 200
    assert answer.content_type == "text/xml; charset=GBK"
    found = re.fullmatch(
        rb'<\?xml version="1.0" encoding="GBK"\?><alipay><response>(.*)</response>'
        rb"<sign>(.*)</sign><sign_type>RSA2</sign_type></alipay>",
        answer.data,
    )
    assert found
    own = merchant.keys.merchant.public_key()
    assert Rsa2Signer(None, own).verify(found[1], found[2].decode())
    content = re.fullmatch(rb"<success>true</success><biz_content>(.*)</biz_content>", found[1])
    assert content
    assert base64.b64decode(content[1]) == public_key_der(own)
    assert shop.journal() == []


def test_the_probe_of_another_application_is_rejected(
    merchant: Merchant, refusals: Refusals
) -> None:
    refusals.of(gateway_check(merchant, "9021000000000009"))
    assert refusals.reason == "wrong_account"


def test_a_forged_probe_is_rejected(merchant: Merchant, refusals: Refusals) -> None:
    refusals.of(gateway_check(merchant).replace(b"verifygw", b"verifyxx"))
    assert refusals.reason == "bad_signature"


def test_a_probe_with_unreadable_content_is_rejected(
    merchant: Merchant, refusals: Refusals
) -> None:
    for content in ("<XML>", '<!DOCTYPE x [<!ENTITY y "z">]><XML>&y;</XML>'):
        fields = {"service": "alipay.service.check", "charset": "GBK", "biz_content": content}
        refusals.of(signed_message(merchant, fields))
        assert refusals.reason == "malformed"
