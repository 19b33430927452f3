"""python-alipay-sdk: verifies what it is given, and shops at the simulator. JSON in, JSON out."""

import json
import sys
import urllib.request

from alipay import AliPay, DCAliPay
from alipay.exceptions import AliPayException

told = json.load(sys.stdin)


def shop():
    common = {"appid": told["app_id"], "app_private_key_string": told["private_key"]}
    common["app_notify_url"] = told["notify_url"]
    if told["certificates"]:
        app, alipay, root = told["certificates"]
        made = DCAliPay(
            app_public_key_cert_string=app,
            alipay_public_key_cert_string=alipay,
            alipay_root_cert_string=root,
            **common,
        )
    else:
        made = AliPay(alipay_public_key_string=told["public_key"], **common)
    made._gateway = told["gateway"]
    return made


def tell(path, **said):
    request = urllib.request.Request(
        told["root"] + path,
        data=json.dumps(said).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def heard(path="/heard"):
    with urllib.request.urlopen(told["site"] + path) as answer:
        return json.load(answer)


def refused(call):
    try:
        return call()
    except AliPayException as error:
        return str(error)


sdk = shop()
said = {}
fields = told["notification"]
sign = fields.pop("sign")
said["verifies ours"] = sdk.verify(dict(fields), sign)
said["refuses a changed one"] = not sdk.verify({**fields, "total_amount": "0.01"}, sign)
said["reads our answer"] = sdk._verify_and_return_sync_response(
    told["answer"], "alipay_trade_query_response"
)
said["signed"] = sdk.sign_data({"b": "龙井 + 1&2=3", "a": "", "C": "%41", "_": "x"})

order = {"subject": "龙井茶 50g", "total_amount": "88.88"}
said["page"] = sdk.api_alipay_trade_page_pay(
    out_trade_no="P1", return_url=told["site"] + "/return", **order
)
said["wap"] = sdk.api_alipay_trade_wap_pay(out_trade_no="W1", **order)
said["app"] = sdk.api_alipay_trade_app_pay(out_trade_no="A1", **order)
said["precreate"] = sdk.api_alipay_trade_precreate(out_trade_no="Q1", **order)
tell("/trades/Q1/pay")
said["query"] = sdk.api_alipay_trade_query(out_trade_no="Q1")
for number in ("R1", "R1", "R2"):
    said.setdefault("refunds", []).append(
        sdk.api_alipay_trade_refund("8.88", out_trade_no="Q1", out_request_no=number)
    )
said["too much"] = refused(
    lambda: sdk.api_alipay_trade_refund("88.88", out_trade_no="Q1", out_request_no="R3")
)
said["refund query"] = sdk.api_alipay_trade_fastpay_refund_query("R1", out_trade_no="Q1")
sdk.api_alipay_trade_refund("71.12", out_trade_no="Q1", out_request_no="R4")
said["closed"] = sdk.api_alipay_trade_query(out_trade_no="Q1")
said["pay"] = sdk.api_alipay_trade_pay(
    scene="bar_code", auth_code="281234567890123456", out_trade_no="B1", **order
)
said["cancel"] = sdk.api_alipay_trade_cancel(out_trade_no="B1")
sdk.api_alipay_trade_create(out_trade_no="C1", buyer_id=told["buyer_id"], **order)
said["close"] = sdk.api_alipay_trade_close(out_trade_no="C1")
said["nothing there"] = refused(lambda: sdk.api_alipay_trade_query(out_trade_no="nothing"))
notifications = heard()
said["heard"] = [
    fields["trade_status"] for fields in notifications if fields["out_trade_no"] == "Q1"
]
said["believes all"] = all(
    sdk.verify({name: fields[name] for name in fields if name != "sign"}, fields["sign"])
    for fields in notifications
)
json.dump(said, sys.stdout)
