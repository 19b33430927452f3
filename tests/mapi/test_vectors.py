"""Published requests come out of the methods byte for byte.

A few break Alipay's own limits, which the methods check: they are reproduced by what the methods
are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.protocol.signed_request import SignedRequest

from ..doubles.mapi import Alipay, no
from ..requirements import missing
from ..vectors import VARIABLE, Vector, all_vectors, signer_of, with_vectors

COMMON = {"service", "partner", "_input_charset", "sign_type", "sign", "payment_type"}

#: What the methods would refuse, and why.
BEYOND = {
    "011": "no show_url",
    "012": "a batch_no without today's date",
    "016": "a batch of 2008, its sum with one decimal",
    "027": "a query for nothing",
    "030": "no _input_charset",
}

Method = Callable[[MapiGateway, Mapping[str, str]], Any]


def named(name: str) -> Method:
    return lambda gateway, params: getattr(gateway, name)(**params)


METHODS: dict[str, Method] = {
    "create_partner_trade_by_buyer": named("create_partner_trade_by_buyer"),
    "trade_create_by_buyer": named("trade_create_by_buyer"),
    "create_direct_pay_by_user": named("create_direct_pay_by_user"),
    "forex_refund": named("forex_refund"),
    "create_forex_trade": named("create_forex_trade"),
    "create_forex_trade_wap": named("create_forex_trade_wap"),
    "single_trade_query": named("single_trade_query"),
    "alipay.commerce.qrcode.create": named("alipay_commerce_qrcode_create"),
    "alipay.commerce.qrcode.modify": named("alipay_commerce_qrcode_modify"),
    "alipay.acquire.overseas.query": named("alipay_acquire_overseas_query"),
    "alipay.acquire.overseas.spot.refund": named("alipay_acquire_overseas_spot_refund"),
    "alipay.wap.auth.authAndExecute": lambda gateway, params: (
        gateway.alipay_wap_auth_authAndExecute("token_test")
    ),
}


def of_mapi(vector: Vector) -> bool:
    return bool(vector["protocol"] == "mapi")


def sent(vector: Vector) -> dict[str, str]:
    """What the method sends, in a redirect or to a gateway that says no."""
    alipay = Alipay(no("ILLEGAL_SERVICE"))
    gateway = MapiGateway(vector["params"]["partner"], signer_of(vector), transport=alipay)
    params = {
        name: text
        for name, text in vector["params"].items()
        if name not in COMMON and not (name == "req_data" or name in ("format", "v", "sec_id"))
    }
    method = METHODS[vector["params"]["service"]]
    try:
        request = method(gateway, params)
    except GatewayError:
        return alipay.params
    assert isinstance(request, SignedRequest)
    return dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))


@with_vectors("request-sign", where=lambda v: of_mapi(v) and v["id"] not in BEYOND)
def test_a_published_request_is_made_byte_for_byte(vector: Vector) -> None:
    expected = {**vector["params"], "sign": vector["sign"]}
    assert sent(vector) == expected


@with_vectors("request-sign", where=lambda v: of_mapi(v) and v["id"] == "021")
def test_a_published_redirect_is_made_byte_for_byte(vector: Vector) -> None:
    gateway = MapiGateway(vector["params"]["partner"], signer_of(vector), transport=Alipay())
    request = gateway.alipay_wap_auth_authAndExecute("token_test")
    address, _, query = request.url.partition("?")
    assert address == vector["url"].partition("?")[0]
    assert sorted(query.split("&")) == sorted(vector["url"].partition("?")[2].split("&"))
    assert request.content.decode() == vector["string_to_sign"]


@with_vectors("request-sign", where=lambda v: of_mapi(v) and v["id"] in ("011", "027"))
def test_a_request_beyond_the_limits_is_rejected(vector: Vector) -> None:
    gateway = MapiGateway(vector["params"]["partner"], signer_of(vector), transport=Alipay())
    params = {name: text for name, text in vector["params"].items() if name not in COMMON}
    method: Any = {
        "011": gateway.alipay_wap_create_direct_pay_by_user,
        "027": gateway.single_trade_query,
    }[vector["id"]]
    with pytest.raises(InvalidParameter):
        method(**params)


def test_every_published_request_is_accounted_for() -> None:
    if not all_vectors():
        missing(f"{VARIABLE} does not name a folder with vectors")
    requests = [v for v in all_vectors() if v["kind"] == "request-sign" and of_mapi(v)]
    assert len(requests) == 22
    for vector in requests:
        assert vector["id"] in BEYOND or vector["params"]["service"] in METHODS
