"""Cutting the signed node out of an answer, as it stands."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import AlipayError, OutcomeUnknown
from flask_alipay.gateways.openapi.responses import amount, open_envelope, read_response, text_field
from flask_alipay.signer import Rsa2Signer

from ..conftest import Keys
from ..strategies import charsets
from ..vectors import Vector, is_valid, signer_of, with_vectors

METHOD = "alipay.trade.query"
NAME = "alipay_trade_query_response"

DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
)


@pytest.fixture(scope="session")
def keys(small_keys: Keys) -> Keys:
    """No test here depends on the size of the keys."""
    return small_keys


def body_of(vector: Vector) -> bytes:
    """The captured bytes, or what they were where only the signed text was kept."""
    raw = vector.get("raw")
    if raw is None:
        node, sign = vector["string_to_sign"], vector["sign"]
        raw = f'{{"{vector["response_node"]}":{node},"sign":"{sign}"}}'
    return str(raw).encode(vector["charset"])


def method_of(vector: Vector) -> str:
    return str(vector["response_node"]).removesuffix("_response").replace("_", ".")


@with_vectors("response-slice", "captured-response")
def test_the_node_is_cut_as_it_stands(vector: Vector) -> None:
    envelope = open_envelope(body_of(vector), method_of(vector), vector["charset"])
    assert envelope.node == vector["string_to_sign"]
    assert not envelope.is_error
    assert envelope.cert_sn == vector.get("alipay_cert_sn", "")
    assert envelope.is_encrypted is vector["string_to_sign"].startswith('"')


@with_vectors("captured-response")
def test_a_captured_response_is_judged_right(vector: Vector) -> None:
    def read() -> dict[str, Any]:
        return read_response(
            body_of(vector),
            method_of(vector),
            charset=vector["charset"],
            signer=signer_of(vector),
        )

    if is_valid(vector):
        assert read() == json.loads(vector["string_to_sign"])
    else:
        with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
            read()


@settings(max_examples=60)
@given(
    document=DOCUMENTS,
    charset=charsets,
    indent=st.sampled_from([None, 1]),
    sign_first=st.booleans(),
)
def test_the_signed_text_is_cut_out_exactly(
    keys: Keys, document: dict[str, Any], charset: str, indent: int | None, sign_first: bool
) -> None:
    node = json.dumps({"code": "10000", **document}, indent=indent)
    signer = Rsa2Signer(keys.alipay, keys.alipay.public_key())
    members = [f' "{NAME}" :\n {node} ', f'"sign":"{signer.sign(node.encode())}"']
    if sign_first:
        members.reverse()
    envelope = open_envelope(f"{{{','.join(members)}}}\n".encode(), METHOD, charset)
    assert envelope.node == node
    assert envelope.signed_by(signer)


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "gb2312", "gb18030"])
def test_a_response_is_signed_in_the_requests_charset(keys: Keys, charset: str) -> None:
    # In GBK the second byte of the first two is a backslash and a brace.
    node = '{"code":"10000","a":"誠瓄茶\\\\","b":"{"}'
    codepage = "gbk" if charset == "gb2312" else charset
    signer = Rsa2Signer(keys.alipay, keys.alipay.public_key())
    sign = signer.sign(node.encode(codepage))
    body = f'{{"{NAME}":{node},"sign":"{sign}"}}'.encode(codepage)
    read = read_response(body, METHOD, charset=charset, signer=signer)
    assert read == {"code": "10000", "a": "誠瓄茶\\", "b": "{"}


def test_a_signature_may_be_escaped_like_any_text(keys: Keys) -> None:
    signer = Rsa2Signer(keys.alipay, keys.alipay.public_key())
    node = '{"code":"10000","sign":"inside"}'
    sign = signer.sign(node.encode()).replace("/", "\\/")
    envelope = open_envelope(f'{{"{NAME}":{node},"sign":"{sign}"}}'.encode(), METHOD)
    assert envelope.signed_by(signer)


def test_the_methods_own_node_goes_before_an_error() -> None:
    both = f'{{"error_response":{{}},"{NAME}":{{"a":1}}}}'.encode()
    assert open_envelope(both, METHOD).node == '{"a":1}'
    error = open_envelope(b'{"error_response":{"code":"40002"}}', METHOD)
    assert (error.node, error.is_error, error.sign) == ('{"code":"40002"}', True, "")


@pytest.mark.parametrize("sign", ["null", "5", "{}", '""', '"\\ud800"', '"茶"', '"AAA"'])
def test_a_signature_that_is_none_does_not_verify(keys: Keys, sign: str) -> None:
    envelope = open_envelope(f'{{"{NAME}":{{}},"sign":{sign}}}'.encode(), METHOD)
    assert not envelope.signed_by(Rsa2Signer(None, keys.alipay.public_key()))


def test_many_quotes_are_parsed_quickly() -> None:
    with pytest.raises(OutcomeUnknown):
        open_envelope(b'{"error_response":{' + b'"\\' * 500_000, METHOD)


def test_an_amount_with_a_point_never_is_a_float(keys: Keys) -> None:
    signer = Rsa2Signer(keys.alipay, keys.alipay.public_key())
    node = '{"code":10000,"total_amount":88.80}'
    body = f'{{"{NAME}":{node},"sign":"{signer.sign(node.encode())}"}}'.encode()
    read = read_response(body, METHOD, charset="utf-8", signer=signer)
    assert read["total_amount"] == Decimal("88.80")
    assert amount(read, "total_amount") == 8880


@pytest.mark.parametrize("value", [None, True, [], {}, ["88.88"]])
def test_a_value_that_is_neither_text_nor_number_is_ignored(value: Any) -> None:
    assert text_field({"a": value}, "a") == ""
    assert amount({"a": value}, "a") is None


@pytest.mark.parametrize("value", ["-1.00", "1.001", "1e2", "free", Decimal("1e9")])
def test_an_invalid_amount_is_an_invalid_response(value: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="refund_fee must be"):
        amount({"refund_fee": value}, "refund_fee")


@given(text=st.text(st.sampled_from('{}[]",:\\ ae_1')), charset=charsets)
def test_any_text_is_cut_or_rejected(text: str, charset: str) -> None:
    body = f'{{"error_response":{text}}}'.encode()
    try:
        node = open_envelope(body, METHOD, charset).node
    except AlipayError:
        return
    assert node in text
