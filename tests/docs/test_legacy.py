"""The page about the legacy gateway: its code runs, and it names every service."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from textwrap import dedent
from typing import Any

import pytest

from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.keys import private_pem

from ..conftest import Keys
from .legacy_merchant import FakeAlipay, LegacyMerchant
from .reading import page

PAGE = page("legacy.rst")

Open = Callable[..., LegacyMerchant]


@pytest.fixture
def open_merchant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    alipay = FakeAlipay()
    merchants: list[LegacyMerchant] = []

    def respond(self: object, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        return alipay.answer(params)

    def make(**settings: Any) -> LegacyMerchant:
        merchants.append(LegacyMerchant(alipay, **settings))
        return merchants[-1]

    monkeypatch.setattr(HttpTransport, "get", respond)
    monkeypatch.setattr(HttpTransport, "post", respond)
    yield make
    for merchant in merchants:
        merchant.close()


def blocks() -> list[str]:
    """Return the page's code in order, at any indentation."""
    found = re.finditer(r"^( *)\.\. code-block:: python\n\n((?:\1    .*\n|\n)+)", PAGE, re.M)
    return [dedent(block[2]).strip() + "\n" for block in found]


def run(merchant: LegacyMerchant, wanted: Callable[[str], bool]) -> set[str]:
    with merchant.app.test_request_context("/"):
        merchant.names["db"].create_all()
        return set().union(*(merchant.run(block) for block in blocks() if wanted(block)))


def for_apps(block: str) -> bool:
    return "mobile_securitypay_pay" in block


def test_its_code_runs(open_merchant: Open) -> None:
    services = run(open_merchant(), lambda block: not for_apps(block))
    assert {
        "account.page.query",
        "alipay.mobile.qrcode.manage",
        "alipay.wap.auth.authAndExecute",
        "alipay.wap.trade.create.direct",
        "batch_trans_notify",
        "close_trade",
        "forex_rate_file",
        "forex_refund",
        "query_timestamp",
        "refund_fastpay_by_platform_nopwd",
        "refund_fastpay_by_platform_pwd",
        "send_goods_confirm_by_platform",
        "single_trade_query",
    } == services


def test_its_code_for_apps_runs_for_a_merchant_with_rsa(open_merchant: Open, keys: Keys) -> None:
    merchant = open_merchant(ALIPAY_SIGN_TYPE="RSA", ALIPAY_PRIVATE_KEY=private_pem(keys.merchant))
    run(merchant, for_apps)
    assert 'service="mobile.securitypay.pay"' in merchant.names["order"]


def test_it_names_every_service() -> None:
    # The notification route calls notify_verify; the others are not services of this gateway.
    omitted = {
        "in_charset",
        "acting_for",
        "within",
        "pay",
        "check_payment",
        "product_for",
        "notify_verify",
        "query_transfer",
        "submit_transfer",
        "submit_granted_payment",
        "query_authorization",
        "freeze_by_code",
        "release_authorization",
        "cancel_authorization",
    }
    methods = {name for name, _ in inspect.getmembers(MapiGateway, inspect.isfunction)}
    services = {name for name in methods - omitted if not name.startswith("_")}
    products = set(MapiGateway.products.values())
    named = {name for name in services if name in PAGE or name in products}
    assert services - named - {name.replace(".", "_") for name in products} == set()


def test_it_names_every_product_with_its_service() -> None:
    rows = dict(re.findall(r'^    "``(\w+)``", "``([\w.]+)``", ', PAGE, re.M))
    assert rows == dict(MapiGateway.products)
