"""Published and captured payloads come out as they must, through the public API."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from flask_alipay.exceptions import BadSignature
from flask_alipay.keys import certificate_sn, root_certificate_sn
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.conversion import to_decimal
from flask_alipay.protocol.notification import Notification, verified_params, verify_params
from flask_alipay.protocol.signed_request import sign_request
from flask_alipay.signer import sign_content

from .requirements import missing
from .vectors import VARIABLE, Vector, all_vectors, is_valid, signer_of, with_vectors

STRINGS = ("string-sign", "sdk-order-string", "captured-sdk-result", "captured-response")
PARAMETERS = ("params-sign", "canonical-string")
NOTICES = ("notify", "captured-notify", "captured-return")
REQUESTS = ("request-sign",)

#: What the mirrors of their modules try.
OTHER_PLACE = {"aes", "response-slice", "v3-request-sign", "v3-response-verify"}


def strings_flaw(vector: Vector) -> bool:
    """Return whether the payload is valid and only the signed *string* was built wrongly."""
    return str(vector["name"]).endswith(("-read-as-utf8", "-sign-type-kept"))


def payload(vector: Vector) -> dict[str, str]:
    return {name: text or "" for name, text in vector["params"].items()} | {
        "sign": vector.get("sign", "")
    }


def excluded(vector: Vector) -> tuple[str, ...]:
    """Some strings keep the sign type: the open platform's requests, and a few messages."""
    keeps = re.search(r"(^|&)sign_type=", vector["string_to_sign"])
    return ("sign",) if keeps else ("sign", "sign_type")


def test_no_kind_of_vector_is_forgotten() -> None:
    if not all_vectors():
        missing(f"{VARIABLE} does not name a folder with vectors")
    kinds = {vector["kind"] for vector in all_vectors()}
    assert kinds - OTHER_PLACE == {*STRINGS, *PARAMETERS, *NOTICES, *REQUESTS, "cert-sn"}


@with_vectors(*STRINGS, *PARAMETERS, *NOTICES, *REQUESTS, where=lambda vector: "sign" in vector)
def test_the_signature_of_a_string_is_judged_right(vector: Vector) -> None:
    message = vector["string_to_sign"].encode(python_codec(vector["charset"]))
    assert signer_of(vector).verify(message, vector["sign"]) is is_valid(vector)


@with_vectors(
    *STRINGS,
    *PARAMETERS,
    *NOTICES,
    *REQUESTS,
    where=lambda vector: is_valid(vector) and {"md5_key", "test_private_key"} & vector.keys(),
)
def test_a_string_is_signed_byte_for_byte(vector: Vector) -> None:
    message = vector["string_to_sign"].encode(python_codec(vector["charset"]))
    assert signer_of(vector).sign(message) == vector["sign"]


@with_vectors(*PARAMETERS, *NOTICES, *REQUESTS)
def test_parameters_become_the_string(vector: Vector) -> None:
    content = sign_content(payload(vector), exclude=excluded(vector), charset=vector["charset"])
    assert content.decode(python_codec(vector["charset"])) == vector["string_to_sign"]


@with_vectors(*NOTICES, where=lambda vector: not strings_flaw(vector))
def test_a_payload_is_judged_right_as_parameters(vector: Vector) -> None:
    # Configured for UTF-8 throughout: what a GBK payload needs is found out.
    assert verify_params(payload(vector), signer_of(vector)) is is_valid(vector)


@with_vectors(*NOTICES, where=lambda vector: not strings_flaw(vector))
def test_a_payload_is_judged_right_as_a_form(vector: Vector) -> None:
    body = urlencode(payload(vector), encoding=python_codec(vector["charset"])).encode("ascii")
    if is_valid(vector):
        assert verified_params(body, signer_of(vector)) == payload(vector)
    else:
        with pytest.raises(BadSignature):
            verified_params(body, signer_of(vector))


@with_vectors(*NOTICES, where=strings_flaw)
def test_a_payload_whose_string_was_wrong_is_valid_itself(vector: Vector) -> None:
    wrong = sign_content(payload(vector), exclude=excluded(vector), charset=vector["charset"])
    assert not signer_of(vector).verify(wrong, vector["sign"])
    assert verify_params(payload(vector), signer_of(vector))


@with_vectors(*NOTICES, where=lambda vector: {"raw_body", "raw_query", "url"} & vector.keys())
def test_captured_bytes_are_judged_right(vector: Vector) -> None:
    raw = vector.get("raw_body") or vector.get("raw_query") or urlsplit(vector["url"]).query
    if is_valid(vector):
        assert verified_params(raw.encode("ascii"), signer_of(vector)) == payload(vector)
    else:
        with pytest.raises(BadSignature):
            verified_params(raw.encode("ascii"), signer_of(vector))


@with_vectors("captured-notify", where=is_valid)
def test_a_captured_notification_is_read_into_types(vector: Vector) -> None:
    values = payload(vector)
    amount = values.get("total_amount") or values.get("total_fee")
    if amount is None:
        # A sample of Alipay's documentation, well signed, that names no amount: given one here.
        values["total_amount"] = amount = "0.01"
    read = Notification.from_params(values)
    if read.currency == "CNY":
        assert str(to_decimal(read.total_fen)) == amount
    assert read.out_trade_no == values["out_trade_no"]
    assert read.trade_status == values["trade_status"]
    assert read.notify_time is not None


@with_vectors(*REQUESTS, where=lambda v: is_valid(v) and {"md5_key", "test_private_key"} & v.keys())
def test_a_request_is_signed_byte_for_byte(vector: Vector) -> None:
    values = payload(vector)
    del values["sign"]
    gateway = "https://gateway.invalid/gateway.do"
    request = sign_request(
        gateway,
        values,
        signer_of(vector),
        charset=vector["charset"],
        exclude=("sign",) if vector["protocol"] == "openapi-v2" else ("sign", "sign_type"),
    )
    assert request.params == payload(vector)
    assert request.content.decode(python_codec(vector["charset"])) == vector["string_to_sign"]
    printed = vector.get("url") or vector["raw"]
    assert fields(request.url) == fields(printed)


@with_vectors("cert-sn")
def test_a_certificates_number_is_alipays(vector: Vector) -> None:
    number = root_certificate_sn if vector["is_root_bundle"] else certificate_sn
    assert number(vector["certificate_pem"]) == vector["expected_sn"]


def fields(url: str) -> list[tuple[str, str]]:
    """Return the decoded fields of a URL or of an order string."""
    return sorted(parse_qsl(urlsplit(url).query or url, strict_parsing=True))
