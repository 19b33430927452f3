"""The newer way: the same methods, the same answers, the same exceptions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import (
    AlipayError,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.gateways.openapi.v3 import V3Client, verify_response
from flask_alipay.gateways.transport import HttpResponse
from flask_alipay.signer import Rsa2Signer, RsaSigner

from ..conftest import Keys
from ..doubles.openapi import (
    AES_KEY,
    APP_ID,
    AUTH_CODE,
    BILL_URL,
    DONE,
    IN_COMMON,
    LOST,
    METHODS,
    NUMBERS,
    ORDER,
    QUESTIONS,
    Alipay,
)
from ..doubles.openapi_v3 import TOKEN, Alipay3, answer3, flat, verified
from ..looped import for_each
from ..vectors import Vector, is_valid, signer_of, with_vectors

methods = for_each("method", METHODS)
SN = "a359aaadd01ceca03dbc07537da539b9"
#: Methods that Alipay reads from the query of a GET.
GET = (
    "alipay.data.dataservice.bill.downloadurl.query",
    "alipay.data.bill.accountlog.query",
    "alipay.data.bill.balance.query",
    "alipay.data.bill.ereceipt.query",
    "alipay.fund.account.query",
    "alipay.fund.trans.common.query",
    "alipay.trade.order.settle.query",
    "alipay.open.auth.token.app.query",
)


def without_params(response: Any) -> Any:
    """An answer without what is known to differ: how the node was dressed."""
    if isinstance(response, dict):
        return flat(response)
    return {name: value for name, value in vars(response).items() if name != "params"}


@with_vectors("v3-request-sign")
def test_a_request_is_signed_byte_for_byte(vector: Vector) -> None:
    response = dict(
        pair.split("=", 1) for pair in vector["string_to_sign"].partition("\n")[0].split(",")
    )
    caller = V3Client(response["app_id"], signer_of(vector), response.get("app_cert_sn"))
    made = caller.authorization(
        vector["http_method"],
        vector["uri"],
        vector["body"] or "",
        vector["app_auth_token"],
        nonce=response["nonce"],
        timestamp=int(response["timestamp"]),
    )
    assert made == vector["authorization"]


@with_vectors("v3-response-verify")
def test_a_published_response_is_judged_right(vector: Vector) -> None:
    answer = HttpResponse(200, vector["headers"], vector["body"].encode())
    assert verify_response(signer_of(vector), answer) is is_valid(vector)


@methods
def test_a_response_has_the_same_values_as_in_version_2(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    alipay = Alipay3(keys, flat(node))
    newer = perform(alipay.gateway())
    older = perform(Alipay(keys, node).gateway())
    assert type(newer) is type(older)
    assert without_params(newer) == without_params(older)
    [(http_method, uri, _, headers, repeatable)] = alipay.requested
    assert uri.partition("?")[0] == f"/v3/{method.replace('.', '/')}"
    assert http_method == ("GET" if method in GET else "POST")
    assert headers["Content-Type"] == "application/json"
    assert repeatable is (method in QUESTIONS)


@methods
def test_a_request_has_the_same_values_as_in_version_2(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    newer, older = Alipay3(keys, flat(node)), Alipay(keys, node)
    perform(newer.gateway())
    perform(older.gateway())
    if method in IN_COMMON:
        assert newer.fields.items() <= older.params.items()
    else:
        assert newer.fields == older.content


def test_version_2_codes_are_used_if_present(keys: Keys) -> None:
    for method in ("alipay.trade.query", "alipay.trade.pay"):
        perform, node = METHODS[method]
        assert perform(Alipay3(keys, node).gateway()).trade_no == NUMBERS["trade_no"]
    with pytest.raises(GatewayError, match=r"40004 ACQ\.X") as caught:
        Alipay3(keys, {"code": "40004", "sub_code": "ACQ.X"}).gateway().call("alipay.x")
    assert caught.value.signed


@pytest.mark.parametrize(
    ("status", "node"),
    [
        (202, flat(NUMBERS)),
        (200, {"code": "10003", **NUMBERS}),
        (202, {"code": "10003", **NUMBERS}),
    ],
)
def test_a_buyer_who_must_confirm_has_not_paid(
    keys: Keys, status: int, node: dict[str, Any]
) -> None:
    response = Alipay3(keys, node, status=status).gateway().trade_pay(**ORDER, auth_code=AUTH_CODE)
    assert not response.paid
    assert response.trade_no == NUMBERS["trade_no"]


@methods
def test_a_request_that_alipay_is_processing_may_be_retried(keys: Keys, method: str) -> None:
    if method != "alipay.trade.pay":
        perform, node = METHODS[method]
        with pytest.raises(OutcomeUnknown, match="still processing") as caught:
            perform(Alipay3(keys, flat(node), status=202).gateway())
        assert caught.value.retryable


@methods
@pytest.mark.parametrize("signed", [True, False])
def test_a_rejection_is_the_same_error_as_in_version_2(
    keys: Keys, method: str, signed: bool
) -> None:
    perform, _ = METHODS[method]
    node = {"code": "ACQ.TRADE_STATUS_ERROR", "message": "交易状态不合法"}
    options = {} if signed else {"signer": None}
    with pytest.raises(
        GatewayError, match=r"40004 ACQ\.TRADE_STATUS_ERROR \(交易状态不合法\)$"
    ) as caught:
        perform(Alipay3(keys, node, status=400, **options).gateway())
    error = caught.value
    assert (error.code, error.sub_code) == ("40004", "ACQ.TRADE_STATUS_ERROR")
    assert error.sub_msg == "交易状态不合法"
    assert error.signed is signed
    assert not isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "response", "code", "sub_code", "unknown"),
    [
        (400, "invalid-signature", "40002", "isv.invalid-signature", False),
        (400, "invalid-app-id", "40002", "isv.invalid-app-id", False),
        (400, "missing-timestamp", "40001", "isv.missing-timestamp", False),
        (401, "invalid-app-auth-token", "20001", "aop.invalid-app-auth-token", False),
        (401, "auth-token-time-out", "20001", "aop.auth-token-time-out", False),
        (403, "insufficient-isv-permissions", "40006", "isv.insufficient-isv-permissions", False),
        (400, "decryption-error-unknown", "40003", "isv.decryption-error-unknown", False),
        (500, "unknow-error", "20000", "isp.unknow-error", True),
        (503, "service-unavailable", "20000", "isp.service-unavailable", True),
        (429, "app-call-limited", "20000", "isp.app-call-limited", True),
        (400, "ACQ.SYSTEM_ERROR", "40004", "ACQ.SYSTEM_ERROR", True),
        (500, "ACQ.X", "20000", "ACQ.X", True),
        (400, "PAYEE_NOT_EXIST", "40004", "PAYEE_NOT_EXIST", False),
        (400, "REQUEST_PROCESSING", "40004", "REQUEST_PROCESSING", True),
    ],
)
def test_codes_are_those_of_version_2(
    keys: Keys, status: int, response: str, code: str, sub_code: str, unknown: bool
) -> None:
    with pytest.raises(GatewayError) as caught:
        Alipay3(keys, {"code": response}, status=status).gateway().trade_close(out_trade_no="A1")
    assert (caught.value.code, caught.value.sub_code) == (code, sub_code)
    assert isinstance(caught.value, OutcomeUnknown) is unknown
    assert caught.value.retryable is unknown


@methods
def test_without_a_response_the_outcome_is_unknown(keys: Keys, method: str) -> None:
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown, match="ReadTimeout") as caught:
        perform(Alipay3(keys, OutcomeUnknown(*LOST.args)).gateway())
    assert caught.value.retryable


@methods
@pytest.mark.parametrize("signed_by", ["nobody", "the merchant", "another signature", "no time"])
def test_a_success_without_alipays_signature_is_not_trusted(
    keys: Keys, method: str, signed_by: str
) -> None:
    perform, node = METHODS[method]
    signer = {"nobody": None, "the merchant": Rsa2Signer(keys.merchant)}.get(
        signed_by, Rsa2Signer(keys.alipay)
    )
    answer = answer3(flat(node), signer)
    if signed_by == "another signature":
        answer = answer._replace(body=answer.body + b" ")
    if signed_by == "no time":
        answer.headers.pop("alipay-timestamp")  # type: ignore[attr-defined]
    with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
        perform(Alipay3(keys, answer).gateway())


@pytest.mark.parametrize("status", [200, 302, 400, 404, 500, 502])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>502</html>", b"[]", b'{"code"', b"\xff", b"null", b'{"a":1e9999999999999999999}'],
)
def test_after_a_malformed_response_the_outcome_is_unknown(
    keys: Keys, status: int, body: bytes
) -> None:
    for signer in (None, Rsa2Signer(keys.alipay)):
        alipay = Alipay3(keys, answer3(body, signer, status=status))
        with pytest.raises(OutcomeUnknown):
            alipay.gateway().trade_query(out_trade_no="A1")


@given(
    body=st.binary(),
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["alipay-signature", "alipay-sn", "alipay-nonce"]), st.text()
    ),
)
def test_any_response_raises_only_the_packages_exceptions(
    keys: Keys, body: bytes, status: int, headers: dict[str, str]
) -> None:
    alipay = Alipay3(keys, HttpResponse(status, headers, body))
    with pytest.raises(AlipayError):
        alipay.gateway().trade_query(out_trade_no="A1")


@methods
def test_content_is_encrypted_both_ways(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    cipher = ContentCipher(AES_KEY)
    plain, encrypted = Alipay3(keys, flat(node)), Alipay3(keys, flat(node), cipher=cipher)
    response = perform(encrypted.gateway(aes_key=AES_KEY))
    assert response == perform(plain.gateway())
    [(http_method, _, body, headers, _)] = encrypted.requested
    assert (headers["alipay-encrypt-type"], headers["Content-Type"]) == ("AES", "text/plain")
    if http_method == "POST" and body:
        assert json.loads(cipher.decrypt(body.decode())) == plain.fields


def test_a_rejection_may_be_plain_or_encrypted(keys: Keys) -> None:
    node = {"code": "ACQ.TRADE_NOT_EXIST"}
    for cipher in (None, ContentCipher(AES_KEY)):
        gateway = Alipay3(keys, node, status=400, cipher=cipher).gateway(aes_key=AES_KEY)
        with pytest.raises(GatewayError, match="TRADE_NOT_EXIST"):
            gateway.trade_query(out_trade_no="A1")


def test_nothing_is_decrypted_before_it_is_verified(keys: Keys) -> None:
    for status in (200, 400):
        alipay = Alipay3(keys, DONE, status=status, cipher=ContentCipher(AES_KEY), signer=None)
        with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
            alipay.gateway(aes_key=AES_KEY).trade_query(out_trade_no="A1")


def test_certificates_are_named(keys: Keys) -> None:
    perform, node = METHODS["alipay.trade.query"]
    alipay = Alipay3(keys, flat(node), cert_sn=SN)
    numbers = {"app_cert_sn": "1" * 32, "root_cert_sn": "2" * 32 + "_" + "3" * 32}
    perform(alipay.gateway(alipay_cert_sns=[SN], **numbers))
    [(http_method, uri, body, headers, _)] = alipay.requested
    assert headers["alipay-root-cert-sn"] == numbers["root_cert_sn"]
    response = verified(alipay.signer, http_method, uri, body, headers)
    assert response["app_cert_sn"] == numbers["app_cert_sn"]
    with pytest.raises(OutcomeUnknown, match="not configured"):
        perform(Alipay3(keys, flat(node), cert_sn="b" * 32).gateway(alipay_cert_sns=[SN]))


def test_another_merchant_is_acted_for_in_a_header(keys: Keys) -> None:
    alipay = Alipay3(keys, flat(METHODS["alipay.trade.query"][1]))
    alipay.gateway().trade_query(out_trade_no="A1", app_auth_token=TOKEN)
    [(_, _, _, headers, _)] = alipay.requested
    assert headers["alipay-app-auth-token"] == TOKEN
    assert alipay.fields == {"out_trade_no": "A1"}


def test_the_notify_url_is_a_field_like_others(keys: Keys) -> None:
    alipay = Alipay3(keys, flat(METHODS["alipay.trade.precreate"][1]))
    alipay.gateway().trade_precreate(**ORDER, notify_url="https://shop.example/notify")
    assert alipay.fields["notify_url"] == "https://shop.example/notify"


def test_requests_differ_in_nonce_and_number(keys: Keys) -> None:
    alipay = Alipay3(keys, flat(METHODS["alipay.trade.query"][1]))
    gateway = alipay.gateway()
    for _ in range(2):
        gateway.trade_query(out_trade_no="A1")
    one, two = (headers for _, _, _, headers, _ in alipay.requested)
    assert one["alipay-request-id"] != two["alipay-request-id"]
    assert one["Authorization"].split(",")[1] != two["Authorization"].split(",")[1]


def test_any_method_may_use_get(keys: Keys) -> None:
    alipay = Alipay3(keys, {"b": "龙井/茶"})
    fields = {"a": "茶 &=/", "n": 5, "l": ["x"], "none": None}
    assert alipay.gateway().call("alipay.x.y", fields, http_method="GET") == {"b": "龙井/茶"}
    [(http_method, _, body, _, _)] = alipay.requested
    assert (http_method, body) == ("GET", b"")
    assert alipay.fields == {"a": "茶 &=/", "n": "5", "l": '["x"]'}


@pytest.mark.parametrize("http_method", ["HEAD", "get", ""])
def test_no_other_verb_is_known(keys: Keys, http_method: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^http_method "):
        Alipay3(keys, {}).gateway().call("alipay.x", {}, http_method=http_method)


@pytest.mark.parametrize("http_method", ["GET", "POST"])
@pytest.mark.parametrize("value", [object(), float("nan"), "\ud83c"])
def test_a_value_that_cannot_be_encoded_is_rejected(
    keys: Keys, http_method: str, value: Any
) -> None:
    with pytest.raises(InvalidParameter, match=r"^(biz_content|a) "):
        Alipay3(keys, {}).gateway().call("alipay.x", {"a": value}, http_method=http_method)


@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_calls_are_in_utf_8_whatever_is_configured(keys: Keys, charset: str) -> None:
    alipay = Alipay3(keys, {"b": "茶"})
    assert alipay.gateway(charset=charset).call("alipay.x", {"a": "茶"}) == {"b": "茶"}
    assert alipay.requested[0][2] == '{"a":"茶"}'.encode()


def test_a_browsers_request_is_that_of_version_2(keys: Keys) -> None:
    request = Alipay3(keys, {}).gateway().trade_page_pay(**ORDER)
    assert request.url.startswith("https://openapi.alipay.com/gateway.do?")
    assert request.params["method"] == "alipay.trade.page.pay"


def test_it_is_signed_with_rsa2_alone(keys: Keys) -> None:
    with pytest.raises(ConfigurationError, match="RSA2"):
        OpenApiGateway(APP_ID, RsaSigner(keys.merchant), api_version="v3")


def test_the_bill_is_queried_by_get(keys: Keys) -> None:
    alipay = Alipay3(keys, {"bill_download_url": BILL_URL})
    alipay.gateway().data_dataservice_bill_downloadurl_query(
        bill_type="trade", bill_date="2016-04-05"
    )
    assert alipay.requested[0][1] == (
        "/v3/alipay/data/dataservice/bill/downloadurl/query?bill_type=trade&bill_date=2016-04-05"
    )
