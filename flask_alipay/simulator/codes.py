"""Alipay's codes for what it refuses, and what each means, in English and in Chinese.

The codes are Alipay's own spelling (its public lists of both gateways' errors); the sentences are
ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Meanings: TypeAlias = Mapping[str, tuple[str, str]]

#: The open platform's classes of errors: ``code`` and ``msg``.
CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "40001": "Missing Required Arguments",
        "40002": "Invalid Arguments",
        "40004": "Business Failed",
    }
)

#: The open platform's ``sub_code``.
OPENAPI: Final[Meanings] = MappingProxyType(
    {
        "isv.missing-method": ("The method is missing.", "缺少方法名参数"),
        "isv.missing-app-id": ("The app_id is missing.", "缺少 app_id 参数"),
        "isv.missing-signature-type": ("The sign_type is missing.", "缺少签名类型参数"),
        "isv.missing-signature": ("The sign is missing.", "缺少签名参数"),
        "isv.missing-timestamp": ("The timestamp is missing.", "缺少时间戳参数"),
        "isv.missing-version": ("The version is missing.", "缺少版本参数"),
        "isv.invalid-method": ("There is no such method.", "不存在的方法名"),
        "isv.invalid-app-id": ("There is no app with this app_id.", "无效的 app_id 参数"),
        "isv.invalid-signature-type": ("There is no such sign_type.", "无效的签名类型"),
        "isv.invalid-charset": ("The charset is unknown or not kept to.", "字符集错误"),
        "isv.invalid-format": ("The format must be JSON.", "无效的数据格式"),
        "isv.invalid-encrypt-type": ("There is no such encrypt_type.", "无效的加密类型"),
        "isv.invalid-timestamp": ("The timestamp is not acceptable.", "非法的时间戳参数"),
        "isv.invalid-parameter": ("A parameter is not acceptable.", "参数无效"),
        "isv.invalid-signature": (
            "The signature does not verify with the app's public key.",
            "验签出错，请检查待签名字符串、私钥与应用公钥是否匹配",
        ),
        "ACQ.INVALID_PARAMETER": ("A parameter is not acceptable.", "参数无效"),
        "ACQ.CONTEXT_INCONSISTENT": (
            "This out_trade_no was used before, for another amount or subject.",
            "交易信息被篡改：同一商户订单号的金额或标题不一致",
        ),
        "ACQ.TRADE_HAS_SUCCESS": ("This order is paid already.", "交易已被支付"),
        "ACQ.TRADE_HAS_CLOSE": (
            "The trade of this order is closed; a new try needs a new out_trade_no.",
            "交易已经关闭，请更换商户订单号后重新发起",
        ),
        "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR": (
            "The order's time_expire is over already.",
            "当前时间已超过允许支付的时间",
        ),
    }
)

#: The legacy gateway's ``error``.
MAPI: Final[Meanings] = MappingProxyType(
    {
        "ILLEGAL_SERVICE": ("There is no such service.", "服务接口不存在"),
        "ILLEGAL_PARTNER": ("There is no merchant with this partner.", "合作伙伴编号不存在"),
        "ILLEGAL_CHARSET": ("The _input_charset is unknown or missing.", "字符集错误"),
        "ILLEGAL_ENCODING": ("The request does not keep to its charset.", "编码与字符集不符"),
        "ILLEGAL_SIGN_TYPE": ("There is no such sign_type.", "签名类型不正确"),
        "ILLEGAL_SIGN": (
            "The signature does not verify with the merchant's key.",
            "签名不正确，请检查待签名字符串、密钥与字符集",
        ),
        "ILLEGAL_ARGUMENT": ("A parameter is missing or not acceptable.", "参数不正确"),
        "ILLEGAL_FEE_PARAM": ("The amount is missing, double or not one.", "金额参数不正确"),
        "ILLEGAL_PAYMENT_TYPE": ("The payment_type must be 1.", "支付类型不正确"),
        "SELLER_NOT_EXIST": ("The seller is not this merchant.", "交易卖家不存在"),
        "TRADE_DATA_MATCH_ERROR": (
            "This out_trade_no was used before, for another amount or subject.",
            "交易信息有误：同一商户订单号的金额或标题不一致",
        ),
        "TRADE_HAS_SUCCESS": ("This order is paid already.", "交易已被支付"),
        "TRADE_HAS_CLOSE": (
            "The trade of this order is closed; a new try needs a new out_trade_no.",
            "交易已经关闭，请更换商户订单号后重新发起",
        ),
    }
)


def class_of(sub_code: str) -> str:
    """Returns the open platform's ``code`` that goes with a ``sub_code``."""
    if sub_code.startswith("isv.missing-"):
        return "40001"
    return "40004" if sub_code.startswith("ACQ.") else "40002"
