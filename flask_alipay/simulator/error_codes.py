"""Alipay's error codes and their meanings, in English and in Chinese.

The codes have Alipay's spelling (its public lists of both gateways' errors); the sentences are not
Alipay's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from .grant_codes import PREAUTHORIZATIONS

Meanings: TypeAlias = Mapping[str, tuple[str, str]]

#: The open platform's ``code`` and ``msg``.
CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "10000": "Success",
        "10003": "order success pay inprocess",
        "20000": "Service Currently Unavailable",
        "20001": "Insufficient Token Permissions",
        "40001": "Missing Required Arguments",
        "40002": "Invalid Arguments",
        "40003": "Insufficient Conditions",
        "40004": "Business Failed",
        "40006": "Insufficient Permissions",
    }
)

#: The open platform's ``sub_code``.
OPENAPI: Final[Meanings] = MappingProxyType(
    {
        **PREAUTHORIZATIONS,
        "isv.missing-method": ("The method is missing.", "缺少方法名参数"),
        "isv.missing-app-id": ("The app_id is missing.", "缺少AppID参数"),
        "isv.missing-signature-type": ("The sign_type is missing.", "缺少签名类型参数"),
        "isv.missing-signature": ("The sign is missing.", "缺少签名参数"),
        "isv.missing-timestamp": ("The timestamp is missing.", "缺少时间戳参数"),
        "isv.missing-version": ("The version is missing.", "缺少版本参数"),
        "isv.invalid-method": ("There is no such method.", "不存在的方法名"),
        "isv.invalid-app-id": ("There is no app with this app_id.", "无效的AppID参数"),
        "isv.invalid-signature-type": ("There is no such sign_type.", "无效的签名类型"),
        "isv.invalid-charset": ("The charset is unknown or not kept to.", "字符集错误"),
        "isv.invalid-format": ("The format must be JSON.", "无效的数据格式"),
        "isv.invalid-encrypt-type": ("There is no such encrypt_type.", "无效的加密类型"),
        "isv.invalid-timestamp": ("The timestamp is not acceptable.", "非法的时间戳参数"),
        "isv.invalid-parameter": ("A parameter is not acceptable.", "参数无效"),
        "isv.invalid-signature": (
            "The signature does not verify with the app's public key.",
            "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配",
        ),
        # The name is Alipay's; its text was found nowhere.
        "isv.illegal-json": (
            "The biz_content is not a JSON object.",
            "biz_content 不是合法的 JSON",
        ),
        "aop.invalid-app-auth-token": (
            "The app_auth_token is unknown or was withdrawn.",
            "无效的应用授权令牌",
        ),
        "isv.self-invoke-forbidden": (
            "A third-party application calls with an app_auth_token.",
            "此用户不允许自调用",
        ),
        "isv.grant-type-invalid": ("There is no such grant_type.", "授权类型无效"),
        "isv.code-invalid": ("The code was used before or is too old.", "授权码code无效"),
        "isv.refresh-token-invalid": ("The refresh_token is unknown.", "刷新令牌refresh_token无效"),
        "aop.invalid-auth-token": ("The auth_token does not permit it.", "无效的访问令牌"),
        "aop.auth-token-time-out": ("The auth_token is too old.", "访问令牌已过期"),
        "GRANT_TYPE_INVALID": ("There is no such grant_type.", "授权类型无效"),
        "AUTH_CODE_NOT_EXIST": ("The code was used before or is too old.", "授权码不存在"),
        "REFRESH_TOKEN_NOT_EXIST": ("The refresh_token is unknown.", "刷新令牌不存在"),
        "AUTH_TOKEN_NOT_EXISTED": ("There is no such app_auth_token.", "授权令牌不存在"),
        "ACQ.INVALID_PARAMETER": ("A parameter is not acceptable.", "参数无效"),
        "isv.missing-app-cert-sn": ("The app_cert_sn is missing.", "缺少应用公钥证书序列号"),
        "isv.missing-alipay-root-cert-sn": (
            "The alipay_root_cert_sn is missing.",
            "缺少支付宝根证书序列号",
        ),
        "isv.app-cert-not-exist": (
            "There is no such certificate of the app.",
            "应用公钥证书不存在",
        ),
        "isv.invalid-alipay-root-cert-sn": (
            "The root certificate is another.",
            "支付宝根证书序列号无效",
        ),
        "isv.alipay-cert-not-exist": (
            "There is no such certificate of Alipay's.",
            "支付宝公钥证书不存在",
        ),
        "isv.decryption-error-unknown": ("The content cannot be decrypted.", "解密出错, 未知错误"),
        "isp.unknow-error": ("The outcome is unknown: ask for it.", "系统繁忙"),
        "SYSTEM_ERROR": ("The outcome is unknown: ask for it.", "系统繁忙"),
        "UNKNOWN_ERROR": ("The outcome is unknown: ask again.", "未知错误"),
        "INVALID_PARAMETER": ("A parameter is not acceptable.", "参数有误"),
        "INVAILID_ARGUMENTS": ("A parameter is not acceptable.", "入参不合法"),
        "BILL_NOT_EXIST": ("There is no bill of that time.", "账单不存在"),
        "TYPE_NOT_SUPPORTED": ("There is no such bill.", "账单类型不支持"),
        "PAYEE_NOT_EXIST": (
            "There is no such account, or it has another name.",
            "收款方不存在或姓名有误",
        ),
        "NO_PERMISSION_ACCOUNT": ("The account is another's.", "无权限操作当前账号"),
        "PAYER_PAYEE_CANNOT_SAME": ("The payee is the payer.", "收付款方不能相同"),
        "MEMO_REQUIRED_IN_TRANSFER_ERROR": (
            "An amount of 50,000 yuan or more needs a remark.",
            "单笔转账金额达到 50000 元时，需要填写备注信息",
        ),
        "PAYER_BALANCE_NOT_ENOUGH": ("The merchant does not have that much.", "付款方余额不足"),
        "PAYMENT_INFO_INCONSISTENCY": (
            "This out_biz_no was used for another transfer.",
            "两次请求商户单号一样，但是参数不一致",
        ),
        "ORDER_NOT_EXIST": ("There is no such transfer.", "转账订单不存在"),
        "PARAM_ILLEGAL": ("A parameter is not acceptable.", "参数非法"),
        "IMAGE_SIZE_OVERRANGE": ("The image is larger than 5 MB.", "图片大小超过限制"),
        "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR": (
            "There is not that much left to pass on.",
            "分账金额超限",
        ),
        "ACQ.ROYALTY_ACCOUNTS_EQUAL": ("The receiver is the giver.", "分账收付方不能相同"),
        "ACQ.TRADE_SETTLE_NOT_EXIST": ("There is no such settlement.", "分账记录不存在"),
        "USER_NOT_EXIST": ("There is no such account.", "用户不存在"),
        "RECEIVER_LIST_EMPTY": ("The list has no receiver.", "分账接收方列表为空"),
        "RECEIVER_LIST_OVERLOAD": ("The list has too many receivers.", "分账接收方列表超限"),
        "RELATION_QUANTITY_LIMIT": ("There are too many relations.", "分账关系数量超限"),
        "ACQ.BUYER_NOT_EXIST": ("The buyer is unknown to this application.", "买家不存在"),
        "ACQ.TRADE_BUYER_NOT_MATCH": ("The trade is for another buyer.", "交易买家不匹配"),
        "ACQ.OPEN_ID_NOT_TINY_APP": (
            "The op_app_id is missing or is no mini-program.",
            "请求的应用id非小程序应用类型",
        ),
        "ACQ.PRODUCT_NOT_SUPPORT_IN_TINY_APP": (
            "A payment in a mini-program has the product_code JSAPI_PAY.",
            "该产品不支持在小程序中使用",
        ),
        "ACQ.UNBOUND_APPLICATION": (
            "The op_app_id is not bound to the merchant's product.",
            "应用未绑定商家产品",
        ),
        "ACQ.BUYER_SELLER_EQUAL": ("The buyer is the seller.", "买卖家不能相同"),
        "ACQ.TRADE_NOT_EXIST": ("There is no such trade.", "交易不存在"),
        "ACQ.REASON_TRADE_STATUS_INVALID": (
            "The trade's status does not allow it.",
            "交易状态异常",
        ),
        "ACQ.TRADE_STATUS_ERROR": ("The trade's status does not allow it.", "交易状态不合法"),
        "ACQ.TRADE_HAS_FINISHED": (
            "The trade is finished; nothing is refunded any more.",
            "交易已完结",
        ),
        "ACQ.TRADE_CANCEL_TIME_OUT": (
            "Only on the day of the payment; refund it instead.",
            "超过撤销时间范围",
        ),
        "ACQ.SYSTEM_ERROR": ("The outcome is unknown: ask for it.", "系统异常"),
        "ACQ.DISCORDANT_REPEAT_REQUEST": (
            "This out_request_no was used for another amount.",
            "请求信息不一致",
        ),
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": (
            "There is not that much left to refund.",
            "退款金额超限",
        ),
        "ACQ.AGREEMENT_NOT_EXIST": ("There is no such agreement.", "用户协议不存在"),
        "ACQ.AGREEMENT_INVALID": ("The time of the agreement is over.", "用户协议已失效"),
        "ACQ.CYCLE_PAY_DATE_NOT_MATCH": (
            "The deduction is not due, or was made already.",
            "不在扣款时间范围内",
        ),
        "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED": (
            "The amount is above the maximum of a deduction.",
            "超出单次扣款最大金额",
        ),
        "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED": (
            "The amount is above the maximum of all deductions.",
            "超出扣款总金额限制",
        ),
        "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED": (
            "The number of deductions is used up.",
            "超出总扣款次数",
        ),
        "ACQ.OVER_MAX_UNDER_WAY_DEDUCT_COUNT": (
            "Another deduction is in process.",
            "处理中的扣款笔数超限",
        ),
        "AGREEMENT_HAS_UNSIGNED": ("The agreement has ended.", "协议已解约"),
        "AGREEMENT_NOT_EXIST": ("There is no such agreement.", "用户协议不存在"),
        "USER_AGREEMENT_NOT_EXIST": ("There is no such agreement.", "用户协议不存在"),
        "USER_AGREEMENT_STATUS_NOT_NORMAL": ("The agreement has ended.", "用户协议状态不正常"),
        "ILLEGAL_AGREEMENT": ("The agreement is not in force, or has no rule.", "协议不合法"),
        "ILLEGAL_EXECUTION_TIME": (
            "The day must be later, and one of the first 28 of a month.",
            "扣款时间不合法",
        ),
        "ACQ.PAYMENT_AUTH_CODE_INVALID": ("The auth_code is not valid any more.", "支付授权码无效"),
        "ACQ.BUYER_BALANCE_NOT_ENOUGH": ("The buyer does not have that much.", "买家余额不足"),
        "ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE": (
            "The order takes nothing that the buyer could pay with.",
            "没有可用的支付工具",
        ),
        "ACQ.PULL_MOBILE_CASHIER_FAIL": (
            "The buyer's app could not be asked.",
            "唤起移动收银台失败",
        ),
        "ACQ.PAYMENT_FAIL": ("The payment failed.", "支付失败"),
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
        "SYSTEM_ERROR": ("The outcome is unknown: ask for it.", "系统异常"),
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
        "BUYER_SELLER_EQUAL": ("The buyer is the seller.", "买家和卖家不能是同一个账户"),
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
        "ILLEGAL_CURRENCY": ("There is no such currency here.", "币种不正确"),
        "ILLEGAL_TIMEOUT_RULE": ("The timeout_rule is not acceptable.", "超时规则不正确"),
        "ILLEGAL_ANTI_PHISHING_KEY": (
            "The anti_phishing_key was not given out, or was used before.",
            "防钓鱼时间戳不正确",
        ),
        "TRADE_NOT_EXIST": ("There is no such trade.", "交易不存在"),
        "TRADE_STATUS_NOT_AVAILD": ("The trade's status does not allow it.", "交易状态不正确"),
        "TRADE_STATUS_ERROR": ("The trade's status does not allow it.", "交易状态不正确"),
        "ACCOUNT_NOT_EXISTS": ("The account is not this merchant's.", "账号不存在"),
        "BATCH_NO_FORMAT_ERROR": ("The batch_no is not one of today.", "批次号格式错误"),
        "BATCH_NUM_ERROR": ("The batch_num is not a number.", "总笔数格式错误"),
        "BATCH_NUM_EXCEED_LIMIT": ("The batch has too many entries.", "总笔数超过限制"),
        "BATCH_NUM_NOT_EQUAL_TOTAL": (
            "The batch does not have as many entries as it says.",
            "传入的总笔数与明细的笔数不一致",
        ),
        "DETAIL_DATA_FORMAT_ERROR": ("The detail_data is malformed.", "明细数据格式错误"),
        "SINGLE_DETAIL_DATA_EXCEED_LIMIT": ("An entry is too long.", "单笔明细数据超过限制"),
        "DUBL_TRADE_NO_IN_SAME_BATCH": (
            "A trade stands twice in the batch.",
            "同一批退款中存在两条相同的交易号",
        ),
        "DUPLICATE_BATCH_NO": ("The batch_no was used before.", "重复的批次号"),
        "REFUND_DATE_ERROR": ("The refund_date is not a time.", "退款时间格式错误"),
        "PURCHASE_TRADE_NOT_EXIST": ("There is no such payment.", "交易不存在"),
        "CURRENCY_NOT_SAME": ("The payment was in another currency.", "币种与原交易不一致"),
        "RETURN_AMOUNT_EXCEED": ("There is not that much left to refund.", "退款金额超限"),
        "REPEATED_REFUNDMENT_REQUEST": ("This refund was made before.", "重复的退款请求"),
    }
)

#: The older phone gateway's ``code``, spelt as in its guide.
WAP: Final[Meanings] = MappingProxyType(
    {
        "0000": ("system error", "系统异常"),
        "0001": ("common parameter missing", "缺少公共参数，或公共参数不正确"),
        "0002": ("sign illegal", "签名不正确"),
        "0003": ("service illegal", "服务接口不存在"),
        "0004": ("req_data illegal", "req_data 格式不正确"),
        "0005": ("partner illegal", "合作伙伴编号不存在"),
        "0006": ("sec_id illegal", "签名方式不正确"),
        "0007": ("business parameter missing", "缺少业务参数，或业务参数不正确"),
        "0008": ("business parameter too long", "业务参数过长"),
        "0009": ("seller illegal", "卖家与合作伙伴不一致"),
    }
)


#: The prefixes of the codes that are the open platform's own, and not a method's.
GATEWAY_PREFIXES: Final = ("isv.", "aop.")


def without_prefix(code: str) -> str:
    """Return a code as v3 and the open platform's error page show it."""
    return code.removeprefix("isv.").removeprefix("aop.")


def code_for(sub_code: str) -> str:
    """Return the open platform's ``code`` for a ``sub_code``."""
    if is_unknown_outcome(sub_code):  # with this code in a captured response of the sandbox
        return "20000"
    if sub_code == "isv.decryption-error-unknown":
        return "40003"
    if sub_code == "isv.self-invoke-forbidden":
        return "40006"
    if sub_code.startswith("aop."):
        return "20001"
    # Seen in captured responses: a missing certificate is an invalid argument.
    if sub_code.startswith("isv.missing-") and not sub_code.endswith("-cert-sn"):
        return "40001"
    return "40002" if sub_code.startswith("isv.") else "40004"


def system_error(method: str) -> str:
    """Return the code of Alipay's internal error in the spelling of the method's family."""
    families = {
        "alipay.data.": "UNKNOWN_ERROR",
        "alipay.fund.": "SYSTEM_ERROR",
        "alipay.merchant.": "SYSTEM_ERROR",
        "alipay.open.": "isp.unknow-error",  # so spelt by Alipay
        "alipay.system.": "isp.unknow-error",
        "alipay.user.agreement.": "SYSTEM_ERROR",
        "alipay.user.": "isp.unknow-error",
    }
    family = next((name for name in families if method.startswith(name)), "")
    return families.get(family, "ACQ.SYSTEM_ERROR")


def is_unknown_outcome(code: str) -> bool:
    """Return True if the code leaves the outcome of the request open."""
    return code.endswith(("SYSTEM_ERROR", "UNKNOWN_ERROR", "unknow-error"))


def invalid_parameter(method: str) -> str:
    """Return the code of an invalid parameter in the spelling of the method's family."""
    families = {
        "alipay.data.": "INVAILID_ARGUMENTS",
        "alipay.fund.auth.": "ILLEGAL_ARGUMENT",
        "alipay.fund.": "INVALID_PARAMETER",
        "alipay.merchant.": "PARAM_ILLEGAL",
        "alipay.open.": "isv.invalid-parameter",
        "alipay.system.": "isv.invalid-parameter",
        "alipay.user.agreement.": "INVALID_PARAMETER",
        "alipay.user.": "isv.invalid-parameter",
    }
    family = next((name for name in families if method.startswith(name)), "")
    return families.get(family, "ACQ.INVALID_PARAMETER")
