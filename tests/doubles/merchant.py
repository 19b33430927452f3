"""Merchant's settings and keys, and what Alipay signs for the merchant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from flask_alipay.keys import private_pem, public_pem
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from ..conftest import Keys

APP_ID = "9021000000000001"
PARTNER = "2088000000000001"
SELLER_EMAIL = "shop@example.com"
MD5_KEY = "0123456789abcdef0123456789abcdef"

BUYER_ID = "2088999999999999"
BUYER_EMAIL = "anna.buyer@example.org"
#: What no log line, page or error of ours may say.
BUYER_DATA = (BUYER_ID, BUYER_EMAIL, "anna.buyer", "an***@example.org")

#: Amounts as Alipay never writes them.
ODD_AMOUNTS = (
    "-88.88",
    "+88.88",
    " 88.88",
    "88.88\n",
    "88,88",
    "88.880",
    "8.888e1",
    "1e3",
    "0x58",
    "NaN",
    "Infinity",
    "88",  # whole yuan, but not these
    ".88",
    "88.",
    "٨٨.٨٨",
    "８８.８８",
    "9" * 400,
)


@dataclass(frozen=True)
class Merchant:
    """Merchant on one gateway, with the keys of both sides.

    :param keys: the merchant's pair and Alipay's.
    """

    protocol: str
    sign_type: str
    charset: str
    keys: Keys
    number: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings for ``app.config``, without prefix."""
        settings: dict[str, Any] = {"SIGN_TYPE": self.sign_type, "INPUT_CHARSET": self.charset}
        if self.protocol == "openapi":
            settings |= {"APP_ID": self.number or APP_ID, "SELLER_ID": PARTNER}
        else:
            settings |= {"PARTNER": self.number or PARTNER, "SELLER_EMAIL": SELLER_EMAIL}
        if self.sign_type == "MD5":
            return settings | {"KEY": MD5_KEY}
        return settings | {
            "PRIVATE_KEY": private_pem(self.keys.merchant),
            "PUBLIC_KEY": public_pem(self.keys.alipay.public_key()),
        }

    @property
    def signer(self) -> Signer:
        """Signer that signs as Alipay does, and verifies the merchant's signatures."""
        pair = (self.keys.alipay, self.keys.merchant.public_key())
        if self.sign_type == "MD5":
            return Md5Signer(MD5_KEY)
        return RsaSigner(*pair) if self.sign_type == "RSA" else Rsa2Signer(*pair)

    @property
    def amount(self) -> str:
        """Name of an order's amount on the gateway."""
        return "total_amount" if self.protocol == "openapi" else "total_fee"

    def notification_params(self, out_trade_no: str, **changes: str | None) -> dict[str, str]:
        """Return the fields of a notification of a sale, unsigned. ``None`` leaves a field out."""
        fields: dict[str, str | None] = {
            "notify_time": format_china_time(datetime.now(timezone.utc)),
            "notify_type": "trade_status_sync",
            "notify_id": f"notify-{out_trade_no}",
            "out_trade_no": out_trade_no,
            "trade_no": f"trade-{out_trade_no}",
            "trade_status": "TRADE_SUCCESS",
            "subject": "龙井 + 1 100%",
            "gmt_payment": "2026-01-02 00:00:02",
            "seller_id": PARTNER,
            "seller_email": SELLER_EMAIL,
            "buyer_id": BUYER_ID,
            self.amount: "88.88",
            **self._own_fields(),
            **changes,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def signed(self, fields: dict[str, str], signer: Signer | None = None) -> dict[str, str]:
        """Return the fields with their signature."""
        signer = signer or self.signer
        content = sign_content(fields, charset=self.charset)
        return fields | {"sign_type": signer.sign_type, "sign": signer.sign(content)}

    def encoded(self, fields: dict[str, str]) -> bytes:
        """Return the fields as they are sent."""
        return urlencode(fields, encoding=python_codec(self.charset)).encode("ascii")

    def notification(self, out_trade_no: str, **changes: str | None) -> bytes:
        """Return the body of a notification as Alipay sends it."""
        return self.encoded(self.signed(self.notification_params(out_trade_no, **changes)))

    def come_back(self, out_trade_no: str, **changes: str | None) -> str:
        """Return the query with which the buyer returns to the shop."""
        now = format_china_time(datetime.now(timezone.utc))
        if self.protocol == "openapi":
            fields: dict[str, str | None] = {
                "method": "alipay.trade.page.pay.return",
                "app_id": self.number or APP_ID,
                "auth_app_id": self.number or APP_ID,
                "version": "1.0",
                "charset": self.charset,
                "timestamp": now,
                "seller_id": PARTNER,
            }
        else:
            fields = {
                "is_success": "T",
                "exterface": "create_direct_pay_by_user",
                "trade_status": "TRADE_SUCCESS",
                "notify_id": "RqPnCoPT3K9%2Fvwbh3I",
                "notify_time": now,
                "seller_id": PARTNER,
                "seller_email": SELLER_EMAIL,
                "buyer_id": BUYER_ID,
                "buyer_email": BUYER_EMAIL,
            }
        fields |= {
            "out_trade_no": out_trade_no,
            "trade_no": f"trade-{out_trade_no}",
            self.amount: "88.88",
            **changes,
        }
        present = {name: value for name, value in fields.items() if value is not None}
        return self.encoded(self.signed(present)).decode("ascii")

    def request_at(self, url: str) -> dict[str, str]:
        """Return the parameters of the merchant's signed URL, after verifying its signature."""
        query = url.partition("?")[2]
        params = dict(parse_qsl(query, strict_parsing=True, encoding=python_codec(self.charset)))
        exclude = ("sign",) if self.protocol == "openapi" else ("sign", "sign_type")
        content = sign_content(params, exclude=exclude, charset=self.charset)
        assert self.signer.verify(content, params["sign"])
        return params

    def _own_fields(self) -> dict[str, str | None]:
        """Return the fields that only this gateway sends."""
        if self.protocol == "openapi":
            return {
                "charset": self.charset,
                "version": "1.0",
                "app_id": self.number or APP_ID,
                "auth_app_id": self.number or APP_ID,
                "buyer_logon_id": "an***@example.org",
            }
        return {"buyer_email": BUYER_EMAIL, "payment_type": "1", "price": "88.88", "quantity": "1"}


def _params(*kinds: tuple[str, str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "merchant", kinds, ids=["-".join(kind) for kind in kinds], indirect=True
    )


OPENAPI = ("openapi", "RSA2", "utf-8")
MAPI_MD5 = ("mapi", "MD5", "utf-8")
MAPI_RSA = ("mapi", "RSA", "utf-8")

on_the_legacy_gateway = _params(MAPI_MD5)
#: Where Alipay signs for all merchants with one key.
with_the_shared_key = _params(MAPI_RSA)
on_each_gateway = _params(OPENAPI, MAPI_MD5, MAPI_RSA)
in_each_charset = _params(
    OPENAPI,
    MAPI_MD5,
    MAPI_RSA,
    ("openapi", "RSA2", "gbk"),
    ("mapi", "MD5", "gbk"),
    ("mapi", "RSA", "gbk"),
)
