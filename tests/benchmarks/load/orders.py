"""Orders on each gateway in its usual way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final
from urllib.parse import quote, urlencode

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Md5Signer, Rsa2Signer, sign_content
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant


@dataclass(frozen=True)
class Kind:
    """Way to order."""

    name: str
    #: How many signatures Alipay makes for a trade, by RSA.
    signatures: int
    #: The status of the answer to an order.
    answer: int
    #: Makes what signs a request for an out_trade_no.
    requests: Callable[[SimulatedMerchant, int], Callable[[str], bytes]]


def _direct_pay(merchant: SimulatedMerchant, shop_port: int) -> Callable[[str], bytes]:
    signer = Md5Signer(merchant.md5_key)

    def request(out_trade_no: str) -> bytes:
        params = {
            "service": "create_direct_pay_by_user",
            "partner": merchant.partner,
            "_input_charset": "utf-8",
            "payment_type": "1",
            "notify_url": f"http://127.0.0.1:{shop_port}/notify",
            "return_url": f"http://127.0.0.1:{shop_port}/return",
            "out_trade_no": out_trade_no,
            "subject": "龙井茶 250g",
            "total_fee": "88.88",
            "seller_id": merchant.partner,
        }
        sign = signer.sign(sign_content(params))
        return _get(params | {"sign_type": "MD5", "sign": sign})

    return request


def _openapi(method: str, product_code: str, send: Callable[[Mapping[str, str]], bytes]) -> ...:
    def requests(merchant: SimulatedMerchant, shop_port: int) -> Callable[[str], bytes]:
        signer = Rsa2Signer(merchant.private_key)

        def request(out_trade_no: str) -> bytes:
            content = {
                "out_trade_no": out_trade_no,
                "total_amount": "88.88",
                "subject": "龙井茶 250g",
                "product_code": product_code,
            }
            params = {
                "app_id": merchant.app_id,
                "method": method,
                "charset": "utf-8",
                "sign_type": "RSA2",
                "timestamp": format_china_time(datetime.now(timezone.utc)),
                "version": "1.0",
                "notify_url": f"http://127.0.0.1:{shop_port}/notify",
                "biz_content": json.dumps(content, ensure_ascii=False),
            }
            sign = signer.sign(sign_content(params, exclude=("sign",)))
            return send(params | {"sign": sign})

        return request

    return requests


def _get(params: Mapping[str, str]) -> bytes:
    query = urlencode(params, quote_via=quote)
    return f"GET /gateway.do?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("ascii")


def _post(params: Mapping[str, str]) -> bytes:
    body = urlencode(params, quote_via=quote)
    return (
        "POST /gateway.do?charset=utf-8 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


KINDS: Final[Mapping[str, Kind]] = {
    "mapi": Kind("create_direct_pay_by_user, MD5", 0, 303, _direct_pay),
    "page": Kind(
        "alipay.trade.page.pay, RSA2",
        1,
        303,
        _openapi("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY", _get),
    ),
    "precreate": Kind(
        "alipay.trade.precreate, RSA2",
        2,
        200,
        _openapi("alipay.trade.precreate", "FACE_TO_FACE_PAYMENT", _post),
    ),
}
