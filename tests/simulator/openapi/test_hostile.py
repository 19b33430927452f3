"""Whatever is sent, there is an answer."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...strategies import examples

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
METHODS = st.sampled_from(
    [
        "alipay.trade.page.pay",
        "alipay.trade.wap.pay",
        "alipay.trade.precreate",
        "alipay.trade.create",
        "alipay.trade.pay",
        "alipay.trade.query",
        "alipay.trade.close",
        "alipay.trade.cancel",
        "alipay.trade.refund",
        "alipay.trade.fastpay.refund.query",
        "alipay.trade.order.settle",
        "alipay.trade.order.settle.query",
        "alipay.trade.order.onsettle.query",
        "alipay.trade.royalty.relation.bind",
        "alipay.trade.royalty.relation.unbind",
        "alipay.trade.royalty.relation.batchquery",
        "alipay.fund.trans.uni.transfer",
        "alipay.fund.trans.common.query",
        "alipay.fund.account.query",
        "alipay.fund.auth.order.app.freeze",
        "alipay.fund.auth.order.voucher.create",
        "alipay.fund.auth.order.freeze",
        "alipay.fund.auth.order.unfreeze",
        "alipay.fund.auth.operation.detail.query",
        "alipay.fund.auth.operation.cancel",
        "alipay.trade.orderinfo.sync",
        "alipay.user.agreement.page.sign",
        "alipay.user.agreement.query",
        "alipay.user.agreement.unsign",
        "alipay.user.agreement.executionplan.modify",
        "alipay.data.bill.balance.query",
        "alipay.data.bill.accountlog.query",
        "alipay.data.bill.ereceipt.apply",
        "alipay.data.bill.ereceipt.query",
        "alipay.data.dataservice.bill.downloadurl.query",
        "alipay.open.app.alipaycert.download",
        "alipay.merchant.image.upload",
        "alipay.merchant.tradecomplain.query",
        "alipay.system.oauth.token",
        "alipay.user.info.share",
        "alipay.open.auth.token.app",
        "alipay.open.auth.token.app.query",
    ]
)
NAMES = st.sampled_from(
    [
        "out_trade_no",
        "trade_no",
        "subject",
        "total_amount",
        "body",
        "product_code",
        "timeout_express",
        "time_expire",
        "scene",
        "auth_code",
        "buyer_id",
        "refund_amount",
        "out_request_no",
        "refund_reason",
        "query_options",
        "royalty_parameters",
        "receiver_list",
        "settle_no",
        "page_num",
        "out_biz_no",
        "trans_amount",
        "biz_scene",
        "payee_info",
        "order_id",
        "account_type",
        "alipay_user_id",
        "start_time",
        "end_time",
        "page_size",
        "type",
        "key",
        "file_id",
        "bill_type",
        "bill_date",
        "alipay_cert_sn",
        "auth_no",
        "agreement_params",
        "agreement_no",
        "agreement_sign_params",
        "personal_product_code",
        "sign_scene",
        "external_agreement_no",
        "access_params",
        "channel",
        "period_rule_params",
        "period_type",
        "period",
        "execute_time",
        "deduct_time",
        "image_type",
        "complain_event_id",
        "grant_type",
        "code",
        "refresh_token",
        "auth_token",
        "app_auth_token",
        "out_order_no",
        "order_title",
        "operation_id",
        "operation_type",
        "auth_code_type",
        "pay_timeout",
        "extra_param",
        "amount",
        "remark",
        "biz_type",
        "order_biz_info",
        "op_app_id",
        "buyer_open_id",
    ]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
KNOWN = st.sampled_from(
    [
        "T1",
        "1.00",
        "bar_code",
        "2812345678901234",
        "2088000000000002",
        "trade",
        "2026-01-31",
        "PREAUTH_PAY",
        "CYCLE_PAY_AUTH_P",
        "INDUSTRY|TEA",
        "ALIPAYAPP",
        "MONTH",
    ]
)
VALUES = st.recursive(
    PLAIN | KNOWN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(METHODS, st.dictionaries(NAMES | TEXT, VALUES, max_size=6))
def test_well_signed_nonsense_is_answered(server, method, biz):
    response = server.post(server.params(method, biz))
    assert response.status_code in (200, 303, 400)
    if response.content_type != "text/html;charset=GBK":  # a page for the buyer
        assert response.status_code == 303 or "_response" in response.text


def test_every_method_of_the_gateway_is_tried(simulator):
    assert set(simulator.dialects.openapi.methods) == set(METHODS.elements)
