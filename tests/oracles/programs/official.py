"""The official alipay-sdk-python, likewise."""

import http.client
import json
import logging
import sys
import urllib.parse
import urllib.request
from importlib import import_module

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.exception.Exception import ResponseException
from alipay.aop.api.util import WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, sign_with_rsa2, verify_with_rsa

logging.disable(logging.CRITICAL)
told = json.load(sys.stdin)


def connection(url, query, timeout):
    """The SDK's own knows no other ports than 80 and 443. It names the whole address, as here."""
    parts = urllib.parse.urlsplit(url)
    return f"{url}?{query}", http.client.HTTPConnection(parts.netloc, timeout=timeout)


WebUtils.get_http_connection = connection
config = AlipayClientConfig()
config.app_id = told["app_id"]
config.app_private_key = told["private_key"]
config.alipay_public_key = told["public_key"]
config.server_url = told["gateway"]
client = DefaultAlipayClient(config)


def made(name, **content):
    """A request; its model, where it has one, is filled by the names of the fields."""
    kind = getattr(import_module(f"alipay.aop.api.request.{name}Request"), f"{name}Request")
    request = kind()
    model = getattr(import_module(f"alipay.aop.api.domain.{name}Model"), f"{name}Model")()
    for field, value in content.items():
        setattr(model, field, value)
    request.biz_model = model
    request.notify_url = told["notify_url"]
    return request


def ask(name, **content):
    return json.loads(client.execute(made(name, **content)))


def refused(name, **content):
    try:
        return ask(name, **content)
    except ResponseException as error:
        return str(error)


def tell(path, **said):
    request = urllib.request.Request(
        told["root"] + path,
        data=json.dumps(said).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()


def verified(fields):
    content = {name: fields[name] for name in fields if name not in ("sign", "sign_type")}
    try:
        return verify_with_rsa(
            told["public_key"], get_sign_content(content).encode("utf-8"), fields["sign"]
        )
    except Exception:
        return False


said = {}
fields = told["notification"]
said["verifies ours"] = verified(fields)
said["refuses a changed one"] = not verified({**fields, "total_amount": "0.01"})
signed = {"b": "龙井 + 1&2=3", "C": "%41", "_": "x"}
content = get_sign_content(signed)
said["signed"] = {**signed, "sign": sign_with_rsa2(told["private_key"], content, "utf-8")}

order = {"subject": "龙井茶 50g", "total_amount": "88.88"}
pay = {"out_trade_no": "P1", "product_code": "FAST_INSTANT_TRADE_PAY", **order}
said["page"] = client.page_execute(made("AlipayTradePagePay", **pay), "GET").partition("?")[2]
said["form"] = client.page_execute(made("AlipayTradePagePay", **{**pay, "out_trade_no": "P2"}))
pay = {"out_trade_no": "W1", "product_code": "QUICK_WAP_WAY", **order}
said["wap"] = client.page_execute(made("AlipayTradeWapPay", **pay), "GET").partition("?")[2]
pay = {"out_trade_no": "A1", "product_code": "QUICK_MSECURITY_PAY", **order}
said["app"] = client.sdk_execute(made("AlipayTradeAppPay", **pay))
said["precreate"] = ask("AlipayTradePrecreate", out_trade_no="Q1", **order)
tell("/trades/Q1/pay")
said["query"] = ask("AlipayTradeQuery", out_trade_no="Q1")
part = {"out_trade_no": "Q1", "refund_amount": "8.88"}
said["refunds"] = [
    ask("AlipayTradeRefund", **part, out_request_no=number) for number in ("R1", "R1", "R2")
]
said["too much"] = refused(
    "AlipayTradeRefund", out_trade_no="Q1", refund_amount="88.88", out_request_no="R3"
)
said["refund query"] = ask("AlipayTradeFastpayRefundQuery", out_trade_no="Q1", out_request_no="R1")
ask("AlipayTradeRefund", out_trade_no="Q1", refund_amount="71.12", out_request_no="R4")
said["closed"] = ask("AlipayTradeQuery", out_trade_no="Q1")
code = {"scene": "bar_code", "auth_code": "281234567890123456"}
said["pay"] = ask("AlipayTradePay", out_trade_no="B1", **code, **order)
said["cancel"] = ask("AlipayTradeCancel", out_trade_no="B1")
ask("AlipayTradeCreate", out_trade_no="C1", buyer_id=told["buyer_id"], **order)
said["close"] = ask("AlipayTradeClose", out_trade_no="C1")
said["nothing there"] = refused("AlipayTradeQuery", out_trade_no="nothing")
with urllib.request.urlopen(told["site"] + "/heard") as answer:
    notifications = json.load(answer)
said["heard"] = [
    fields["trade_status"] for fields in notifications if fields["out_trade_no"] == "Q1"
]
said["believes all"] = all(map(verified, notifications))
json.dump(said, sys.stdout)
