"""The parameters that Alipay itself sends in notifications and returns, and what they give away.

Source: the parameter tables of both gateways, and captured payloads. A name that is not here is
most likely the shop's own; nothing is refused for it.
"""

from __future__ import annotations

from collections.abc import Mapping

_BOTH = """
    notify_time notify_type notify_id sign sign_type out_trade_no trade_no trade_status subject body
    buyer_id seller_id seller_email gmt_create gmt_payment gmt_close gmt_refund refund_status
    refund_fee total_fee currency
"""

_OPEN_PLATFORM = """
    charset version app_id auth_app_id alipay_cert_sn method timestamp out_biz_no out_request_no
    buyer_open_id buyer_logon_id total_amount receipt_amount invoice_amount buyer_pay_amount
    point_amount refund_reason refund_amount send_back_fee fund_bill_list voucher_detail_list
    passback_params agreement_no external_agreement_no dback_status dback_amount bank_ack_time
    utc_timestamp msg_method msg_type biz_content encrypt_type
"""

_LEGACY = """
    is_success exterface payment_type buyer_email price quantity discount is_total_fee_adjust
    use_coupon extra_common_param business_scene gmt_send_goods gmt_logistics_modify seller_actions
    buyer_actions logistics_type logistics_fee logistics_payment receive_name receive_address
    receive_zip receive_phone receive_mobile rmb_fee batch_no success_num result_details
    pay_user_id pay_user_name pay_account_no success_details fail_details
"""

#: All of them.
ALIPAYS = frozenset((_BOTH + _OPEN_PLATFORM + _LEGACY).split())

# In every captured notification of a trade, of both gateways.
_ALWAYS = ("notify_time", "notify_type", "notify_id", "trade_no", "out_trade_no", "trade_status")
_ALWAYS_ON_OPEN_PLATFORM = ("app_id", "total_amount")


def missing(params: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what Alipay always sends in a notification of a trade and is not there.

    :param params: of anything; for what is no such notification it returns nothing.
    """
    if params.get("notify_type", "trade_status_sync") != "trade_status_sync":
        return ()
    if "msg_method" in params or not (params.get("notify_id") or params.get("notify_time")):
        return ()
    modern = {"app_id", "auth_app_id", "version", "buyer_pay_amount"} & set(params)
    names = (*_ALWAYS, *(_ALWAYS_ON_OPEN_PLATFORM if modern else ()))
    return tuple(name for name in names if not params.get(name))


def of_sandbox(params: Mapping[str, str]) -> bool:
    """Tells whether a payload says for certain that it comes from the open platform's sandbox.

    Source: captured payloads; older sandbox applications have numbers like those of production.
    """
    accounts = (params.get("seller_email", ""), params.get("buyer_logon_id", ""))
    return params.get("app_id", "").startswith("9021") or any(
        account.endswith("@sandbox.com") for account in accounts
    )
