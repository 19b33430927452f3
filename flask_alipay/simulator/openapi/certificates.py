"""Alipay's certificate, for who meets an answer signed with one that is not known yet."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from ..answers import Refusal
from .call import Call, Desk, Done, Run

#: The method, whose only field is a common parameter to some SDKs.
DOWNLOAD: Final = "alipay.open.app.alipaycert.download"


class CertificateDownload:
    """``alipay.open.app.alipaycert.download``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.methods: Mapping[str, Run] = {DOWNLOAD: self._download}

    def _download(self, call: Call) -> Done:
        number = call.text("alipay_cert_sn") or call.params.get("alipay_cert_sn", "")
        certificates = self._desk.merchant.certificates
        if number != certificates.alipay_cert_sn:
            raise Refusal("isv.alipay-cert-not-exist")
        content = base64.b64encode(certificates.alipay.encode("ascii")).decode("ascii")
        return Done({"alipay_cert_content": content})
