"""Download of Alipay's certificate, for clients that do not have it yet."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from ..replies import ApiError
from .call import ApiCall, Context, Handler, Success

#: The method, whose only field is a common parameter to some SDKs.
DOWNLOAD: Final = "alipay.open.app.alipaycert.download"


class CertificateDownload:
    """``alipay.open.app.alipaycert.download``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {DOWNLOAD: self._download}

    def _download(self, call: ApiCall) -> Success:
        number = call.text("alipay_cert_sn") or call.params.get("alipay_cert_sn", "")
        certificates = self._context.merchant.certificates
        if number != certificates.alipay_cert_sn:
            raise ApiError("isv.alipay-cert-not-exist")
        content = base64.b64encode(certificates.alipay.encode("ascii")).decode("ascii")
        return Success({"alipay_cert_content": content})
