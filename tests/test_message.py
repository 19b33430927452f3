"""Verified parameters become a typed message, or are rejected by name."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flask_alipay
from flask_alipay.exceptions import BadNotification
from flask_alipay.protocol.message import Message, message_kind
from flask_alipay.protocol.notification import signed_params, verify_params
from flask_alipay.signer import Rsa2Signer, sign_content

from .conftest import Keys
from .doubles.messages import AGREEMENT, CONTENTS, SERVICE_ORDER, TRANSFER, message_fields

NAMES = st.sampled_from(
    ["msg_method", "notify_type", "notify_id", "biz_content", "utc_timestamp", "encrypt_type"]
)
TEXT = st.text(max_size=30) | st.sampled_from(["{}", '{"a":1}', "1.1", "AES", "1767240000000"])


def test_the_time_is_that_of_the_form() -> None:
    at = datetime(2026, 1, 1, 4, tzinfo=timezone.utc)
    newer = message_fields(TRANSFER, utc_timestamp="1767240000000")
    assert Message.from_params(newer).sent_at == at
    older = message_fields(AGREEMENT, notify_time="2026-01-01 12:00:00")
    assert Message.from_params(older).sent_at == at
    assert Message.from_params(message_fields(TRANSFER, utc_timestamp="soon")).sent_at is None


def test_decimal_numbers_are_exact() -> None:
    fields = message_fields(TRANSFER, biz_content='{"amount":0.10,"count":3,"big":1e400}')
    content = Message.from_params(fields).content
    assert content == {"amount": Decimal("0.10"), "count": 3, "big": Decimal("1e400")}


def test_a_message_shows_no_content() -> None:
    assert "138******00" not in repr(Message.from_params(message_fields(AGREEMENT)))


def test_the_content_cannot_be_changed() -> None:
    content: Any = Message.from_params(message_fields(AGREEMENT)).content
    with pytest.raises(TypeError):
        content["status"] = "UNSIGN"


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"msg_method": "a.b", "notify_type": "c"}, "a.b"),
        ({"notify_type": "dut_user_sign"}, "dut_user_sign"),
        ({"notify_type": "trade_status_sync"}, None),
        ({"notify_type": "batch_trans_notify"}, None),
        ({"notify_type": "dut_user_sign", "trade_status": "TRADE_SUCCESS"}, None),
        ({"service": "alipay.service.check"}, None),
        ({}, None),
    ],
)
def test_a_kind_is_known_by_the_parameters(params: dict[str, str], kind: str | None) -> None:
    assert message_kind(params) == kind


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("keeps", [False, True])
def test_each_kind_has_its_own_rule_for_the_sign_type(keys: Keys, kind: str, keeps: bool) -> None:
    params = {**message_fields(kind), "sign_type": "RSA2"}
    exclude = ("sign",) if keeps else ("sign", "sign_type")
    alipay, shop = Rsa2Signer(keys.alipay), Rsa2Signer(None, keys.alipay.public_key())
    params["sign"] = alipay.sign(sign_content(params, exclude=exclude))
    covered = signed_params(params, shop)
    if kind == SERVICE_ORDER:
        assert covered is not None
        assert ("sign_type" in covered) is keeps
        assert verify_params(covered, shop)
    else:
        assert (covered is None) is keeps


@given(st.dictionaries(NAMES | TEXT, TEXT, max_size=8))
def test_any_parameters_are_a_message_or_rejected_by_name(params: dict[str, str]) -> None:
    try:
        message = Message.from_params(params)
    except BadNotification:
        return
    assert message.kind == message_kind(params)
    assert message.notify_id == params["notify_id"]


def test_the_package_exports_the_class_when_it_is_used() -> None:
    assert flask_alipay.Message is Message
    with pytest.raises(AttributeError, match="no attribute 'Massage'"):
        flask_alipay.Massage  # noqa: B018
