"""An app of a merchant on the legacy gateway, with a fake Alipay, for the documentation's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.signer import sign_content

from ..doubles.mapi import ACTS, KEY, PAGE_INNER, PAGE_XML, PARTNER, QUESTIONS, SIGNER, yes
from ..doubles.models import declare_models

db = SQLAlchemy()
Payment, Refund, Notification = declare_models(db.Model)


RATES = b"20260131|120000|USD|7.1000|\n20260131|120000|JPY|0.0470|\n"


class FakeAlipay:
    """Accept requests for every service, and record the services."""

    def __init__(self) -> None:
        self.services: list[str] = []

    def answer(self, params: Mapping[str, str]) -> bytes:
        """Return the response to a request."""
        service = params["service"]
        self.services.append(service)
        return SPECIAL.get(service, _success)(params)


def _success(params: Mapping[str, str]) -> bytes:
    _, name, values = {**QUESTIONS, **ACTS}[params["service"]]
    requested = {key: value for key, value in params.items() if key in values}
    return yes(name, {**values, **requested})


def _token(params: Mapping[str, str]) -> bytes:
    response = {name: params[name] for name in ("partner", "req_id", "sec_id", "service", "v")}
    token = "<request_token>20260131abc</request_token>"
    response["res_data"] = f"<direct_trade_create_res>{token}</direct_trade_create_res>"
    sign = SIGNER.sign(sign_content(response, exclude=("sign",)))
    return urlencode({**response, "sign": sign}).encode()


#: Services whose response differs from the usual XML.
SPECIAL: Mapping[str, Callable[[Mapping[str, str]], bytes]] = {
    "notify_verify": lambda params: b"true",
    "forex_rate_file": lambda params: RATES,
    "account.page.query": lambda params: yes("account_page", PAGE_XML, inner=PAGE_INNER),
    "alipay.wap.trade.create.direct": _token,
}


class LegacyMerchant:
    """An app with the blueprint, and a namespace in which blocks run one after the other.

    :param alipay: receives the gateway's HTTP requests.
    """

    def __init__(self, alipay: FakeAlipay, **settings: Any) -> None:
        self._fake = alipay
        self.app = Flask("tea")
        self.app.config.update(
            SECRET_KEY="not a secret",
            TRUSTED_HOSTS=["localhost"],
            SQLALCHEMY_DATABASE_URI="sqlite://",
            ALIPAY_PARTNER=PARTNER,
            ALIPAY_KEY=KEY,
            ALIPAY_SELLER_EMAIL="shop@example.com",
            ALIPAY_SHOW_URL="https://tea.example/teas",
            **settings,
        )
        db.init_app(self.app)
        self.alipay = AlipayBlueprint(db, Payment, Refund, Notification)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        self.names: dict[str, Any] = {"app": self.app, "alipay": self.alipay, "db": db}
        self._trades = 0

    def run(self, block: str) -> set[str]:
        """Execute a block, and return the services that it requested."""
        self._fake.services.clear()
        self.names.pop("url", None)
        exec(compile(block, "a page of the documentation", "exec"), self.names)
        self._pay()
        return {*self._fake.services, *self._services_of(self.names.get("url"))}

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()

    def notification(self) -> bytes:
        """Return a signed form, as Alipay sends it."""
        params = {"notify_id": "n1", "out_trade_no": "T1", "seller_id": PARTNER}
        return urlencode({**params, "sign": SIGNER.sign(sign_content(params))}).encode()

    def _pay(self) -> None:
        """Settle the payment of the previous block, so that the next block can use it."""
        payment = self.names.get("payment")
        if payment is None or payment.paid or payment not in db.session or db.session.new:
            return
        self._trades += 1
        self.alipay.ledger().settle(
            Report(
                out_trade_no=payment.out_trade_no,
                trade_status="TRADE_SUCCESS",
                total_fen=payment.total_fen,
                currency=payment.currency,
                trade_no=f"{2026013122001400001234560000 + self._trades}",
                seller_id=PARTNER,
            )
        )

    def _services_of(self, url: str | None) -> list[str]:
        query = parse_qs(urlsplit(url or "").query)
        return query.get("service", [])
