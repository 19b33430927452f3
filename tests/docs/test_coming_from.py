"""The migration page: it is complete, and its code runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from textwrap import dedent

import pytest

from flask_alipay.gateways.transport import HttpTransport

from ..doubles.mapi import KEY
from .legacy_merchant import FakeAlipay, LegacyMerchant
from .reading import page

PAGE = page("coming-from.rst")
NEW = "Flask-Alipay"

#: What ``alipay`` 0.7.4 exports: a module's names, and the methods of its two classes.
ALIPAY = (
    "Alipay",
    "WapAlipay",
    "includeme",
    "encode_dict",
    "AlipayException",
    "MissingParameter",
    "ParameterValueError",
    "TokenAuthorizationError",
    "add_alipay_qrcode",
    "add_alipay_qrcode_url",
    "check_notify_remotely",
    "create_batch_trans_notify_url",
    "create_direct_pay_by_user_url",
    "create_direct_pay_token_url",
    "create_forex_trade_url",
    "create_forex_trade_wap_url",
    "create_partner_trade_by_buyer_url",
    "get_sign_method",
    "refund_fastpay_by_platform_pwd",
    "send_goods_confirm_by_platform",
    "single_trade_query",
    "trade_create_by_buyer_url",
    "verify_notify",
)

#: What ``alipay_python``'s ``alipay/alipay.py`` and ``config.py`` export.
ALIPAY_PYTHON = (
    "settings",
    "smart_str",
    "params_filter",
    "build_mysign",
    "create_direct_pay_by_user",
    "create_partner_trade_by_buyer",
    "send_goods_confirm_by_platform",
    "notify_verify",
)
#: Their settings.
SETTINGS = (
    *("pid", "key", "seller_email", "seller_id"),
    *("alipay.pid", "alipay.key", "alipay.seller_email"),
    *("ALIPAY_PARTNER", "ALIPAY_KEY", "ALIPAY_SELLER_EMAIL", "ALIPAY_SIGN_TYPE"),
    *("ALIPAY_INPUT_CHARSET", "ALIPAY_NOTIFY_URL", "ALIPAY_RETURN_URL", "ALIPAY_SHOW_URL"),
    "ALIPAY_TRANSPORT",
)

#: The service behind each old call that has one.
SERVICES = {
    "create_direct_pay_by_user_url": "create_direct_pay_by_user",
    "create_direct_pay_by_user": "create_direct_pay_by_user",
    "create_partner_trade_by_buyer_url": "create_partner_trade_by_buyer",
    "create_partner_trade_by_buyer": "create_partner_trade_by_buyer",
    "trade_create_by_buyer_url": "trade_create_by_buyer",
    "send_goods_confirm_by_platform": "send_goods_confirm_by_platform",
    "create_forex_trade_url": "create_forex_trade",
    "create_forex_trade_wap_url": "create_forex_trade_wap",
    "wap.create_direct_pay_token_url": "alipay.wap.trade.create.direct",
    "wap.create_direct_pay_by_user_url": "alipay.wap.auth.authAndExecute",
    "refund_fastpay_by_platform_pwd": "refund_fastpay_by_platform_pwd",
    "create_batch_trans_notify_url": "batch_trans_notify",
    "single_trade_query": "single_trade_query",
    "add_alipay_qrcode_url": "alipay.mobile.qrcode.manage",
    "add_alipay_qrcode": "alipay.mobile.qrcode.manage",
    "check_notify_remotely": "notify_verify",
}


def sections() -> list[tuple[list[str], str]]:
    """Return the code of the page in order: the old blocks, and the new one beside them."""
    found: list[tuple[list[str], str]] = []
    old: list[str] = []
    blocks = re.finditer(
        r"^( *)\.\. code-block:: python\n(?: +:caption: (.+)\n)?\n((?:\1    .*\n|\n)+)", PAGE, re.M
    )
    for block in blocks:
        code = dedent(block[3]).strip() + "\n"
        if block[2] in (None, NEW):
            found.append((old, code))
            old = []
        else:
            old.append(code)
    assert old == []
    return found


def calls(code: str) -> set[str]:
    """Return the names of the functions that a block calls, with the object for WapAlipay."""
    nodes = ast.walk(ast.parse(code))
    called = (ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call))
    return {name if name.startswith("wap.") else name.rpartition(".")[2] for name in called}


@pytest.fixture
def merchant(monkeypatch: pytest.MonkeyPatch) -> Iterator[LegacyMerchant]:
    alipay = FakeAlipay()

    def respond(self: object, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        return alipay.answer(params)

    monkeypatch.setattr(HttpTransport, "get", respond)
    monkeypatch.setattr(HttpTransport, "post", respond)
    monkeypatch.setenv("ALIPAY_KEY", KEY)
    merchant = LegacyMerchant(alipay)
    yield merchant
    merchant.close()


def test_every_new_call_uses_the_service_of_the_old_ones_beside_it(
    merchant: LegacyMerchant,
) -> None:
    body, form = merchant.notification(), "application/x-www-form-urlencoded"
    covered: set[str] = set()
    context = merchant.app.test_request_context("/", method="POST", data=body, content_type=form)
    with context:
        merchant.names["db"].create_all()
        for old, new in sections():
            services = merchant.run(new)
            for name in set().union(*map(calls, old)) & set(SERVICES):
                assert SERVICES[name] in services, (name, new)
                covered.add(name)
    assert covered == set(SERVICES)


@pytest.mark.parametrize("name", [*ALIPAY, *ALIPAY_PYTHON])
def test_every_name_that_they_export_is_on_the_page(name: str) -> None:
    assert re.search(rf"(?<![\w]){name}(?!\w)", PAGE)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_of_theirs_is_on_the_page(name: str) -> None:
    assert f"``{name}``" in PAGE


def test_the_old_calls_are_python() -> None:
    for old, _ in sections():
        for code in old:
            ast.parse(code)
