"""Every service that is performed: what it believes, what it refuses, what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, sign_content

from ..conftest import Keys
from ..doubles.mapi import (
    ACTS,
    KEY,
    LOST,
    PAGE_INNER,
    PAGE_XML,
    PARTNER,
    QUESTIONS,
    SIGNER,
    Alipay,
    gateway,
    no,
    page,
    yes,
)
from ..looped import for_each

Perform = Callable[[MapiGateway], Any]

ALL = {**QUESTIONS, **ACTS}
everything = for_each("service", ALL)
questions = for_each("service", QUESTIONS)
acts = for_each("service", ACTS)

#: No answers: to a question they are an error, to an act an outcome that nobody knows.
RUBBISH = {
    "nothing": b"",
    "text": b"System exception",
    "a page": b"<html><body>ILLEGAL_SIGN</body></html>",
    "another document": b"<answer><is_success>T</is_success></answer>",
    "neither yes nor no": b"<alipay><is_success>Y</is_success></alipay>",
    "no word": b"<alipay></alipay>",
    "bytes": b"\xff\xfe\x00<",
    "an unknown charset": b'<?xml version="1.0" encoding="utf-16"?><alipay/>',
    "another charset": '<?xml version="1.0" encoding="utf-8"?><a>茶</a>'.encode("gbk"),
    "an entity": b'<!DOCTYPE a [<!ENTITY x "T">]><alipay><is_success>&x;</is_success></alipay>',
    "many entities": b'<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><alipay>&y;</alipay>',
    "a file": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alipay>&x;</alipay>',
    "a dtd": b'<!DOCTYPE alipay SYSTEM "http://x.invalid/x.dtd"><alipay/>',
    "NUL": b"<alipay>\x00</alipay>",
    "the same twice": b"<alipay><is_success>F</is_success><is_success>T</is_success></alipay>",
}


@everything
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_good_response_is_read(service: str, charset: str) -> None:
    perform, name, values = ALL[service]
    alipay = Alipay(yes(name, values, charset=charset))
    answer = perform(gateway(alipay, charset=charset))
    if hasattr(answer, "params"):
        assert answer.params == values


@everything
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_request_is_signed(service: str, charset: str) -> None:
    perform, name, values = ALL[service]
    alipay = Alipay(yes(name, values, charset=charset))
    perform(gateway(alipay, charset=charset))
    params = alipay.params
    assert params["service"] == service
    assert params["partner"] == PARTNER
    assert params["_input_charset"] == charset == alipay.requested[0][3]
    assert params["sign"] == SIGNER.sign(sign_content(params, charset=charset))


@pytest.mark.parametrize("signer", [RsaSigner, Rsa2Signer])
@everything
def test_rsa_signs_both_ways(service: str, signer: type[RsaSigner], keys: Keys) -> None:
    perform, name, values = ALL[service]
    alipay_side = signer(keys.alipay, keys.merchant.public_key())
    alipay = Alipay(yes(name, values, signer=alipay_side))
    perform(gateway(alipay, signer(keys.merchant, keys.alipay.public_key())))
    params = alipay.params
    assert params["sign_type"] == alipay_side.sign_type
    assert alipay_side.verify(sign_content(params), params["sign"])


@questions
def test_a_query_may_be_retried(service: str) -> None:
    perform, name, values = QUESTIONS[service]
    alipay = Alipay(yes(name, values))
    perform(gateway(alipay))
    assert alipay.verb == "GET"


@acts
def test_an_operation_is_sent_once(service: str) -> None:
    perform, name, values = ACTS[service]
    alipay = Alipay(yes(name, values))
    perform(gateway(alipay))
    assert alipay.verb == "POST"


@everything
def test_a_rejection_is_an_error_with_alipays_code(service: str) -> None:
    perform, _, _ = ALL[service]
    with pytest.raises(GatewayError, match="ILLEGAL_SIGN") as caught:
        perform(gateway(Alipay(no("ILLEGAL_SIGN"))))
    assert caught.value.code == "ILLEGAL_SIGN"
    assert not isinstance(caught.value, OutcomeUnknown)


@acts
def test_after_an_internal_error_of_alipays_the_outcome_is_unknown(service: str) -> None:
    perform, _, _ = ACTS[service]
    with pytest.raises(OutcomeUnknown) as caught:
        perform(gateway(Alipay(no("SYSTEM_ERROR"))))
    assert caught.value.code == "SYSTEM_ERROR"


@everything
def test_a_malformed_code_does_not_reach_the_log(service: str) -> None:
    perform, _, _ = ALL[service]
    with pytest.raises(GatewayError) as caught:
        perform(gateway(Alipay(no("X\nforged line " + "茶" * 100))))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value.code)) <= 64


@questions
@pytest.mark.parametrize("answer", RUBBISH)
def test_a_malformed_response_to_a_query_is_an_error(service: str, answer: str) -> None:
    perform, _, _ = QUESTIONS[service]
    with pytest.raises(GatewayError) as caught:
        perform(gateway(Alipay(RUBBISH[answer])))
    assert caught.value.code is None


@acts
@pytest.mark.parametrize("answer", RUBBISH)
def test_after_a_malformed_response_to_an_operation_the_outcome_is_unknown(
    service: str, answer: str
) -> None:
    perform, _, _ = ACTS[service]
    with pytest.raises(OutcomeUnknown):
        perform(gateway(Alipay(RUBBISH[answer])))


@everything
def test_a_response_that_is_cut_off_is_invalid(service: str) -> None:
    perform, name, values = ALL[service]
    whole = yes(name, values)
    for length in range(0, len(whole), 7):
        with pytest.raises(GatewayError):
            perform(gateway(Alipay(whole[:length])))


@everything
def test_without_a_response_the_outcome_is_unknown(service: str) -> None:
    perform, _, _ = ALL[service]
    with pytest.raises(OutcomeUnknown):
        perform(gateway(Alipay(LOST)))


@everything
def test_a_response_with_another_signature_is_not_trusted(service: str) -> None:
    perform, name, values = ALL[service]
    forged = yes(name, values, signer=Md5Signer("f" * 32))
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        perform(gateway(Alipay(forged)))
    expected = OutcomeUnknown if service in ACTS else GatewayError
    with pytest.raises(expected):
        perform(gateway(Alipay(forged)))


@everything
def test_a_response_that_was_altered_is_not_trusted(service: str) -> None:
    perform, name, values = ALL[service]
    good = yes(name, values)
    inside = good.index(f"<response><{name}>".encode()) + len(f"<response><{name}>")
    altered = good[:inside] + b"<added>1</added>" + good[inside:]
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        perform(gateway(Alipay(altered)))


def test_a_trade_is_not_trusted_without_a_signature() -> None:
    perform, name, values = QUESTIONS["single_trade_query"]
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        perform(gateway(Alipay(yes(name, values, signer=None))))


def test_an_empty_signature_is_none() -> None:
    perform, name, values = QUESTIONS["single_trade_query"]
    empty = yes(name, values, signer=None).replace(b"</alipay>", b"<sign></sign></alipay>")
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        perform(gateway(Alipay(empty)))


def test_the_sign_type_of_a_response_is_ignored(keys: Keys) -> None:
    # Whoever knows the public key alone could "sign" with it as an MD5 key.
    perform, name, values = QUESTIONS["single_trade_query"]
    forged = yes(name, values, signer=SIGNER)
    signer = RsaSigner(keys.merchant, keys.alipay.public_key())
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        perform(gateway(Alipay(forged), signer))


@acts
def test_an_unsigned_success_of_an_operation_is_accepted(service: str) -> None:
    perform, _, _ = ACTS[service]
    assert dict(perform(gateway(Alipay(yes()))).params) == {}


@pytest.mark.parametrize("declared", ["GBK", "gbk", "GB2312", "gb18030"])
def test_a_response_is_read_in_the_charset_that_it_declares(declared: str) -> None:
    perform, name, values = QUESTIONS["single_trade_query"]
    # A merchant on UTF-8 who is answered in GBK: signed in the one or the other.
    for signed_in in ("utf-8", "gbk"):
        sign = SIGNER.sign(sign_content(values, charset=signed_in))
        written = yes(name, values, charset="gbk", declared=declared)
        start = written.index(b"<sign>") + 6
        answer = written[:start] + sign.encode() + written[start + 32 :]
        assert perform(gateway(Alipay(answer))).params["subject"] == values["subject"]


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_response_without_a_declared_charset_is_read(charset: str) -> None:
    perform, name, values = QUESTIONS["single_trade_query"]
    bare = yes(name, values, charset=charset).partition(b"?>\n")[2]
    assert perform(gateway(Alipay(bare), charset=charset)).params == values
    assert perform(gateway(Alipay(bare), charset="gbk")).params["trade_no"] == values["trade_no"]


def test_a_statement_page_is_signed_as_raw_xml() -> None:
    alipay = Alipay(yes("account_page_query_result", PAGE_XML, inner=PAGE_INNER))
    assert page(gateway(alipay)).rows[0].merchant_out_order_no == "A1"
    assert alipay.verb == "GET"
    # An empty element is written out for the signature, however it stands there.
    short = PAGE_INNER.replace("<memo></memo>", "<memo/>")
    assert page(gateway(Alipay(yes("account_page_query_result", PAGE_XML, inner=short)))).rows
    forged = PAGE_INNER.replace("<income>88.88", "<income>99.88")
    with pytest.raises(GatewayError, match="not signed by Alipay"):
        page(gateway(Alipay(yes("account_page_query_result", PAGE_XML, inner=forged))))


def test_no_secret_is_shown() -> None:
    shown = repr(gateway().__dict__)
    assert KEY not in shown
