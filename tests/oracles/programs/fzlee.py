"""python-alipay-sdk (fzlee) buys at the simulator. It checks the signature of every answer."""

import json

from alipay import AliPay, DCAliPay
from alipay.exceptions import AliPayException
from Cryptodome.PublicKey import RSA
from python_shop import (
    GATEWAY,
    NOTIFY_URL,
    PREFIX,
    TODAY,
    app,
    bill,
    control,
    key,
    merchant,
    news,
    order,
    page,
    say,
)

BILL = "alipay.data.dataservice.bill.downloadurl.query"
COMMON = {
    "appid": merchant["app_id"],
    "app_notify_url": NOTIFY_URL,
    "app_private_key_string": key("app_private_key.pem"),
}


def made(kind=AliPay, **changes):
    keys = {"alipay_public_key_string": key("alipay_public_key.pem")}
    if kind is DCAliPay:
        keys = {
            "app_public_key_cert_string": key("app_cert.crt"),
            "alipay_public_key_cert_string": key("alipay_cert.crt"),
            "alipay_root_cert_string": key("alipay_root_cert.crt"),
        }
    sdk = kind(**{**COMMON, **keys, **changes})
    sdk._gateway = GATEWAY
    return sdk


sdk = made()


def believed(fields):
    return sdk.verify(fields, fields.pop("sign"))


def answered(step, call, *arguments, **named):
    node = call(*arguments, **named)
    say(step, {**node, "signed": True, "verified": True})
    return node


def refund(step, amount, request):
    name = f"{PREFIX}Q1"
    answered(step, sdk.api_alipay_trade_refund, amount, out_trade_no=name, out_request_no=request)


def buy():
    number = f"{PREFIX}Q1"
    answered("precreate", sdk.api_alipay_trade_precreate, **order("Q1"))
    control(f"/trades/{number}/pay")
    news("told that it is paid", believed)
    answered("query", sdk.api_alipay_trade_query, out_trade_no=number)
    refund("partial refund", "8.88", "R1")
    refund("the same again", "8.88", "R1")
    asked = sdk.api_alipay_trade_fastpay_refund_query
    answered("refund query", asked, "R1", out_trade_no=number)
    refund("above the rest", "80.01", "R2")
    refund("full refund", "80.00", "R3")
    answered("closed", sdk.api_alipay_trade_query, out_trade_no=number)
    news("told of the partial refund", believed)
    news("told of the full refund", believed)
    found = sdk.server_api(BILL, {"bill_type": "trade", "bill_date": TODAY})
    bill(found["bill_download_url"], number)
    answered(
        "till",
        sdk.api_alipay_trade_pay,
        scene="bar_code",
        auth_code="281234567890123456",
        **order("B1"),
    )
    news("told of till", believed)
    answered("cancel", sdk.api_alipay_trade_cancel, out_trade_no=f"{PREFIX}B1")
    news("told of cancel", believed)


def pages():
    to = "http://127.0.0.1/return"
    query = sdk.api_alipay_trade_page_pay(return_url=to, **order("P1"))
    page("page", f"{GATEWAY}?{query}", believed)
    # Its own product_code is not the documented one.
    query = sdk.api_alipay_trade_wap_pay(return_url=to, product_code="QUICK_WAP_WAY", **order("W1"))
    page("wap", f"{GATEWAY}?{query}", believed)
    name = "alipay_trade_app_pay_response"
    app(
        sdk.api_alipay_trade_app_pay(**order("A1")),
        lambda text: sdk._verify_and_return_sync_response(text, name)["code"] == "10000",
    )
    news("told of app", believed)


def refusals():
    other = RSA.generate(2048).export_key().decode()
    stranger = made(app_private_key_string=other)
    answered("wrong key", stranger.api_alipay_trade_query, out_trade_no="x")
    nobody = made(appid="2021000000000000")
    try:
        nobody.api_alipay_trade_query(out_trade_no="x")
    except AliPayException as error:  # what is not signed, with all of the answer in its text
        answer = json.loads(str(error).partition("message:")[2])
        say("unknown app", {**answer["alipay_trade_query_response"], "signed": False})


def money():
    certified = made(DCAliPay)
    answered("with certificates", certified.api_alipay_trade_precreate, **order("C1"))
    payee = {"identity_type": "ALIPAY_USER_ID", "identity": "2088000000000002"}
    sent = certified.api_alipay_fund_trans_uni_transfer
    answered("transfer", sent, f"{PREFIX}T1", trans_amount="1.00", name="黄龙", **payee)
    asked = {"out_biz_no": f"{PREFIX}T1", "product_code": "TRANS_ACCOUNT_NO_PWD"}
    asked["biz_scene"] = "DIRECT_TRANSFER"
    answered("transfer query", certified.server_api, "alipay.fund.trans.common.query", asked)
    paid = sdk.api_alipay_trade_pay(scene="bar_code", auth_code="281234567890123456", **order("S1"))
    share = {"trans_in": "2088000000000003", "trans_in_type": "userId", "amount": "1.00"}
    settle = sdk.api_alipay_trade_order_settle
    answered("settle", settle, f"{PREFIX}S1", paid["trade_no"], [share])


buy()
pages()
refusals()
money()
# It signs empty values, which Alipay's own documents leave out.
say("signed", {"query": sdk.sign_data({"b": "龙井 + 1&2=3", "a": "", "C": "%41", "_": "x"})})
