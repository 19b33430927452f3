"""Notifications of trades, and the buyer's return."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Final

from ...keys import key_to_base64
from ...protocol.charsets import encode
from ...protocol.conversion import CHINA_TIME, format_amount, format_china_time
from ...protocol.message import GATEWAY_CHECK
from ...protocol.trade_status import TradeStatus
from ..agreements import times
from ..notifications.messages import OutgoingMessage, envelope
from ..replies import PendingNotification
from ..trades import funding
from ..trades.agreements import Agreement
from ..trades.trades import Trade
from .call import Context
from .orders import CREATE, PAY, PRECREATE, SIGN

# Whose notifications name the accounts of both sides, too.
_WITH_ACCOUNTS: Final = (PRECREATE, PAY, CREATE)

# Source: the sample code of Alipay's PHP SDK of version 2.
_GATEWAY_ANSWER: Final = re.compile(
    r'<\?xml version="1\.0" encoding="GBK"\?><alipay><response>(?P<content>[ -~]*)</response>'
    r"<sign>(?P<sign>[^<]*)</sign><sign_type>RSA2</sign_type></alipay>"
)


class NotificationBuilder:
    """Builder of notifications that are signed like the trade's request.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade.

        ``None`` without a notify_url, and for an order that was not opened: it is no trade yet.
        """
        order = trade.order
        if not order.notify_url or trade.opened_at is None:
            return None
        return PendingNotification(order.notify_url, self._context.notify_ids.new(), trade)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
        trade = notice.about
        if isinstance(trade, OutgoingMessage):
            return self._message(trade, notice.notify_id, now)
        if not isinstance(trade, Trade):
            raise TypeError("the open platform has no batches")
        fields = self._notification(trade, notice.notify_id, now)
        order = trade.order
        return self._context.signer.form(fields, order.sign_type, order.charset).encode("ascii")

    def _message(self, message: OutgoingMessage, notify_id: str, now: datetime) -> bytes:
        signer, charset = self._context.signer, message.charset
        fields = envelope(message, self._context.merchant.app_id, notify_id, now)
        if not message.is_newer_form:
            fields = {**message.fields, **fields}
        elif message.encrypted:
            content = signer.cipher.encrypt(encode(message.content, charset))
            fields |= {"biz_content": content, "encrypt_type": "AES"}
        else:
            fields["biz_content"] = message.content
        form = signer.form(fields, "RSA2", charset, with_sign_type=message.signs_sign_type)
        return form.encode("ascii")

    def gateway_check(self, now: datetime) -> bytes:
        """Return the signed probe with which the console activates the merchant's address."""
        merchant = self._context.merchant
        content = (
            f"<XML><AppId><![CDATA[{merchant.app_id}]]></AppId>"
            f"<FromUserId><![CDATA[{merchant.partner}]]></FromUserId>"
            f"<CreateTime>{int(now.timestamp() * 1000)}</CreateTime>"
            "<MsgType><![CDATA[event]]></MsgType><EventType><![CDATA[verifygw]]></EventType></XML>"
        )
        fields = {"service": GATEWAY_CHECK, "charset": "GBK", "biz_content": content}
        form = self._context.signer.form(fields, "RSA2", "GBK", with_sign_type=True)
        return form.encode("ascii")

    def is_activated(self, answer: str) -> bool:
        """Return True if an answer to the probe has the application's public key, signed."""
        found = _GATEWAY_ANSWER.fullmatch(answer.strip())
        if found is None or f">{self._public_key}<" not in found["content"]:
            return False
        return self._context.signer.verifies_text(found["content"].encode("ascii"), found["sign"])

    @property
    def _public_key(self) -> str:
        return key_to_base64(self._context.merchant.private_key.public_key())

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        order = trade.order
        auth_app_id, seller_id = self._context.seller(order)
        fields = {
            "charset": order.charset,
            "out_trade_no": order.out_trade_no,
            "method": f"{order.method}.return",
            "total_amount": format_amount(order.total_fen),
            "trade_no": trade.trade_no,
            "auth_app_id": auth_app_id,
            "version": "1.0",
            "app_id": self._context.merchant.app_id,
            "seller_id": seller_id,
            "timestamp": format_china_time(now),
        }
        return self._context.signer.form(fields, order.sign_type, order.charset)

    def sign_return_query(self, agreement: Agreement, now: datetime) -> str:
        """Return the signed query with which the buyer of an agreement returns to the shop.

        The fields are those of Alipay's answer (#54), signed like the return of a payment; no
        sample of it was found.
        """
        request, registry = agreement.request, self._context.agreements
        fields = {
            **registry.about(agreement),
            **times(agreement),
            "external_logon_id": request.external_logon_id,
            "charset": request.charset,
            "method": f"{SIGN}.return",
            "version": "1.0",
            "app_id": self._context.merchant.app_id,
            "auth_app_id": self._context.merchant.app_id,
            "timestamp": format_china_time(now),
        }
        return self._context.signer.form(fields, request.sign_type, request.charset)

    def _notification(self, trade: Trade, notify_id: str, now: datetime) -> dict[str, str]:
        order, merchant = trade.order, self._context.merchant
        auth_app_id, seller_id = self._context.seller(order)
        fields = {
            "notify_time": format_china_time(now),
            "notify_type": "trade_status_sync",
            "notify_id": notify_id,
            "charset": order.charset,
            "version": "1.0",
            "app_id": merchant.app_id,
            "auth_app_id": auth_app_id,
            "trade_no": trade.trade_no,
            "out_trade_no": order.out_trade_no,
            "trade_status": trade.status,
            "total_amount": format_amount(order.total_fen),
            "subject": order.subject,
            "body": order.body,
            **self._context.buyer_identity("buyer_id", order),
            "seller_id": seller_id,
            "gmt_create": format_china_time(trade.created_at),
            **order.echo,
        }
        if order.method in _WITH_ACCOUNTS:
            fields["buyer_logon_id"] = self._context.buyer()["buyer_logon_id"]
            fields["seller_email"] = merchant.seller_email
        if trade.paid_at is not None:
            fields |= _paid(trade, trade.paid_at)
        if trade.closed_at is not None:
            fields["gmt_close"] = format_china_time(trade.closed_at)
        return fields | _refunded(trade)


def _paid(trade: Trade, paid_at: datetime) -> dict[str, str]:
    """Return the fields of a paid trade; the buyer pays the full amount."""
    fen = trade.order.total_fen
    yuan, bill = format_amount(fen), funding.notification_fund_bill(trade.paid_with, fen)
    return {
        "gmt_payment": format_china_time(paid_at),
        "receipt_amount": yuan,
        "invoice_amount": yuan,
        "buyer_pay_amount": yuan,
        "point_amount": "0.00",
        "fund_bill_list": json.dumps(bill, separators=(",", ":")),
    }


def _refunded(trade: Trade) -> dict[str, str]:
    """Return the fields of refunds: the total refunded amount, and the last refund.

    The end of a trade without refunds has a ``refund_fee`` of 0.00 (seen in a captured
    notification).
    """
    if not trade.refunds:
        finished = trade.status == TradeStatus.TRADE_FINISHED
        return {"refund_fee": "0.00"} if finished else {}
    last = trade.refunds[-1]
    refunded_at = last.at.astimezone(CHINA_TIME)
    return {
        "refund_fee": format_amount(trade.refunded_fen),
        "gmt_refund": f"{refunded_at:%Y-%m-%d %H:%M:%S}.{refunded_at.microsecond // 1000:03d}",
        "out_biz_no": last.number,
    }
