"""The official alipay-sdk-python buys at the simulator. It checks the signature of every answer."""

import http.client
import json
import logging
import sys
import urllib.parse
from importlib import import_module

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.exception.Exception import ResponseException
from alipay.aop.api.util import EncryptUtils, WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, sign_with_rsa2, verify_with_rsa
from Crypto.Cipher import AES
from Crypto.PublicKey import RSA
from python_shop import (
    GATEWAY,
    NOTIFY_URL,
    PREFIX,
    SUBJECT,
    TODAY,
    after,
    app,
    bill,
    connect,
    control,
    key,
    merchant,
    news,
    order,
    page,
    say,
    sign,
)

logging.disable(logging.CRITICAL)


def connection(url, query, timeout):
    """The SDK's own knows no other ports than 80 and 443. It names the whole address, as here."""
    parts = urllib.parse.urlsplit(url)
    return f"{url}?{query}", http.client.HTTPConnection(parts.netloc, timeout=timeout)


class Bytes:
    """AES as the SDK asks for it: it hands texts to a library that now wants bytes."""

    block_size, MODE_CBC = AES.block_size, AES.MODE_CBC

    @staticmethod
    def new(secret, mode, iv):
        cipher = AES.new(secret, mode, iv.encode())
        encrypt = cipher.encrypt
        cipher.encrypt = lambda text: encrypt(text.encode())
        return cipher


WebUtils.get_http_connection = connection
EncryptUtils.AES = Bytes


def made(**changes):
    config = AlipayClientConfig()
    config.app_id = merchant["app_id"]
    config.app_private_key = key("app_private_key_pkcs1.pem")
    config.alipay_public_key = key("alipay_public_key.pem")
    config.server_url = GATEWAY
    for name, value in changes.items():
        setattr(config, name, value)
    return DefaultAlipayClient(config)


client = made()
PREAUTH = {"product_code": "PREAUTH_PAY"}


def bare(name):
    return getattr(import_module(f"alipay.aop.api.request.{name}Request"), f"{name}Request")()


def request(name, content, **more):
    """A request; its model, where it has one, is filled by the names of the fields."""
    made = bare(name)
    model = getattr(import_module(f"alipay.aop.api.domain.{name}Model"), f"{name}Model")()
    for field, value in content.items():
        setattr(model, field, value)
    made.biz_model, made.notify_url = model, NOTIFY_URL
    for field, value in more.items():
        setattr(made, field, value)
    return made


def ask(step, name, by=client, token=None, **content):
    asked = request(name, content)
    if token:
        asked.add_other_text_param("app_auth_token", token)
    return execute(step, asked, by)


def execute(step, asked, by=client):
    node = json.loads(by.execute(asked))
    if step:
        say(step, {**node, "signed": True, "verified": True})
    return node


def believed(fields):
    content = {name: fields[name] for name in fields if name not in ("sign", "sign_type")}
    return verified(get_sign_content(content), fields["sign"])


def verified(content, sign):
    try:
        return verify_with_rsa(key("alipay_public_key.pem"), content.encode("utf-8"), sign)
    except Exception:  # as it says no
        return False


def buy():
    number = f"{PREFIX}Q1"

    def refund(step, amount, name):
        part = {"out_trade_no": number, "refund_amount": amount, "out_request_no": name}
        ask(step, "AlipayTradeRefund", **part)

    ask("precreate", "AlipayTradePrecreate", **order("Q1"))
    control(f"/trades/{number}/pay")
    news("told that it is paid", believed)
    ask("query", "AlipayTradeQuery", out_trade_no=number)
    refund("partial refund", "8.88", "R1")
    refund("the same again", "8.88", "R1")
    asked = {"out_trade_no": number, "out_request_no": "R1"}
    ask("refund query", "AlipayTradeFastpayRefundQuery", **asked)
    refund("above the rest", "80.01", "R2")
    refund("full refund", "80.00", "R3")
    ask("closed", "AlipayTradeQuery", out_trade_no=number)
    news("told of the partial refund", believed)
    news("told of the full refund", believed)
    asked = {"bill_type": "trade", "bill_date": TODAY}
    node = ask(None, "AlipayDataDataserviceBillDownloadurlQuery", **asked)
    bill(node["bill_download_url"], number)
    till = {"scene": "bar_code", "auth_code": "281234567890123456"}
    ask("till", "AlipayTradePay", **till, **order("B1"))
    news("told of till", believed)
    ask("cancel", "AlipayTradeCancel", out_trade_no=f"{PREFIX}B1")
    news("told of cancel", believed)
    deposit = {"out_order_no": f"{PREFIX}F", "out_request_no": f"{PREFIX}FR", "amount": "500.00"}
    code = {"auth_code": "281234567890123456", "auth_code_type": "bar_code"}
    content = {**deposit, **code, "order_title": "押金", "product_code": "PREAUTH_PAY"}
    frozen = execute(None, request("AlipayFundAuthOrderFreeze", content, notify_url=None))
    granted = {"auth_no": frozen["auth_no"], "product_code": "PREAUTH_PAY"}
    ask("capture", "AlipayTradePay", **granted, **order("F1"))
    news("told of capture", believed)


def pages():
    codes = {"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}
    for way, code in codes.items():
        name = f"AlipayTrade{way.title()}Pay"
        back = {"return_url": "http://127.0.0.1/return"}
        content = order(f"{way}G", product_code=code)
        page(way, client.page_execute(request(name, content, **back), "GET"), believed)
        content = order(f"{way}F", product_code=code)
        say(f"form of {way}", {"html": client.page_execute(request(name, content, **back))})
    content = order("A1", product_code="QUICK_MSECURITY_PAY")

    def cut(text):
        node = text.partition('"alipay_trade_app_pay_response":')[2].partition(',"sign":')[0]
        return verified(node, json.loads(text)["sign"])

    app(client.sdk_execute(request("AlipayTradeAppPay", content)), cut)
    news("told of app", believed)


def refusals():
    other = RSA.generate(2048).exportKey().decode()
    ask("wrong key", "AlipayTradeQuery", made(app_private_key=other), out_trade_no="x")
    try:
        ask(None, "AlipayTradeQuery", made(app_id="2021000000000000"), out_trade_no="x")
    except ResponseException as error:  # what is not signed, with all of the answer in its text
        answer = json.loads(str(error).partition("maybe illegal. ")[2])
        say("unknown app", {**answer["alipay_trade_query_response"], "signed": False})


def money():
    encrypted = made(encrypt_type="AES", encrypt_key=merchant["aes_key"])
    ask("encrypted", "AlipayTradePrecreate", encrypted, **order("E1"))
    payee = {"identity_type": "ALIPAY_USER_ID", "identity": "2088000000000002", "name": "黄龙"}
    how = {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
    named = {"out_biz_no": f"{PREFIX}T1", "trans_amount": "1.00", **how}
    # It knows no certificates: the gateway rejects the transfer, with a signature.
    step = "transfer with plain keys"
    ask(step, "AlipayFundTransUniTransfer", payee_info=payee, **named)
    till = {"scene": "bar_code", "auth_code": "281234567890123456"}
    paid = ask(None, "AlipayTradePay", **till, **order("S1"))
    share = {"trans_in": "2088000000000003", "trans_in_type": "userId", "amount": "1.00"}
    told = {"out_request_no": f"{PREFIX}S1", "trade_no": paid["trade_no"]}
    receiver = {"type": "userId", "account": "2088000000000003", "memo": "seller"}
    bound = {"out_request_no": "R1", "receiver_list": [receiver]}
    ask("bind", "AlipayTradeRoyaltyRelationBind", **bound)
    ask("relations", "AlipayTradeRoyaltyRelationBatchquery", out_request_no="R2")
    ask("settle", "AlipayTradeOrderSettle", royalty_parameters=[share], **told)
    node = ask(None, "AlipayTradeOrderSettleQuery", **told)
    say("settle query", {"state": node["royalty_detail_list"][0]["state"]})
    ask("unbind", "AlipayTradeRoyaltyRelationUnbind", **bound)
    account = {"alipay_user_id": "2088000000000001", "account_type": "ACCTRANS_ACCOUNT"}
    ask("account", "AlipayFundAccountQuery", **account)
    ask("balance", "AlipayDataBillBalanceQuery")


def query():
    plain = {"b": "龙井 + 1&2=3", "C": "%41", "_": "x"}
    sign = sign_with_rsa2(key("app_private_key_pkcs1.pem"), get_sign_content(plain), "utf-8")
    say("signed", {"query": urllib.parse.urlencode({**plain, "sign": sign})})


def mini_program():
    code = control("/mini-program/auth-code", scopes="auth_user")["authCode"]
    exchange = bare("AlipaySystemOauthToken")
    exchange.grant_type, exchange.code = "authorization_code", code
    user = execute("buyer's token", exchange)
    execute("code used twice", exchange)
    profile = bare("AlipayUserInfoShare")
    profile.add_other_text_param("auth_token", user["access_token"])
    execute("profile", profile)
    product = {"product_code": "JSAPI_PAY", "op_app_id": merchant["app_id"]}
    create = "AlipayTradeCreate"
    ask("create for a buyer_id", create, buyer_id=merchant["buyer_id"], **product, **order("M0"))
    mine = {"buyer_open_id": user["open_id"], **product, **order("M1")}
    made = ask("create", create, **mine)
    again = ask("create again", create, **mine)
    say("trade", {"same": made["trade_no"] == again["trade_no"]})
    say("pay by out_trade_no", control("/mini-program/pay", tradeNO=made["out_trade_no"]))
    say("pay", control("/mini-program/pay", tradeNO=made["trade_no"]))
    news("told that it is paid", believed)
    ask("query", "AlipayTradeQuery", out_trade_no=made["out_trade_no"])


def deposit(number, **more):
    numbers = {"out_order_no": PREFIX + number, "out_request_no": f"{PREFIX}{number}F"}
    return {**numbers, "order_title": SUBJECT, "amount": "500.00", **more, **PREAUTH}


def deposits():
    """A hotel freezes by app, by QR code and by the payer's code, takes a part, gives back."""
    order_string = client.sdk_execute(request("AlipayFundAuthOrderAppFreeze", deposit("DA")))

    def cut(text):
        name = '"alipay_fund_auth_order_app_freeze_response":'
        node = text.partition(name)[2].partition(',"sign":')[0]
        return verified(node, json.loads(text)["sign"])

    app(order_string, cut)
    news("told of the app", believed)
    ask("voucher", "AlipayFundAuthOrderVoucherCreate", **deposit("DV"))
    asked = {"out_order_no": f"{PREFIX}DV", "out_request_no": f"{PREFIX}DVF"}
    ask("not opened", "AlipayFundAuthOperationDetailQuery", **asked)
    control(f"/preauthorizations/{PREFIX}DV/freeze")
    news("told of the voucher", believed)
    code = {"auth_code": "281234567890123456", "auth_code_type": "bar_code"}
    held = ask("freeze", "AlipayFundAuthOrderFreeze", **deposit("DC", **code))
    news("told of the code", believed)
    ask("the same again", "AlipayFundAuthOrderFreeze", **deposit("DC", **code))
    grant = {"auth_no": held["auth_no"], **PREAUTH}
    ask("capture", "AlipayTradePay", **order("D1", **grant))
    news("told of the capture", believed)
    ask("above the rest", "AlipayTradePay", **order("D2", **{**grant, "total_amount": "411.13"}))
    part = {"auth_no": held["auth_no"], "out_request_no": f"{PREFIX}U", "remark": "left"}
    ask("release", "AlipayFundAuthOrderUnfreeze", amount="200.00", **part)
    ask("released again", "AlipayFundAuthOrderUnfreeze", amount="200.00", **part)
    news("told of the release", believed)
    asked = {"auth_no": held["auth_no"], "operation_id": held["operation_id"]}
    ask("query", "AlipayFundAuthOperationDetailQuery", **asked)
    asked = {"out_order_no": f"{PREFIX}DC", "out_request_no": f"{PREFIX}D1"}
    asked["operation_type"] = "PAY"
    ask("query of the capture", "AlipayFundAuthOperationDetailQuery", **asked)
    last = {**grant, "total_amount": "100.00", "auth_confirm_mode": "COMPLETE"}
    ask("last capture", "AlipayTradePay", **order("D3", **last))
    news("told of the last capture", believed)
    ask("finished", "AlipayFundAuthOrderUnfreeze", amount="1.00", **{**part, "out_request_no": "V"})
    asked = {"out_order_no": f"{PREFIX}DV", "out_request_no": f"{PREFIX}DVF", "remark": "no stay"}
    ask("cancel", "AlipayFundAuthOperationCancel", **asked)
    news("told of the cancellation", believed)
    trade = ask(None, "AlipayTradeQuery", out_trade_no=f"{PREFIX}D1")["trade_no"]
    sync = {"biz_type": "CREDIT_AUTH", "order_biz_info": '{"status":"COMPLETE"}'}
    sync |= {"trade_no": trade, "out_request_no": "S1"}
    ask("synchronised", "AlipayTradeOrderinfoSync", **sync)


def agreements():
    """A shop deducts by an agreement of weeks, moves its plan, and ends it."""
    named = {"personal_product_code": "CYCLE_PAY_AUTH_P", "sign_scene": "INDUSTRY|DIGITAL_MEDIA"}
    named["external_agreement_no"] = f"{PREFIX}S1"
    rule = {"period_type": "DAY", "period": "7", "execute_time": after(2)}
    content = {**named, "access_params": {"channel": "QRCODE"}}
    content["period_rule_params"] = {**rule, "single_amount": "88.88"}
    ask("not signed", "AlipayUserAgreementQuery", **named)
    sign(client.page_execute(request("AlipayUserAgreementPageSign", content), "GET"))
    news("told of the signature", believed)
    granted = {"agreement_no": ask("query", "AlipayUserAgreementQuery", **named)["agreement_no"]}
    by = {"agreement_params": granted, "product_code": "GENERAL_WITHHOLDING"}
    ask("too much", "AlipayTradePay", **order("A0", **by, total_amount="88.89"))
    ask("deduction", "AlipayTradePay", **order("A1", **by))
    news("told of the deduction", believed)
    ask("the same again", "AlipayTradePay", **order("A1", **by))
    ask("twice in a period", "AlipayTradePay", **order("A2", **by))
    plan = "AlipayUserAgreementExecutionplanModify"
    ask("later", plan, **granted, deduct_time=after(20))
    ask("earlier", plan, **granted, deduct_time=after(10))
    ask("end", "AlipayUserAgreementUnsign", **granted)
    news("told of the end", believed)
    ask("ended again", "AlipayUserAgreementUnsign", **granted)
    ask("ended query", "AlipayUserAgreementQuery", **granted)
    ask("ended deduction", "AlipayTradePay", **order("A3", **by))


def third_party():
    token = {}
    grant = {"grant_type": "authorization_code"}
    for number in (0, 1):
        back = connect(number)
        say(f"authorisation {number}", back)
        granted = {**grant, "code": back["app_auth_code"]}
        token[number] = ask(f"token {number}", "AlipayOpenAuthTokenApp", **granted)
        ask(f"code used twice {number}", "AlipayOpenAuthTokenApp", **granted)
    first, second = (token[number]["app_auth_token"] for number in (0, 1))
    state = "AlipayOpenAuthTokenAppQuery"
    ask("token query", state, app_auth_token=first)
    ask("without a token", "AlipayTradePrecreate", **order("I1"))
    ask("with a wrong token", "AlipayTradePrecreate", token="202611BBx", **order("I1"))
    ask("not found", "AlipayTradeQuery", token=first, out_trade_no=f"{PREFIX}I1")
    ask("precreate", "AlipayTradePrecreate", token=first, **order("I1"))
    control(f"/trades/{PREFIX}I1/pay")
    news("told that it is paid", believed)
    sold = {"out_trade_no": f"{PREFIX}I1"}
    ask("query", "AlipayTradeQuery", token=first, **sold)
    ask("query by another merchant", "AlipayTradeQuery", token=second, **sold)
    refresh = {"grant_type": "refresh_token", "refresh_token": token[0]["app_refresh_token"]}
    renewed = ask("renewed token", "AlipayOpenAuthTokenApp", **refresh)["app_auth_token"]
    part = {"refund_amount": "88.88", "out_request_no": "R1"}
    ask("refund", "AlipayTradeRefund", token=renewed, **sold, **part)
    control(f"/authorizations/{token[0]['auth_app_id']}/withdraw")
    ask("withdrawn token query", state, app_auth_token=renewed)
    ask("after the withdrawal", "AlipayTradeQuery", token=renewed, **sold)


JOURNEYS = {
    "trades": (buy, pages, refusals, money, query),
    "mini-program": (mini_program,),
    "third-party": (third_party,),
    "deposits": (deposits,),
    "agreements": (agreements,),
}
for step in JOURNEYS[sys.argv[3]]:
    step()
