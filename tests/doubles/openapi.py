"""Transport with a chosen response for the open platform's client, and the responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import IO, Any

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Rsa2Signer, Signer, sign_content

from ..conftest import Keys

APP_ID = "2021000000000001"
TRADE_NO = "2026013122001400001234567890"
AES_KEY = "aa4BtZ4tspm2wnXLb1ThQA=="


class Alipay:
    """Transport that records requests and signs the chosen response.

    :param keys: of both sides.
    :param node: the response, as an object or as the text of the body.
    """

    def __init__(
        self, keys: Keys, node: Mapping[str, Any] | bytes | Exception, **envelope: Any
    ) -> None:
        self.signer = Rsa2Signer(keys.alipay, keys.merchant.public_key())
        self.node = node
        self.envelope = envelope
        self.requested: list[tuple[str, dict[str, str], str, bool]] = []
        #: What is downloaded, and from where it was.
        self.file = b"PK"
        self.fetched: list[str] = []
        self._keys = keys

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        raise AssertionError("a call is posted")

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        self.requested.append((url, dict(params), charset, repeatable))
        if isinstance(self.node, Exception):
            raise self.node
        if isinstance(self.node, bytes):
            return self.node
        return answer(params["method"], self.node, **{"signer": self.signer, **self.envelope})

    def download(self, url: str, into: IO[bytes], maximum: int) -> int:
        self.fetched.append(url)
        return into.write(self.file)

    def gateway(self, **options: Any) -> OpenApiGateway:
        """Return a client that sends its requests here."""
        signer = Rsa2Signer(self._keys.merchant, self._keys.alipay.public_key())
        return OpenApiGateway(APP_ID, signer, transport=self, **options)

    @property
    def params(self) -> dict[str, str]:
        """Parameters of the only request, after verifying the merchant's signature."""
        [(_, params, charset, _)] = self.requested
        assert params["charset"] == charset
        content = sign_content(params, exclude=("sign",), charset=charset)
        assert self.signer.verify(content, params["sign"])
        return params

    @property
    def content(self) -> Any:
        """The request's ``biz_content``."""
        return json.loads(self.params["biz_content"])

    @property
    def repeatable(self) -> bool:
        [(_, _, _, repeatable)] = self.requested
        return repeatable


def answer(
    method: str,
    node: Mapping[str, Any],
    *,
    signer: Signer | None,
    charset: str = "utf-8",
    cert_sn: str | None = None,
    cipher: ContentCipher | None = None,
    name: str | None = None,
) -> bytes:
    """Return a response.

    :param signer: signs it; ``None``: unsigned.
    :param cert_sn: the declared serial number of the certificate.
    :param cipher: encrypts the node.
    :param name: of the node, instead of the method's.
    """
    text = json.dumps(node, ensure_ascii=False).replace("/", "\\/")
    if cipher is not None:
        text = f'"{cipher.encrypt(text.encode(python_codec(charset)))}"'
    name = name or f"{method.replace('.', '_')}_response"
    members = [f'"{name}":{text}']
    if cert_sn is not None:
        members.append(f'"alipay_cert_sn":"{cert_sn}"')
    if signer is not None:
        members.append(f'"sign":"{signer.sign(text.encode(python_codec(charset)))}"')
    return f"{{{','.join(members)}}}".encode(python_codec(charset))


DONE = {"code": "10000", "msg": "Success"}
NUMBERS = {"out_trade_no": "A1", "trade_no": TRADE_NO}
TRADE = {
    **DONE,
    **NUMBERS,
    "buyer_logon_id": "龙***@example.com",
    "buyer_pay_amount": "80.00",
    "buyer_user_id": "2088000000000002",
    "fund_bill_list": [{"amount": "88.88", "fund_channel": "PCREDIT"}],
    "invoice_amount": "80.00",
    "point_amount": "8.88",
    "receipt_amount": "88.00",
    "send_pay_date": "2026-01-31 12:00:01",
    "total_amount": "88.88",
    "trade_status": "TRADE_SUCCESS",
}
REFUND = {
    **DONE,
    **NUMBERS,
    "buyer_user_id": "2088000000000002",
    "fund_change": "Y",
    "gmt_refund_pay": "2026-01-31 13:00:00",
    "refund_fee": "18.88",
}
REFUND_QUERY = {
    **DONE,
    **NUMBERS,
    "out_request_no": "R1",
    "refund_amount": "8.88",
    "refund_status": "REFUND_SUCCESS",
    "total_amount": "88.88",
}
ORDER_ID = "20260131110070000006210024965252"
TRANSFER = {
    **DONE,
    "out_biz_no": "T1",
    "order_id": ORDER_ID,
    "pay_fund_order_id": "20260131110070001506210025020488",
    "status": "SUCCESS",
    "trans_date": "2026-01-31 12:00:00",
}
TRANSFER_QUERY = {
    **DONE,
    "out_biz_no": "T1",
    "order_id": ORDER_ID,
    "pay_fund_order_id": "20260131110070001506210025020488",
    "status": "SUCCESS",
    "pay_date": "2026-01-31 12:00:00",
    "trans_amount": "8.88",
    "order_fee": "0.00",
}
PAYEE = {"identity": "2088000000000002", "identity_type": "ALIPAY_USER_ID"}
ROYALTIES = [{"trans_in": "2088000000000003", "amount": "1.00", "desc": "分账"}]
RECEIVERS = [{"type": "userId", "account": "2088000000000003", "memo": "分账"}]
BILL_URL = "https://dwbillcenter.alipay.com/downloadBillFile.resource?fileId=1&bizDates=20260131"
AUTH_CODE = "289123456789012345"
PAID = {
    **DONE,
    **NUMBERS,
    "buyer_logon_id": "龙***@example.com",
    "buyer_pay_amount": "80.00",
    "buyer_user_id": "2088000000000002",
    "gmt_payment": "2026-01-31 12:00:01",
    "receipt_amount": "88.00",
    "total_amount": "88.88",
}
OPEN_ID = "074a1C-dEf_GhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"
#: As captured in production: without a code, and with numbers.
OAUTH = {
    "access_token": "authusrB1",
    "auth_start": "2026-01-31 12:00:00",
    "expires_in": 1296000,
    "re_expires_in": 2592000,
    "refresh_token": "authusrB2",
    "open_id": OPEN_ID,
}
APP_AUTH_TOKEN = "202601BBeff9351ad1874306903e96b91d248A36"
APP_TOKEN = {
    **DONE,
    "app_auth_token": APP_AUTH_TOKEN,
    "app_refresh_token": "202601BBdcba66820c4a2fdd64dc2d2ca3d1aX36",
    "auth_app_id": "2021000000000201",
    "expires_in": 31536000,
    "re_expires_in": 32140800,
    "user_id": "2088000000000201",
}
ORDER: dict[str, Any] = {"out_trade_no": "A1", "subject": "龙井茶", "total_amount": "88.88"}
AUTH_NO = "2026013110002001000000000001"
HELD_NUMBERS = {"out_order_no": "D1", "out_request_no": "F1"}
FREEZE_ORDER: dict[str, Any] = {**HELD_NUMBERS, "order_title": "押金", "amount": "500.00"}
FROZEN = {
    **DONE,
    **HELD_NUMBERS,
    "auth_no": AUTH_NO,
    "operation_id": "20260131000000000001",
    "amount": "500.00",
    "status": "SUCCESS",
    "gmt_trans": "2026-01-31 12:00:00",
    "payer_logon_id": "138****0000",
    "payer_user_id": "2088000000000002",
    "pre_auth_type": "CREDIT_AUTH",
    "credit_amount": "400.00",
    "fund_amount": "100.00",
}
HELD = {
    **FROZEN,
    "order_status": "AUTHORIZED",
    "operation_type": "FREEZE",
    "order_title": "押金",
    "total_freeze_amount": "500.00",
    "total_pay_amount": "120.00",
    "rest_amount": "300.00",
    "total_freeze_credit_amount": "400.00",
    "total_freeze_fund_amount": "100.00",
    "gmt_create": "2026-01-31 11:59:59",
}
UNFROZEN = {
    **DONE,
    "auth_no": AUTH_NO,
    "out_order_no": "D1",
    "operation_id": "20260131000000000002",
    "out_request_no": "U1",
    "amount": "80.00",
    "status": "SUCCESS",
    "gmt_trans": "2026-01-31 13:00:00",
}

Call = Callable[[OpenApiGateway], Any]

#: What is performed: the call, and Alipay's yes.
METHODS: dict[str, tuple[Call, dict[str, Any]]] = {
    "alipay.trade.query": (lambda g: g.trade_query(out_trade_no="A1"), TRADE),
    "alipay.trade.close": (lambda g: g.trade_close(out_trade_no="A1"), {**DONE, **NUMBERS}),
    "alipay.trade.cancel": (
        lambda g: g.trade_cancel(out_trade_no="A1"),
        {**DONE, **NUMBERS, "action": "close", "retry_flag": "N"},
    ),
    "alipay.trade.refund": (
        lambda g: g.trade_refund(out_trade_no="A1", refund_amount="8.88", out_request_no="R1"),
        REFUND,
    ),
    "alipay.trade.fastpay.refund.query": (
        lambda g: g.trade_fastpay_refund_query(out_trade_no="A1", out_request_no="R1"),
        REFUND_QUERY,
    ),
    "alipay.trade.precreate": (
        lambda g: g.trade_precreate(**ORDER),
        {**DONE, "out_trade_no": "A1", "qr_code": "https://qr.alipay.com/bax1"},
    ),
    "alipay.trade.create": (
        lambda g: g.trade_create(**ORDER, buyer_id="2088000000000002"),
        {**DONE, **NUMBERS},
    ),
    "alipay.trade.pay": (lambda g: g.trade_pay(**ORDER, auth_code=AUTH_CODE), PAID),
    "alipay.fund.auth.order.voucher.create": (
        lambda g: g.fund_auth_order_voucher_create(**FREEZE_ORDER),
        {
            **DONE,
            **HELD_NUMBERS,
            "code_type": "qrCode",
            "code_value": "https://qr.alipay.com/bax1",
            "code_url": "https://mobilecodec.alipay.com/show.htm?code=bax1",
        },
    ),
    "alipay.fund.auth.order.freeze": (
        lambda g: g.fund_auth_order_freeze(**FREEZE_ORDER, auth_code=AUTH_CODE),
        FROZEN,
    ),
    "alipay.fund.auth.operation.detail.query": (
        lambda g: g.fund_auth_operation_detail_query(**HELD_NUMBERS, operation_type="FREEZE"),
        HELD,
    ),
    "alipay.fund.auth.order.unfreeze": (
        lambda g: g.fund_auth_order_unfreeze(
            auth_no=AUTH_NO, out_request_no="U1", amount="80.00", remark="退房"
        ),
        UNFROZEN,
    ),
    "alipay.fund.auth.operation.cancel": (
        lambda g: g.fund_auth_operation_cancel(**HELD_NUMBERS, remark="取消"),
        {**DONE, **HELD_NUMBERS, "auth_no": AUTH_NO, "action": "unfreeze"},
    ),
    "alipay.trade.orderinfo.sync": (
        lambda g: g.trade_orderinfo_sync(
            trade_no=TRADE_NO,
            out_request_no="S1",
            biz_type="CREDIT_AUTH",
            order_biz_info={"status": "COMPLETE"},
        ),
        {**DONE, **NUMBERS, "buyer_user_id": "2088000000000002"},
    ),
    "alipay.trade.order.settle": (
        lambda g: g.trade_order_settle(
            out_request_no="S1", trade_no=TRADE_NO, royalty_parameters=ROYALTIES
        ),
        {**DONE, "trade_no": TRADE_NO, "settle_no": "20260131002530020077000000000001"},
    ),
    "alipay.trade.order.settle.query": (
        lambda g: g.trade_order_settle_query(settle_no="20260131002530020077000000000001"),
        {
            **DONE,
            "out_request_no": "S1",
            "royalty_detail_list": [
                {"trans_in": "2088000000000003", "amount": "1.00", "state": "SUCCESS"}
            ],
        },
    ),
    "alipay.trade.order.onsettle.query": (
        lambda g: g.trade_order_onsettle_query(trade_no=TRADE_NO),
        {**DONE, "unsettled_amount": "87.88"},
    ),
    "alipay.trade.royalty.relation.bind": (
        lambda g: g.trade_royalty_relation_bind(out_request_no="R1", receiver_list=RECEIVERS),
        {**DONE, "result_code": "SUCCESS"},
    ),
    "alipay.trade.royalty.relation.unbind": (
        lambda g: g.trade_royalty_relation_unbind(out_request_no="R1", receiver_list=RECEIVERS),
        {**DONE, "result_code": "SUCCESS"},
    ),
    "alipay.trade.royalty.relation.batchquery": (
        lambda g: g.trade_royalty_relation_batchquery(out_request_no="R1"),
        {**DONE, "result_code": "SUCCESS", "receiver_list": [], "total_record_num": "0"},
    ),
    "alipay.fund.trans.uni.transfer": (
        lambda g: g.fund_trans_uni_transfer(out_biz_no="T1", trans_amount="8.88", payee_info=PAYEE),
        TRANSFER,
    ),
    "alipay.fund.trans.common.query": (
        lambda g: g.fund_trans_common_query(out_biz_no="T1"),
        TRANSFER_QUERY,
    ),
    "alipay.fund.account.query": (
        lambda g: g.fund_account_query(alipay_user_id="2088000000000001"),
        {**DONE, "available_amount": "26.45", "freeze_amount": "11.11"},
    ),
    "alipay.data.bill.balance.query": (
        lambda g: g.data_bill_balance_query(),
        {**DONE, "available_amount": "26.45", "total_amount": "37.56"},
    ),
    "alipay.data.bill.accountlog.query": (
        lambda g: g.data_bill_accountlog_query(
            start_time="2026-01-31 00:00:00", end_time="2026-02-01 00:00:00"
        ),
        {
            **DONE,
            "page_no": "1",
            "page_size": "2000",
            "total_size": "1",
            "detail_list": [{"account_log_id": "1", "trans_amount": "8.88", "direction": "支出"}],
        },
    ),
    "alipay.data.bill.ereceipt.apply": (
        lambda g: g.data_bill_ereceipt_apply(type="FUND_DETAIL", key="20260131110070001"),
        {**DONE, "file_id": "0123456789"},
    ),
    "alipay.data.bill.ereceipt.query": (
        lambda g: g.data_bill_ereceipt_query(file_id="0123456789"),
        {**DONE, "status": "SUCCESS", "download_url": "https://example.com/receipt"},
    ),
    "alipay.data.dataservice.bill.downloadurl.query": (
        lambda g: g.data_dataservice_bill_downloadurl_query(
            bill_type="trade", bill_date="2026-01-31"
        ),
        {**DONE, "bill_download_url": BILL_URL, "bill_file_code": "SOME"},
    ),
    "alipay.system.oauth.token": (lambda g: g.system_oauth_token(code="c1"), OAUTH),
    "alipay.user.info.share": (
        lambda g: g.user_info_share(auth_token="authusrB1"),
        {**DONE, "open_id": OPEN_ID, "nick_name": "龙", "gender": "F"},
    ),
    "alipay.open.auth.token.app": (lambda g: g.open_auth_token_app(code="P1"), APP_TOKEN),
    "alipay.open.auth.token.app.query": (
        lambda g: g.open_auth_token_app_query(app_auth_token=APP_AUTH_TOKEN),
        {
            **DONE,
            "auth_app_id": "2021000000000201",
            "auth_methods": ["alipay.trade.query"],
            "auth_start": "2026-01-31 12:00:00",
            "auth_end": "2027-01-31 12:00:00",
            "status": "valid",
            "user_id": "2088000000000201",
        },
    ),
    "alipay.some.method": (
        lambda g: g.call("alipay.some.method", {"a": "茶"}),
        {**DONE, "b": "龙井/茶", "c": 8.88, "d": [{"}": '"{'}]},
    ),
}
#: Those that change nothing.
QUESTIONS = {
    "alipay.fund.auth.operation.detail.query",
    "alipay.trade.query",
    "alipay.trade.fastpay.refund.query",
    "alipay.fund.trans.common.query",
    "alipay.trade.order.settle.query",
    "alipay.trade.order.onsettle.query",
    "alipay.trade.royalty.relation.batchquery",
    "alipay.fund.account.query",
    "alipay.data.bill.balance.query",
    "alipay.data.bill.accountlog.query",
    "alipay.data.bill.ereceipt.query",
    "alipay.data.dataservice.bill.downloadurl.query",
    "alipay.user.info.share",
    "alipay.open.auth.token.app.query",
}

#: Those whose fields are common parameters: they have no content.
IN_COMMON = {"alipay.system.oauth.token", "alipay.user.info.share"}

LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
