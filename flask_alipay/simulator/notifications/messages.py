"""Messages to the merchant: notifications that are not about a trade, and samples of their kinds.

Sources of the forms, the fields and the numbers: captured messages, and Alipay's documentation of
each kind. The retries are those of Alipay's message service (allinpay's document 308).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ...exceptions import InvalidParameter
from ...protocol.conversion import CHINA_TIME, format_china_time
from ...protocol.validation import check_pattern

#: How long Alipay waits before each repetition of a message: eight sendings in about 25 hours.
MESSAGE_SCHEDULE: Final = (
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=15),
)
#: The kind that is about a complaint, which the merchant can query.
COMPLAINT: Final = "alipay.merchant.tradecomplain.changed"
# The kind whose signature also covers sign_type.
_SIGNS_SIGN_TYPE: Final = "servicemarket_order_notify"

_MAX_CONTENT: Final = 20_000
# What a message is about, the most specific number first.
_NUMBERS: Final = (
    "out_trade_no",
    "out_biz_no",
    "out_order_no",
    "external_agreement_no",
    "agreement_no",
    "complain_event_id",
    "out_request_no",
)


class Announcement(NamedTuple):
    """A change that Alipay reports by a message."""

    #: ``msg_method`` or ``notify_type``.
    kind: str
    content: Mapping[str, Any]
    #: The address of the call that caused it; empty: the merchant's application gateway.
    url: str = ""
    #: That of the call.
    charset: str = "utf-8"


#: The kinds that the control page offers, with a sample of their content.
SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "alipay.fund.trans.order.changed": {
            "action_type": "FINISH",
            "biz_scene": "DIRECT_TRANSFER",
            "order_id": "20260131110070000006000000000001",
            "origin_interface": "alipay.fund.trans.uni.transfer",
            "out_biz_no": "T2001",
            "pay_date": "2026-01-31 12:00:00",
            "pay_fund_order_id": "20260131110070001506000000000002",
            "product_code": "TRANS_ACCOUNT_NO_PWD",
            "status": "SUCCESS",
            "trans_amount": "8.88",
        },
        "alipay.trade.refund.depositback.completed": {
            "bank_ack_time": "2026-01-31 12:00:00",
            "dback_amount": "8.88",
            "dback_status": "S",
            "est_bank_receipt_time": "2026-01-31 14:00:00",
            "out_request_no": "R1001",
            "out_trade_no": "A1001",
            "trade_no": "2026013122000000000000000001",
        },
        "alipay.trade.order.settle.notify": {
            "msg_type": "ASYNC_SETTLE_RESULT",
            "operation_dt": "2026-01-31 12:00:00",
            "out_request_no": "S1001",
            "settle_no": "20260131002530020000000000000001",
            "trade_no": "2026013122000000000000000001",
        },
        COMPLAINT: {"complain_event_id": "2026013100100000000000000001"},
        "dut_user_sign": {
            "agreement_no": "20265001000000000001",
            "alipay_user_id": "2088000000000002",
            "external_agreement_no": "SUB1001",
            "invalid_time": "2115-02-01 00:00:00",
            "personal_product_code": "CYCLE_PAY_AUTH_P",
            "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
            "sign_time": "2026-01-31 12:00:00",
            "status": "NORMAL",
            "valid_time": "2026-01-31 12:00:00",
        },
        "dut_user_unsign": {
            "agreement_no": "20265001000000000001",
            "alipay_user_id": "2088000000000002",
            "external_agreement_no": "SUB1001",
            "personal_product_code": "CYCLE_PAY_AUTH_P",
            "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
            "status": "UNSIGN",
            "unsign_time": "2026-03-01 12:00:00",
        },
        "fund_auth_freeze": {
            "amount": "500.00",
            "auth_no": "2026013110002001000000000001",
            "gmt_trans": "2026-01-31 12:00:00",
            "operation_id": "20260131000000000001",
            "operation_type": "FREEZE",
            "out_order_no": "F1001",
            "out_request_no": "FR1001",
            "payer_user_id": "2088000000000002",
            "rest_amount": "500.00",
            "status": "SUCCESS",
            "total_freeze_amount": "500.00",
            "total_pay_amount": "0.00",
            "total_unfreeze_amount": "0.00",
        },
        "fund_auth_unfreeze": {
            "amount": "200.00",
            "auth_no": "2026013110002001000000000001",
            "gmt_trans": "2026-01-31 13:00:00",
            "operation_id": "20260131000000000002",
            "operation_type": "UNFREEZE",
            "out_order_no": "F1001",
            "out_request_no": "U1001",
            "payer_user_id": "2088000000000002",
            "rest_amount": "300.00",
            "status": "SUCCESS",
            "total_freeze_amount": "500.00",
            "total_pay_amount": "0.00",
            "total_unfreeze_amount": "200.00",
        },
        "fund_auth_operation_cancel": {
            "action": "unfreeze",
            "auth_no": "2026013110002001000000000001",
            "operation_id": "20260131000000000001",
            "out_order_no": "F1001",
            "out_request_no": "FR1001",
        },
        _SIGNS_SIGN_TYPE: {
            "commodity_order_id": "2026013100000018079639",
            "method": "alipay.open.servicemarket.order.notify",
            "order_item_num": "1",
            "order_time": "2026-01-31 12:00:00",
            "service_code": "58621634",
            "title": "Tea shop",
            "total_price": "0.00",
        },
    }
)


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to the merchant."""

    #: ``msg_method`` if it has a dot, otherwise ``notify_type``.
    kind: str
    #: The content as JSON.
    content: str = field(repr=False)
    charset: str = "utf-8"
    #: Whether ``biz_content`` is encrypted.
    encrypted: bool = False

    @property
    def is_newer_form(self) -> bool:
        """True for version 1.1, with JSON in ``biz_content``; False for 1.0, with fields."""
        return "." in self.kind

    @property
    def signs_sign_type(self) -> bool:
        """True if the signature also covers ``sign_type``."""
        return self.kind == _SIGNS_SIGN_TYPE

    @property
    def number(self) -> str:
        """The number that the message is about: the first one that the merchant knows."""
        content = json.loads(self.content)
        found = (content.get(name) for name in _NUMBERS)
        return next((value for value in found if isinstance(value, str) and value), self.kind)

    @property
    def fields(self) -> dict[str, str]:
        """The content as fields of their own, for version 1.0."""
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in json.loads(self.content).items()
        }


def new_message(
    kind: str,
    content: Mapping[str, Any] | None = None,
    *,
    charset: str = "utf-8",
    encrypted: bool = False,
) -> OutgoingMessage:
    """Return a message.

    :param kind: one of Alipay's, or any other name; with a dot it is sent in the newer form.
    :param content: its fields; by default those of the kind's sample.
    :raises InvalidParameter: names the wrong parameter.
    """
    check_pattern("kind", kind, r"[A-Za-z0-9_.]{1,100}", "the name of a kind, like dut_user_sign")
    if content is None:
        content = SAMPLES.get(kind, {})
    if not isinstance(content, Mapping):
        raise InvalidParameter("content", "must be a JSON object")
    if encrypted and "." not in kind:
        raise InvalidParameter("encrypted", "goes with kinds that have a dot")
    text = json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
    if len(text) > _MAX_CONTENT:
        raise InvalidParameter("content", f"must have at most {_MAX_CONTENT} characters")
    return OutgoingMessage(kind, text, charset, encrypted)


def new_message_id(now: datetime) -> str:
    """Return a number of a message, 34 digits that begin with its time in China."""
    day, time = (f"{now.astimezone(CHINA_TIME):{part}}" for part in ("%Y%m%d", "%H%M%S"))
    return f"{day}00222{time}{secrets.randbelow(10**15):015d}"


def envelope(
    message: OutgoingMessage, app_id: str, notify_id: str, now: datetime
) -> dict[str, str]:
    """Return the fields of a message without its content, for the time of an attempt."""
    fields = {"charset": message.charset, "notify_id": notify_id, "app_id": app_id}
    if message.is_newer_form:
        sent = str(int(now.timestamp() * 1000))
        return {**fields, "version": "1.1", "msg_method": message.kind, "utc_timestamp": sent}
    return {
        **fields,
        "version": "1.0",
        # In a third-party application that of the merchant.
        "auth_app_id": message.fields.get("auth_app_id", app_id),
        "notify_type": message.kind,
        "notify_time": format_china_time(now),
    }
