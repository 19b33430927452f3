"""Transport with a chosen response for the legacy gateway's client, and the responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.mapi import MapiGateway, RefundEntry
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Md5Signer, Signer, sign_content

PARTNER = "2088000000000001"
KEY = "0123456789abcdef0123456789abcdef"
TRADE_NO = "2026013122001400001234567890"

#: The same key on both sides: MD5 has but one.
SIGNER = Md5Signer(KEY)


class Alipay:
    """Transport that records requests and gives the chosen response."""

    def __init__(self, answer: bytes | Exception = b"") -> None:
        self.answer: bytes | Exception | Callable[[Mapping[str, str]], bytes] = answer
        self.requested: list[tuple[str, str, dict[str, str], str]] = []

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        return self._respond("GET", url, params, charset)

    def post(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        return self._respond("POST", url, params, charset)

    def _respond(self, verb: str, url: str, params: Mapping[str, str], charset: str) -> bytes:
        self.requested.append((verb, url, dict(params), charset))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(params) if callable(self.answer) else self.answer

    @property
    def params(self) -> dict[str, str]:
        """Parameters of the only request."""
        [(_, _, params, _)] = self.requested
        return params

    @property
    def verb(self) -> str:
        [(verb, _, _, _)] = self.requested
        return verb


def gateway(alipay: Alipay | None = None, signer: Signer = SIGNER, **options: Any) -> MapiGateway:
    return MapiGateway(PARTNER, signer, transport=alipay or Alipay(), **options)


def yes(
    name: str = "",
    values: Mapping[str, str] | None = None,
    *,
    signer: Signer | None = SIGNER,
    charset: str = "utf-8",
    declared: str | None = None,
    inner: str | None = None,
) -> bytes:
    """Return a successful response.

    :param name: of the element with the values.
    :param signer: signs it; ``None``: unsigned.
    :param declared: the encoding declared in the document.
    :param inner: content of the element, instead of the values' XML.
    """
    values = values or {}
    xml = inner or "".join(f"<{key}>{escape(text)}</{key}>" for key, text in values.items())
    response = f"<response><{name}>{xml}</{name}></response>" if name else ""
    sign = ""
    if signer is not None and name:
        made = signer.sign(sign_content(values, charset=charset))
        sign = f"<sign>{escape(made)}</sign><sign_type>{signer.sign_type}</sign_type>"
    text = (
        f'<?xml version="1.0" encoding="{declared or charset}"?>\n'
        f'<alipay><is_success>T</is_success><request><param name="a">b</param></request>'
        f"{response}{sign}</alipay>"
    )
    return text.encode(python_codec(charset))


def no(code: str) -> bytes:
    return f"<alipay><is_success>F</is_success><error>{code}</error></alipay>".encode()


TRADE = {
    "buyer_email": "buyer@example.com",
    "buyer_id": "2088000000000002",
    "discount": "0.00",
    "gmt_create": "2026-01-31 12:00:00",
    "gmt_payment": "2026-01-31 12:00:01",
    "is_total_fee_adjust": "F",
    "out_trade_no": "A1",
    "price": "88.88",
    "quantity": "1",
    "seller_id": PARTNER,
    "subject": "龙井茶 <1> & 100%",
    "to_buyer_fee": "0.00",
    "total_fee": "88.88",
    "trade_no": TRADE_NO,
    "trade_status": "TRADE_SUCCESS",
}
SENT = {
    "out_trade_no": "A1",
    "trade_no": TRADE_NO,
    "trade_status": "WAIT_BUYER_CONFIRM_GOODS",
}
CODE = {"qrcode": "https://qr.alipay.com/x", "result_code": "SUCCESS"}
ABROAD = {
    "alipay_pay_time": "20260131120001",
    "alipay_trans_id": TRADE_NO,
    "alipay_trans_status": "TRADE_SUCCESS",
    "currency": "USD",
    "partner_trans_id": "P1",
    "result_code": "SUCCESS",
    "trans_amount": "8.88",
}
REFUND = {"currency": "USD", "refund_amount": "1.00", "result_code": "SUCCESS"}


def send_goods(gateway: MapiGateway) -> Any:
    return gateway.send_goods_confirm_by_platform(
        trade_no=TRADE_NO, logistics_name="顺丰", transport_type="EXPRESS"
    )


def refund(gateway: MapiGateway) -> Any:
    from flask_alipay.gateways.mapi import new_batch_no

    entry = RefundEntry(TRADE_NO, "1.00", "退款")
    return gateway.refund_fastpay_by_platform_nopwd([entry], batch_no=new_batch_no())


def forex_refund(gateway: MapiGateway) -> Any:
    return gateway.forex_refund(
        out_return_no="R1", out_trade_no="A1", currency="USD", return_amount=1, reason="returned"
    )


def manage_code(gateway: MapiGateway) -> Any:
    return gateway.alipay_mobile_qrcode_manage(method="add", biz_type=1, biz_data={"memo": "茶"})


def create_code(gateway: MapiGateway) -> Any:
    return gateway.alipay_commerce_qrcode_create(
        biz_type="OVERSEASHOPQRCODE", biz_data={"store_id": "1"}
    )


def modify_code(gateway: MapiGateway) -> Any:
    return gateway.alipay_commerce_qrcode_modify(
        qr_code="https://qr.alipay.com/x", biz_type="OVERSEASHOPQRCODE", biz_data="{}"
    )


def spot_refund(gateway: MapiGateway) -> Any:
    return gateway.alipay_acquire_overseas_spot_refund(
        partner_trans_id="P1", partner_refund_id="R1", currency="USD", refund_amount="1.00"
    )


def page(gateway: MapiGateway) -> Any:
    return gateway.account_page_query(
        gmt_start_time="2026-01-31 00:00:00", gmt_end_time="2026-01-31 23:59:59"
    )


PAGE_XML = {
    "account_log_list": "<account_log_list><AccountQueryAccountLogVO><balance>100.00</balance>"
    "<currency>156</currency><income>88.88</income><memo></memo>"
    "<merchant_out_order_no>A1</merchant_out_order_no><outcome>0.00</outcome>"
    f"<trade_no>{TRADE_NO}</trade_no><trans_code_msg>在线支付</trans_code_msg>"
    "<trans_date>2026-01-31 12:00:01</trans_date></AccountQueryAccountLogVO></account_log_list>",
    "has_next_page": "T",
    "page_no": "1",
    "page_size": "1",
}
PAGE_INNER = (
    PAGE_XML["account_log_list"]
    + "<has_next_page>T</has_next_page><page_no>1</page_no><page_size>1</page_size>"
)

#: What is asked, and changes nothing: the call, the element of the answer, its values.
QUESTIONS: dict[str, tuple[Callable[[MapiGateway], Any], str, dict[str, str]]] = {
    "single_trade_query": (lambda g: g.single_trade_query(out_trade_no="A1"), "trade", TRADE),
    "query_timestamp": (lambda g: g.query_timestamp(), "timestamp", {"encrypt_key": "KPr8Dw=="}),
    "alipay.acquire.overseas.query": (
        lambda g: g.alipay_acquire_overseas_query(partner_trans_id="P1"),
        "alipay",
        ABROAD,
    ),
}
#: What does something.
ACTS: dict[str, tuple[Callable[[MapiGateway], Any], str, dict[str, str]]] = {
    "send_goods_confirm_by_platform": (send_goods, "tradeBase", SENT),
    "close_trade": (lambda g: g.close_trade(trade_no=TRADE_NO), "trade", {"trade_no": TRADE_NO}),
    "refund_fastpay_by_platform_nopwd": (refund, "refund", {"result": "T"}),
    "forex_refund": (forex_refund, "refund", {"result": "T"}),
    "alipay.mobile.qrcode.manage": (manage_code, "alipay", CODE),
    "alipay.commerce.qrcode.create": (create_code, "alipay", CODE),
    "alipay.commerce.qrcode.modify": (modify_code, "alipay", CODE),
    "alipay.acquire.overseas.spot.refund": (spot_refund, "alipay", REFUND),
}

LOST = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
