"""Error codes of pre-authorisations and of captures, with their meanings.

Source of the names: the error models of Alipay's PHP SDK of version 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: The ``sub_code`` of ``alipay.fund.auth.*``, and of ``alipay.trade.pay`` with an ``auth_no``.
PREAUTHORIZATIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ILLEGAL_ARGUMENT": ("A parameter is not acceptable.", "参数错误"),
        "UNIQUE_VIOLATION": ("The number was used with other content.", "幂等号重复，内容不一致"),
        "FREEZE_ALREADY_SUCCESS": ("The amount is frozen.", "订单已冻结成功"),
        "ORDER_ALREADY_CLOSED": ("The authorization is closed.", "授权订单已关闭"),
        "ORDER_ALREADY_FINISH": ("The authorization is fully captured.", "授权订单已完结"),
        "ILLEGAL_STATUS": ("The amount is not frozen.", "授权订单状态不正确"),
        "ILLEGAL_PAYEE_USER_ID": ("The payee is another account.", "收款方账号不正确"),
        "PAYMENT_AUTH_CODE_INVALID": ("The payer's code is used or invalid.", "付款码无效"),
        "MONEY_NOT_ENOUGH": ("The payer does not have that much.", "付款方余额不足"),
        "PULL_MOBILE_CASHIER_FAIL": ("The payer's app did not open.", "唤起移动收银台失败"),
        "NO_PAYMENT_INSTRUMENTS_AVAILABLE": (
            "The payer has no payment channel that fits.",
            "没有可用的支付工具",
        ),
        "AUTH_ORDER_NOT_EXIST": ("There is no such authorization.", "授权订单不存在"),
        "AUTH_OPERATION_NOT_EXIST": ("There is no such operation.", "授权操作不存在"),
        "REQUEST_AMOUNT_EXCEED": ("More than what is still frozen.", "请求金额超过剩余冻结金额"),
        "CANCEL_OPERATION_TIME_OUT": (
            "A freeze can be cancelled within 24 hours: release the amount.",
            "撤销超时，请使用解冻",
        ),
        "ACQ.AUTH_NO_ERROR": ("There is no such pre-authorisation.", "预授权号错误"),
        "ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT": (
            "The product_code is not that of the pre-authorisation.",
            "支付与冻结的产品码不一致",
        ),
        "ACQ.AUTH_TOKEN_IS_NOT_EXIST": ("The product_code is missing.", "授权令牌不存在"),
        "ACQ.AUTH_AMOUNT_NOT_ENOUGH": ("More than what is still frozen.", "授权金额不足"),
        "ACQ.AUTH_ORDER_NOT_PAID": ("The payer has not authorised it.", "授权订单未支付"),
        "ACQ.AUTH_ORDER_HAS_CLOSED": ("The authorization is closed.", "授权订单已关闭"),
        "ACQ.AUTH_ORDER_HAS_FINISHED": ("The authorization is fully captured.", "授权订单已完结"),
        "ACQ.PAYER_UNMATCHED": ("The buyer is not the payer.", "付款人不匹配"),
        "ACQ.NOTIFY_STATUS_INVALID": ("There is no such status.", "同步状态不正确"),
    }
)
