"""Agreements as the tests of the simulator's methods need them."""

from __future__ import annotations

RULE = {
    "period_type": "MONTH",
    "period": 1,
    "execute_time": "2026-02-05",
    "single_amount": "30.00",
}
SIGN = {
    "product_code": "GENERAL_WITHHOLDING",
    "personal_product_code": "CYCLE_PAY_AUTH_P",
    "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
    "external_agreement_no": "S1",
    "external_logon_id": "amy",
    "access_params": {"channel": "ALIPAYAPP"},
    "period_rule_params": RULE,
}
#: The same without periods.
OPEN = {
    "personal_product_code": "GENERAL_WITHHOLDING_P",
    "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
    "external_agreement_no": "S1",
    "access_params": {"channel": "ALIPAYAPP"},
}
PAGE_SIGN = "alipay.user.agreement.page.sign"
QUERY = "alipay.user.agreement.query"
UNSIGN = "alipay.user.agreement.unsign"
MODIFY = "alipay.user.agreement.executionplan.modify"
NAMED = {
    "external_agreement_no": "S1",
    "personal_product_code": "CYCLE_PAY_AUTH_P",
    "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
}
RETURN_URL = "https://shop.example/signed"


def deduction(agreement_no, number="D1", amount="30.00", **fields):
    """The content of a deduction."""
    return {
        "out_trade_no": number,
        "total_amount": amount,
        "subject": "Tea 茶",
        "product_code": "GENERAL_WITHHOLDING",
        "agreement_params": {"agreement_no": agreement_no},
        **fields,
    }


class Signing:
    """A merchant and a buyer who agree.

    :param server: the merchant's server.
    """

    def __init__(self, server):
        self.server = server
        self.client = server.client

    def open(self, biz=SIGN, **common):
        """The response to the browser that opens a request to sign."""
        params = self.server.params(PAGE_SIGN, biz, **{"return_url": RETURN_URL, **common})
        return self.server.post(params)

    def page(self, biz=SIGN, **common):
        """The address of the page on which the buyer signs."""
        response = self.open(biz, **common)
        assert response.status_code == 303, response.text
        return response.location

    def sign(self, biz=SIGN, **common):
        """The response to the buyer who signs."""
        return self.client.post(self.page(biz, **common), data={"decision": "sign"})

    def signed(self, biz=SIGN, **common):
        """Alipay's number of an agreement that the buyer has signed."""
        assert self.sign(biz, **common).status_code == 303
        (*_, last) = self.client.get("/alipay/agreements").json
        return last["agreement_no"]

    def pay(self, agreement_no, number="D1", amount="30.00", **fields):
        """The signed response to a deduction."""
        return self.server.call("pay", deduction(agreement_no, number, amount, **fields))

    def refused(self, agreement_no, number="D1", amount="30.00", **fields):
        """The sub_code of a deduction that is rejected."""
        return self.server.refused("pay", deduction(agreement_no, number, amount, **fields))
