"""The merchant's server as the tests play it: posts calls, and believes what is signed alone."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL

ORDER = {"out_trade_no": "T1", "total_amount": "88.88", "subject": "Tea 茶"}
FORM = "application/x-www-form-urlencoded"


class Server:
    """Calls methods of the open platform over the app's HTTP.

    :param app: with the simulator below ``/alipay``.
    :param merchant: whose calls they are.
    """

    def __init__(self, app, merchant):
        self.client = app.test_client()
        self.merchant = merchant

    @property
    def certified(self):
        """The common parameters of certificate mode."""
        certificates = self.merchant.account.certificates
        return {
            "app_cert_sn": certificates.app_cert_sn,
            "alipay_root_cert_sn": certificates.alipay_root_cert_sn,
        }

    def params(self, method, biz, *, charset="utf-8", sign_type="RSA2", signer=None, **common):
        params = {
            "app_id": self.merchant.account.app_id,
            "method": method,
            "charset": charset,
            "sign_type": sign_type,
            "timestamp": format_china_time(self.merchant.clock.now()),
            "version": "1.0",
            "notify_url": NOTIFY_URL,
            "biz_content": json.dumps(biz, ensure_ascii=False),
        } | common
        params = {name: value for name, value in params.items() if value is not None}
        signer = signer or self.merchant.signer(sign_type)
        content = sign_content(params, exclude=("sign",), charset=charset)
        return params | {"sign": signer.sign(content)}

    def post(self, params, charset="utf-8"):
        body = urlencode(params, encoding=python_codec(charset))
        return self.client.post("/alipay/gateway.do", data=body, content_type=FORM)

    def call(self, method, biz=None, *, charset="utf-8", sign_type="RSA2", **common):
        """The node of a signed answer."""
        method = method if method.startswith("alipay.") else f"alipay.trade.{method}"
        params = self.params(method, biz or {}, charset=charset, sign_type=sign_type, **common)
        response = self.post(params, charset)
        assert response.status_code == 200
        text = response.data.decode(python_codec(charset))
        name = f"{method.replace('.', '_')}_response"
        found = re.fullmatch(
            rf'\{{"{name}":(.+?)(?:,"alipay_cert_sn":"\w+")?,"sign":"([^"]+)"\}}', text
        )
        assert found, text
        signed = found[1].encode(python_codec(charset))
        assert self.merchant.signer(sign_type).verify(signed, found[2])
        return json.loads(found[1])

    def refused(self, method, biz=None, **options):
        """The sub_code of a signed refusal."""
        node = self.call(method, biz, **options)
        assert (node["code"], node["msg"]) == ("40004", "Business Failed")
        assert node["sub_msg"]
        return node["sub_code"]

    def unsigned(self, params):
        """A refusal that nobody signed: under the method's own name, if there is such a method."""
        ((name, node),) = json.loads(self.post(params).text).items()
        known = name == f"{params.get('method', '').replace('.', '_')}_response"
        assert known or node["sub_code"] in (
            "isv.missing-method",
            "isv.invalid-method",
            "isv.missing-signature",
        )
        return node
