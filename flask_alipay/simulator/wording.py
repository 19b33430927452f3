"""What the simulator's pages say, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_ENGLISH = {
    "title": "Cashier",
    "banner": "Simulator",
    "banner_text": "This is not Alipay. No money moves.",
    "pay_to": "Pay to",
    "shop": "Test shop",
    "order": "Order",
    "order_no": "Order number",
    "trade_no": "Trade number",
    "seller": "Seller",
    "method": "Pay with",
    "balance": "Test balance",
    "balance_note": "Always enough",
    "bank_note": "Chosen in the shop",
    "pay_within": "Pay within",
    "pay_before": "Pay before",
    "china_time": "China time",
    "pay": "Pay",
    "other_endings": "Other endings to try",
    "close": "Refuse to pay",
    "close_note": "The trade is closed",
    "expire": "Let it expire",
    "expire_note": "As if the time ran out",
    "note": "Whichever you choose, the shop is sent a signed notification, as Alipay would.",
    "no_notify": "The shop gave no notify_url: it will not be notified.",
    "back": "Back to the shop",
    "paid_title": "Payment completed",
    "paid_text": "The shop has been sent the notification of this payment.",
    "closed_title": "Payment refused",
    "closed_text": "The trade is closed. Nothing was paid.",
    "expired_title": "Time is over",
    "expired_text": "The trade was not paid in time and is closed. Nothing was paid.",
    "unheard": "The shop did not answer “success”. "
    "It will be notified again, on Alipay’s schedule.",
    "error_title": "The gateway refused this request",
    "error_code": "Error code",
    "error_detail": "Details for the developer",
    "lost_title": "There is no such payment here",
    "lost_text": "The simulator keeps its trades in memory and forgets them when it is restarted. "
    "Go back to the shop and start the payment again.",
    "large_title": "The request is too large",
    "large_text": "A request to the gateway has at most 64 KiB.",
}

_CHINESE = {
    "title": "收银台",
    "banner": "模拟环境",
    "banner_text": "这不是支付宝，不会产生任何真实扣款。",
    "pay_to": "付款给",
    "shop": "测试商家",
    "order": "订单",
    "order_no": "商户订单号",
    "trade_no": "交易号",
    "seller": "收款方",
    "method": "付款方式",
    "balance": "测试余额",
    "balance_note": "余额始终充足",
    "bank_note": "已在商家页面选择",
    "pay_within": "剩余支付时间",
    "pay_before": "请在此时间前付款",
    "china_time": "北京时间",
    "pay": "确认付款",
    "other_endings": "也可以测试其他结果",
    "close": "拒绝付款",
    "close_note": "交易关闭",
    "expire": "等待超时",
    "expire_note": "视为超时未付款",
    "note": "无论选择哪一项，商家都会像在支付宝一样收到带签名的异步通知。",
    "no_notify": "商家没有提供 notify_url，不会收到异步通知。",
    "back": "返回商家",
    "paid_title": "付款成功",
    "paid_text": "已向商家发送本次付款的异步通知。",
    "closed_title": "已拒绝付款",
    "closed_text": "交易已关闭，没有扣款。",
    "expired_title": "交易已超时",
    "expired_text": "未在规定时间内付款，交易已关闭，没有扣款。",
    "unheard": "商家没有返回 success，稍后将按支付宝的重试时间再次通知。",
    "error_title": "网关拒绝了这次请求",
    "error_code": "错误码",
    "error_detail": "给开发者的说明",
    "lost_title": "这里没有这笔交易",
    "lost_text": "模拟环境的交易只保存在内存中，重启后会丢失。请返回商家重新发起付款。",
    "large_title": "请求过大",
    "large_text": "发送到网关的请求不能超过 64 KiB。",
}

#: The languages of the pages, the default one first.
LANGUAGES: Final = ("en", "zh")

_WORDINGS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"en": MappingProxyType(_ENGLISH), "zh": MappingProxyType(_CHINESE)}
)


def wording(language: str) -> Mapping[str, str]:
    """Returns all that the pages say in a language.

    :param language: one of :data:`LANGUAGES`.
    """
    return _WORDINGS[language]
