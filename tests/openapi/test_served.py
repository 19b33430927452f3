"""Every method over a real connection to the simulator by itself: yes, no, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from flask_alipay.config import Config
from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.keys import generate_private_key, private_pem
from flask_alipay.operations.order_number import generate_out_trade_no
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.testing import AlipayServer

from ..doubles.openapi import TRADE_NO

CODE, BUYER, OTHER_BUYER = "289123456789012345", "2088000000000002", "2088000000000003"
ORDER: dict[str, Any] = {"subject": "龙井茶 & 茶具", "total_amount": "88.88"}

Call = Callable[[OpenApiGateway, str], Any]
OpenGateway = Callable[..., OpenApiGateway]

CERTIFICATES = {
    "APP_CERT_PATH": "app_cert.crt",
    "PUBLIC_CERT_PATH": "alipay_cert.crt",
    "ROOT_CERT_PATH": "alipay_root_cert.crt",
}

#: Alipay's numbers of what was paid, so that who needs one does not have to ask.
TRADE_NOS: dict[str, str] = {}


def query(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_query(out_trade_no=number)


def close(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_close(out_trade_no=number)


def cancel(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_cancel(out_trade_no=number)


def refund(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_refund(out_trade_no=number, refund_amount="8.88", out_request_no="R1")


def refund_query(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_fastpay_refund_query(out_trade_no=number, out_request_no="R1")


def precreate(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_precreate(out_trade_no=number, **ORDER)


def create(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.trade_create(out_trade_no=number, buyer_id=BUYER, **ORDER)


def pay(gateway: OpenApiGateway, number: str) -> Any:
    response = gateway.trade_pay(out_trade_no=number, auth_code=CODE, **ORDER)
    TRADE_NOS[number] = response.trade_no
    return response


def settle(gateway: OpenApiGateway, number: str, amount: str = "1.00") -> Any:
    return gateway.trade_order_settle(
        out_request_no="S1",
        trade_no=TRADE_NOS.get(number, TRADE_NO),
        royalty_parameters=[{"trans_in": OTHER_BUYER, "amount": amount}],
    )


def settle_too_much(gateway: OpenApiGateway, number: str) -> Any:
    return settle(gateway, number, "88.89")


def transfer(gateway: OpenApiGateway, number: str, payee: str = BUYER) -> Any:
    kind = "ALIPAY_USER_ID" if payee.isdigit() else "ALIPAY_LOGON_ID"
    return gateway.fund_trans_uni_transfer(
        out_biz_no=number,
        trans_amount="8.88",
        payee_info={"identity": payee, "identity_type": kind, "name": "黄龙"},
        order_title="货款",
    )


def transfer_to_nonexistent(gateway: OpenApiGateway, number: str) -> Any:
    return transfer(gateway, number, "nobody@simulator.invalid")


def transfer_query(gateway: OpenApiGateway, number: str) -> Any:
    return gateway.fund_trans_common_query(out_biz_no=number)


def bill(gateway: OpenApiGateway, _: str, bill_type: str = "trade") -> Any:
    day = format_china_time(datetime.now(timezone.utc))[:10]
    return gateway.data_dataservice_bill_downloadurl_query(bill_type=bill_type, bill_date=day)


def bill_of_accounts(gateway: OpenApiGateway, number: str) -> Any:
    return bill(gateway, number, "signcustomer")


#: What is done before, and the method that Alipay then says yes to.
YES: list[tuple[list[Call], Call]] = [
    ([pay], query),
    ([create], close),
    ([pay], cancel),
    ([pay], refund),
    ([pay, refund], refund_query),
    ([], precreate),
    ([], create),
    ([], pay),
    ([pay], settle),
    ([], transfer),
    ([transfer], transfer_query),
    ([pay], bill),
]
#: Likewise, and how it says no.
NO: list[tuple[list[Call], Call, str]] = [
    ([], query, "ACQ.TRADE_NOT_EXIST"),
    ([], close, "ACQ.TRADE_NOT_EXIST"),
    ([], refund, "ACQ.TRADE_NOT_EXIST"),
    ([], refund_query, "ACQ.TRADE_NOT_EXIST"),
    ([pay], precreate, "ACQ.TRADE_HAS_SUCCESS"),
    ([pay], create, "ACQ.TRADE_HAS_SUCCESS"),
    ([pay], pay, "ACQ.TRADE_HAS_SUCCESS"),
    ([pay], settle_too_much, "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"),
    ([], transfer_to_nonexistent, "PAYEE_NOT_EXIST"),
    ([], transfer_query, "ORDER_NOT_EXIST"),
    ([], bill_of_accounts, "TYPE_NOT_SUPPORTED"),
]

each_method = pytest.mark.parametrize(
    ("before", "call"), YES, ids=[call.__name__ for _, call in YES]
)
both_ways = pytest.mark.parametrize("version", ["v2", "v3"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlipayServer]:
    with AlipayServer.running(tmp_path_factory.mktemp("alipay")) as server:
        yield server


@pytest.fixture
def open_gateway(server: AlipayServer) -> Iterator[OpenGateway]:
    opened: list[HttpTransport] = []

    def open_gateway(version: str = "v2", *, timeout: float = 30, **changes: str) -> Any:
        settings = {**server.settings, "GATEWAY_URL": f"{server.url}/gateway.do", **changes}
        if "PRIVATE_KEY" not in changes:  # transfers are taken in certificate mode alone
            del settings["PUBLIC_KEY"]
            settings |= {name: str(server.folder / file) for name, file in CERTIFICATES.items()}
        settings["API_VERSION"] = version
        opened.append(HttpTransport(timeout))
        mapping = {f"ALIPAY_{name}": value for name, value in settings.items()}
        return Config.from_mapping(mapping, transport=opened[-1]).gateway

    yield open_gateway
    for transport in opened:
        transport._session().close()
        transport._session("operations").close()


@pytest.fixture
def go_wrong(server: AlipayServer) -> Iterator[Callable[..., None]]:
    """Has the simulator's answers go wrong until the end of the test."""
    address = f"{server.url}/faults"

    def go_wrong(kind: str, **more: Any) -> None:
        answer = requests.post(address, json={"kind": kind, **more}, timeout=30)
        assert answer.status_code == 200, answer.text

    yield go_wrong
    requests.delete(address, timeout=30)


@pytest.fixture
def number() -> str:
    return generate_out_trade_no()


@both_ways
@each_method
def test_a_success_is_signed_and_read(
    open_gateway: OpenGateway, number: str, version: str, before: list[Call], call: Call
) -> None:
    gateway = open_gateway(version)
    for step in before:
        step(gateway, number)
    assert call(gateway, number).params


@both_ways
@pytest.mark.parametrize(
    ("before", "call", "sub_code"), NO, ids=[call.__name__ for _, call, _ in NO]
)
def test_a_rejection_is_signed_and_read(
    open_gateway: OpenGateway,
    number: str,
    version: str,
    before: list[Call],
    call: Call,
    sub_code: str,
) -> None:
    gateway = open_gateway(version)
    for step in before:
        step(gateway, number)
    with pytest.raises(GatewayError) as caught:
        call(gateway, number)
    assert caught.value.signed
    assert (caught.value.code, caught.value.sub_code) == ("40004", sub_code)


@both_ways
def test_a_finished_trade_is_not_cancelled(
    open_gateway: OpenGateway, server: AlipayServer, number: str, version: str
) -> None:
    gateway = open_gateway(version)
    pay(gateway, number)
    server.simulator.finish(number)
    with pytest.raises(GatewayError) as caught:
        cancel(gateway, number)
    assert (caught.value.signed, caught.value.sub_code) == (True, "ACQ.TRADE_HAS_FINISHED")


@pytest.fixture(scope="module")
def another_key() -> str:
    return private_pem(generate_private_key())


@both_ways
@each_method
def test_another_key_is_rejected(
    open_gateway: OpenGateway,
    number: str,
    version: str,
    before: list[Call],
    call: Call,
    another_key: str,
) -> None:
    with pytest.raises(GatewayError) as caught:
        call(open_gateway(version, PRIVATE_KEY=another_key), number)
    assert caught.value.sub_code == "isv.invalid-signature"
    assert caught.value.signed == (version == "v2")  # the newer dress is not signed then


@both_ways
@pytest.mark.parametrize("kind", ["cut-off", "wrong-sign", "unsigned"])
@each_method
def test_a_damaged_response_is_invalid(
    open_gateway: OpenGateway,
    go_wrong: Callable[..., None],
    number: str,
    version: str,
    before: list[Call],
    call: Call,
    kind: str,
) -> None:
    gateway = open_gateway(version)
    for step in before:
        step(gateway, number)
    go_wrong(kind, times=10)
    with pytest.raises(OutcomeUnknown):
        call(gateway, number)


@each_method
def test_a_late_response_is_an_unknown_outcome(
    open_gateway: OpenGateway,
    go_wrong: Callable[..., None],
    number: str,
    before: list[Call],
    call: Call,
) -> None:
    for step in before:
        step(open_gateway(), number)
    go_wrong("slow", times=10, seconds=2)
    with pytest.raises(OutcomeUnknown) as caught:
        call(open_gateway(timeout=0.15), number)
    assert caught.value.retryable


@both_ways
@pytest.mark.parametrize("kind", ["cut-off", "wrong-sign", "unsigned"])
def test_a_refund_with_a_damaged_response_is_queried_and_not_repeated(
    open_gateway: OpenGateway,
    go_wrong: Callable[..., None],
    number: str,
    version: str,
    kind: str,
) -> None:
    gateway = open_gateway(version)
    pay(gateway, number)
    go_wrong(kind, out_trade_no=number)  # an answer that is late from before may be on its way
    with pytest.raises(OutcomeUnknown):
        refund(gateway, number)
    again = refund(gateway, number)
    assert (again.fund_change, again.refunded_fen) == (False, 888)
    assert refund_query(gateway, number).refunded
