"""Signing and verifying beside the same done by hand with ``cryptography`` and ``sorted``.

``python -m tests.benchmarks.signing``
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, quote, urlencode

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.keys import generate_private_key
from flask_alipay.protocol.notification import verified_params
from flask_alipay.signer import Rsa2Signer, sign_content

from .race import ratio, report
from .verdicts import conclude

FIELDS = {
    "gmt_create": "2026-02-03 10:11:12",
    "charset": "utf-8",
    "seller_email": "seller@example.com",
    "subject": "龙井茶 250g + 茶具",
    "body": "Two tins of tea, one pot",
    "buyer_id": "2088102122524333",
    "invoice_amount": "88.88",
    "notify_id": "2026020300222101112024330519123456",
    "fund_bill_list": '[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]',
    "notify_type": "trade_status_sync",
    "trade_status": "TRADE_SUCCESS",
    "receipt_amount": "88.88",
    "buyer_pay_amount": "88.88",
    "app_id": "2021000000000000",
    "seller_id": "2088102119685838",
    "gmt_payment": "2026-02-03 10:12:13",
    "notify_time": "2026-02-03 10:12:14",
    "version": "1.0",
    "out_trade_no": "20260203123456789012345678",
    "total_amount": "88.88",
    "trade_no": "2026020322001424330501234567",
    "auth_app_id": "2021000000000000",
    "buyer_logon_id": "buy***@example.com",
    "point_amount": "0.00",
    "passback_params": "merchant%3D1",
}
CHINA = timezone(timedelta(hours=8))


def content_by_hand(params: dict[str, str], without: tuple[str, ...]) -> bytes:
    """The string to sign, written down at once."""
    pairs = sorted((k, v) for k, v in params.items() if v and k not in without)
    return "&".join(f"{k}={v}" for k, v in pairs).encode("utf-8")


def verifying(key: rsa.RSAPrivateKey) -> None:
    """A form of 25 fields, from the raw body to its proven parameters."""
    signer = Rsa2Signer(public_key=key.public_key())
    sign = Rsa2Signer(private_key=key).sign(sign_content(FIELDS))
    body = urlencode({**FIELDS, "sign": sign, "sign_type": "RSA2"}).encode()
    public_key = key.public_key()

    def floor() -> None:
        params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        content = content_by_hand(params, ("sign", "sign_type"))
        signature = base64.b64decode(params["sign"])
        public_key.verify(signature, content, padding.PKCS1v15(), SHA256())

    report(
        "verify a form of 25 fields (RSA2)",
        ratio(lambda: verified_params(body, signer), floor),
        0.90,
    )


def building(key: rsa.RSAPrivateKey) -> None:
    """The signed URL of a page payment."""
    gateway = OpenApiGateway("2021000000000000", Rsa2Signer(private_key=key))
    order = {
        "out_trade_no": "20260203123456789012345678",
        "subject": "龙井茶 250g",
        "total_amount": "88.88",
    }
    urls = {
        "notify_url": "https://shop.example.com/alipay/notify",
        "return_url": "https://shop.example.com/alipay/return",
    }

    def floor() -> str:
        params = {
            "app_id": "2021000000000000",
            "method": "alipay.trade.page.pay",
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "version": "1.0",
            "timestamp": datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
            **urls,
            "biz_content": json.dumps(
                {"product_code": "FAST_INSTANT_TRADE_PAY", **order},
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        }
        signature = key.sign(content_by_hand(params, ()), padding.PKCS1v15(), SHA256())
        params["sign"] = base64.b64encode(signature).decode()
        return f"https://openapi.alipay.com/gateway.do?{urlencode(params, quote_via=quote)}"

    def ours() -> str:
        return gateway.trade_page_pay(**order, **urls).url

    report("build a signed page payment's URL (RSA2)", ratio(ours, floor), 0.90)


def writing() -> None:
    """The string to sign alone."""

    def floor() -> bytes:
        return content_by_hand(FIELDS, ("sign", "sign_type"))

    value = ratio(lambda: sign_content(FIELDS), floor, calls=2000)
    report("write the string to sign", value, 0.75)


def main() -> None:
    """Runs all three."""
    key = generate_private_key()
    verifying(key)
    building(key)
    writing()


if __name__ == "__main__":
    main()
    sys.exit(conclude())
