"""The parameters that Alipay itself sends in notifications and returns.

Source: the parameter tables of both gateways, and captured payloads. A name that is not here is
most likely the merchant's own; nothing is rejected for its name alone.
"""

from __future__ import annotations

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

_OPENAPI_RETURN = """
    charset out_trade_no method total_amount sign sign_type trade_no auth_app_id version app_id
    seller_id timestamp alipay_cert_sn passback_params
"""

_WAP = "service v sec_id notify_data result request_token"

#: In notifications and returns.
NOTIFICATION_NAMES = frozenset((_BOTH + _OPEN_PLATFORM + _LEGACY).split())

#: In returns of the open platform.
OPENAPI_RETURN_NAMES = frozenset(_OPENAPI_RETURN.split())
#: In returns of the legacy gateways.
MAPI_RETURN_NAMES = frozenset((_BOTH + _LEGACY + _WAP).split())
