"""Messages as Alipay sends them: both forms, each kind with its own rule for the signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from zlib import crc32

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import sign_content

from .merchant import APP_ID, Merchant

TRANSFER = "alipay.fund.trans.order.changed"
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"
COMPLAINT = "alipay.merchant.tradecomplain.changed"
AGREEMENT = "dut_user_sign"
SERVICE_ORDER = "servicemarket_order_notify"

#: The content of each kind, with invented numbers.
CONTENTS: dict[str, dict[str, Any]] = {
    TRANSFER: {
        "action_type": "FINISH",
        "order_id": "20260101110070000006000000000001",
        "out_biz_no": "PAYOUT0001",
        "status": "SUCCESS",
        "trans_amount": "1.00",
    },
    DEPOSIT_BACK: {
        "dback_amount": "1.00",
        "dback_status": "S",
        "out_request_no": "R0001",
        "out_trade_no": "T0001",
        "trade_no": "2026010122000000000000000001",
    },
    COMPLAINT: {"complain_event_id": "2026010100100000000000000001"},
    AGREEMENT: {
        "agreement_no": "20265001000000000001",
        "personal_product_code": "GENERAL_WITHHOLDING_P",
        "sign_scene": "INDUSTRY|GAME_CHARGE",
        "status": "NORMAL",
        "alipay_logon_id": "138******00",
    },
    "fund_auth_freeze": {
        "auth_no": "2026010110002001000000000001",
        "out_order_no": "F0001",
        "operation_type": "FREEZE",
        "amount": "500.00",
        "status": "SUCCESS",
    },
    SERVICE_ORDER: {
        "method": "alipay.open.servicemarket.order.notify",
        "commodity_order_id": "2026030800000018079639",
        "title": "茶",
        "total_price": "0.00",
    },
}


def message_fields(
    kind: str,
    content: Mapping[str, Any] | None = None,
    *,
    charset: str = "utf-8",
    app_id: str = APP_ID,
    **changes: str | None,
) -> dict[str, str]:
    """The fields of a message, unsigned; ``None`` leaves a field out."""
    content, now = CONTENTS[kind] if content is None else content, datetime.now(timezone.utc)
    fields: dict[str, str | None] = {
        "charset": charset,
        "app_id": app_id,
        "notify_id": f"2026010100222120000{crc32(kind.encode()):015d}",
    }
    if "." in kind:
        fields |= {
            "msg_method": kind,
            "version": "1.1",
            "utc_timestamp": str(int(now.timestamp() * 1000)),
            "biz_content": json.dumps(content, ensure_ascii=False),
        }
    else:
        fields |= {
            "notify_type": kind,
            "notify_time": format_china_time(now),
            "version": "1.0",
            "auth_app_id": app_id,
            **content,
        }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def signed_message(merchant: Merchant, fields: Mapping[str, str]) -> bytes:
    """The body of a message; two kinds sign ``sign_type`` as well."""
    params = {**fields, "sign_type": merchant.sign_type}
    keeps = fields.get("notify_type") == SERVICE_ORDER or "service" in fields
    exclude = ("sign",) if keeps else ("sign", "sign_type")
    content = sign_content(params, exclude=exclude, charset=fields.get("charset", "utf-8"))
    return merchant.encoded({**params, "sign": merchant.signer.sign(content)})


def message(merchant: Merchant, kind: str, content: Any = None, **changes: Any) -> bytes:
    """The body of a message to a merchant."""
    options = {"charset": merchant.charset, **changes}
    return signed_message(merchant, message_fields(kind, content, **options))


def gateway_check(merchant: Merchant, app_id: str = APP_ID) -> bytes:
    """The probe with which the console activates the address of an application gateway."""
    content = (
        f"<XML><AppId><![CDATA[{app_id}]]></AppId><FromUserId>2088000000000001</FromUserId>"
        "<CreateTime>1767240000000</CreateTime><MsgType>event</MsgType>"
        "<EventType>verifygw</EventType></XML>"
    )
    fields = {"service": "alipay.service.check", "charset": "GBK", "biz_content": content}
    return signed_message(merchant, fields)
