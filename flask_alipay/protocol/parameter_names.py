"""Names of the parameters that Alipay sends in notifications and returns.

Source: the parameter tables of both gateways, and captured payloads. Any other name is most likely
the merchant's; no message is rejected for a name alone.
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
    utc_timestamp msg_method msg_type msg_uid msg_app_id biz_content encrypt_type
    trans_currency settle_currency
"""

# Of pre-authorisations and agreements.
_AUTHORISATIONS = """
    auth_no out_order_no operation_id operation_type gmt_trans pre_auth_type credit_merchant_ext
    payer_logon_id payer_user_id payer_open_id payee_logon_id payee_user_id credit_amount
    fund_amount rest_amount rest_credit_amount rest_fund_amount total_freeze_amount
    total_freeze_credit_amount total_freeze_fund_amount total_unfreeze_amount
    total_unfreeze_credit_amount total_unfreeze_fund_amount total_pay_amount
    total_pay_credit_amount total_pay_fund_amount unfreeze_amount personal_product_code sign_scene
    alipay_user_id alipay_logon_id alipay_open_id external_logon_id sign_time unsign_time
    valid_time invalid_time login_token zm_open_id device_id credit_auth_mode forex_eligible
"""

# Names that other programs' output uses as well.
_COMMON = "amount status action"

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

_WAP_RETURN = "result request_token"

#: Names in notifications and returns, used to detect a payload in log output.
NOTIFICATION_NAMES = frozenset((_BOTH + _OPEN_PLATFORM + _AUTHORISATIONS + _LEGACY).split())
#: All names in notifications, including the common ones.
ALL_NOTIFICATION_NAMES = NOTIFICATION_NAMES.union(_COMMON.split())

#: Names in the open platform's returns.
OPENAPI_RETURN_NAMES = frozenset(_OPENAPI_RETURN.split())
#: Names in the legacy gateways' returns.
MAPI_RETURN_NAMES = frozenset((_BOTH + _LEGACY + _WAP_RETURN).split())
