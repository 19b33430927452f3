"""Certificate mode: an answer that another certificate signs leads to that one, if it is true."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.protocol.certificates import CertificateStore
from flask_alipay.protocol.notification import verify_params
from flask_alipay.signer import Rsa2Signer, sign_content

from ..certificate_chains import ALIPAY, NOW, Issued, content, issue, spare_key
from ..conftest import Keys
from ..doubles.openapi import AES_KEY, APP_ID, DONE, LOST, METHODS, Alipay, answer

DOWNLOAD = "alipay.open.app.alipaycert.download"


class Renewed(Alipay):
    """Alipay on the day after it exchanged its certificate.

    :param brings: what it answers who asks for the new one.
    """

    def __init__(self, keys: Keys, method: str, brings: Mapping[str, Any] | bytes | None) -> None:
        super().__init__(keys, METHODS[method][1])
        self.root = issue("R1", spare_key(0), ca=True)
        self.before = issue(ALIPAY, keys.alipay, self.root)
        self.new = issue(ALIPAY, spare_key(1), self.root)
        self.brings = brings if brings is not None else {**DONE, "alipay_cert_content": None}
        self.signer = Rsa2Signer(self.new.key, keys.merchant.public_key())
        self.packaged = Rsa2Signer(keys.merchant, keys.alipay.public_key())

    def post(self, url: str, params: Mapping[str, str], *more: Any, **options: Any) -> bytes:
        self.requested.append((url, dict(params), "utf-8", options.get("repeatable", False)))
        method = params["method"]
        if method != DOWNLOAD:
            return answer(method, self.node, signer=self.signer, cert_sn=self.new.sn)  # type: ignore[arg-type]
        if isinstance(self.brings, bytes):
            raise OutcomeUnknown(*LOST.args)
        response = dict(self.brings)
        if response.get("alipay_cert_content", "") is None:
            response["alipay_cert_content"] = content(self.new)
        return answer(method, response, signer=self.signer, cert_sn=self.new.sn)

    def shop(self, **options: Any) -> OpenApiGateway:
        certificates = CertificateStore(
            self.packaged, [self.before.pem], self.root.pem, now=lambda: NOW
        )
        return OpenApiGateway(
            APP_ID, self.packaged, transport=self, certificates=certificates, **options
        )

    @property
    def methods(self) -> list[str]:
        return [params["method"] for _, params, _, _ in self.requested]


@pytest.mark.parametrize("method", METHODS)
def test_a_new_certificate_is_downloaded_once_and_trusted(keys: Keys, method: str) -> None:
    alipay = Renewed(keys, method, None)
    gateway, (perform, _) = alipay.shop(), METHODS[method]
    for _ in range(2):
        perform(gateway)
    assert alipay.methods == [method, DOWNLOAD, method]
    assert alipay.requested[1][1]["biz_content"] == f'{{"alipay_cert_sn":"{alipay.new.sn}"}}'
    assert [repeatable for _, _, _, repeatable in alipay.requested][1]


def test_notifications_are_verified_with_it_afterwards(keys: Keys) -> None:
    alipay = Renewed(keys, "alipay.trade.query", None)
    notification_params = {"out_trade_no": "A1", "alipay_cert_sn": alipay.new.sn}
    notification_params |= {
        "sign": alipay.signer.sign(sign_content(notification_params)),
        "sign_type": "RSA2",
    }
    assert not verify_params(notification_params, alipay.packaged)
    alipay.shop().trade_query(out_trade_no="A1")
    assert verify_params(notification_params, alipay.packaged)


def test_the_download_of_a_certificate_is_not_encrypted(keys: Keys) -> None:
    alipay = Renewed(keys, "alipay.trade.close", None)
    alipay.shop(aes_key=AES_KEY).trade_close(out_trade_no="A1")
    assert "encrypt_type" in alipay.requested[0][1]
    assert "encrypt_type" not in alipay.requested[1][1]


def forged(keys: Keys) -> Issued:
    return issue(ALIPAY, keys.merchant, issue("R1", keys.merchant, ca=True))


@pytest.mark.parametrize(
    "brings",
    [
        b"lost",
        {"code": "40004", "sub_code": "CERT_NOT_EXIST"},
        DONE,
        {**DONE, "alipay_cert_content": ""},
        {**DONE, "alipay_cert_content": "AAAA"},
        {**DONE, "alipay_cert_content": {"a": 1}},
        "forged",
        "before",
    ],
)
def test_a_certificate_that_cannot_be_verified_is_not_trusted(
    keys: Keys, brings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    alipay = Renewed(keys, "alipay.trade.query", brings if not isinstance(brings, str) else None)
    if brings == "forged":
        alipay.new = forged(keys)
        alipay.signer = Rsa2Signer(alipay.new.key)
    if brings == "before":
        alipay.brings = {**DONE, "alipay_cert_content": content(alipay.before)}
    keys_before = alipay.packaged.public_keys
    with (
        caplog.at_level(logging.WARNING, "flask_alipay"),
        pytest.raises(OutcomeUnknown, match="not configured"),
    ):
        alipay.shop().trade_query(out_trade_no="A1")
    assert alipay.methods == ["alipay.trade.query", DOWNLOAD]
    assert alipay.packaged.public_keys == keys_before
    assert "rejected the certificate" in caplog.text


def test_a_new_certificate_verifies_only_its_own_signatures(keys: Keys) -> None:
    alipay = Renewed(keys, "alipay.trade.query", None)
    alipay.signer = Rsa2Signer(keys.merchant)
    with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
        alipay.shop().trade_query(out_trade_no="A1")


@pytest.mark.parametrize("sn", ["../x", "A" * 32, "0" * 31, "0" * 64])
def test_an_invalid_serial_number_is_not_requested(keys: Keys, sn: str) -> None:
    alipay = Renewed(keys, "alipay.trade.query", None)

    class Odd(Issued):
        sn = "odd"

    alipay.new = Odd(alipay.new.certificate, alipay.new.key)
    Odd.sn = sn
    with pytest.raises(OutcomeUnknown, match="not configured"):
        alipay.shop().trade_query(out_trade_no="A1")
    assert alipay.methods == ["alipay.trade.query"]
