"""The interface of both gateways: the same calls, and what differs in the values they return."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from flask_alipay.exceptions import (
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    TradeNotFound,
)
from flask_alipay.gateways.interface import ClosedTrade, Gateway, RefundRequest
from flask_alipay.gateways.mapi import MapiGateway, new_batch_no
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.operations import queries, reconciliation, refunds, settlement, trade_updates

from ..conftest import Keys
from ..doubles import mapi, openapi

TRADE_NO = openapi.TRADE_NO

Play = Callable[[Any], Gateway]


def refund(**changes: Any) -> RefundRequest:
    values = {"out_trade_no": "A1", "trade_no": TRADE_NO, "refund_fen": 888, "reason": "late"}
    return RefundRequest(**{**values, "out_request_no": "R1", **changes})


def batch(**changes: Any) -> RefundRequest:
    return refund(out_request_no=new_batch_no(), notify_url="https://shop.example/n", **changes)


def rejection(sub_code: str) -> dict[str, str]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}


@pytest.fixture
def platform(keys: Keys) -> Play:
    """Open an open-platform gateway that responds with one node."""
    return lambda node: openapi.Alipay(keys, node).gateway()


def legacy(response: bytes | Exception) -> Gateway:
    return mapi.gateway(mapi.Alipay(response))


def test_a_query_returns_the_same_report_on_both_gateways(platform: Play) -> None:
    for gateway, kind, name in (
        (platform(openapi.TRADE), "method", "alipay.trade.query"),
        (legacy(mapi.yes("trade", mapi.TRADE)), "service", "single_trade_query"),
    ):
        report = gateway.query_payment("A1")
        assert (report.out_trade_no, report.trade_no) == ("A1", TRADE_NO)
        assert report.trade_status == "TRADE_SUCCESS"
        assert (report.total_fen, report.currency) == (8888, "CNY")
        assert report.paid_at is not None
        assert not report.is_refund
        assert report.params[kind] == name


@pytest.mark.parametrize("operation", ["query_payment", "close_payment"])
def test_a_missing_trade_is_one_exception_on_both_gateways(operation: str, platform: Play) -> None:
    for gateway, codes in (
        (platform(rejection("ACQ.TRADE_NOT_EXIST")), {"40004", "ACQ.TRADE_NOT_EXIST"}),
        (legacy(mapi.no("TRADE_NOT_EXIST")), {"TRADE_NOT_EXIST"}),
    ):
        with pytest.raises(TradeNotFound) as caught:
            getattr(gateway, operation)("A1")
        params = dict(caught.value.params)
        called = params.pop("method", None) or params.pop("service", None)
        assert called is not None
        assert set(params.values()) == codes


@pytest.mark.parametrize("operation", ["query_payment", "close_payment", "cancel_payment"])
def test_an_unsigned_missing_trade_of_the_open_platform_is_not_trusted(
    operation: str, keys: Keys
) -> None:
    node = rejection("ACQ.TRADE_NOT_EXIST")
    gateway = openapi.Alipay(keys, node, signer=None).gateway()
    with pytest.raises(GatewayError) as caught:
        getattr(gateway, operation)("A1")
    assert not isinstance(caught.value, TradeNotFound)


@pytest.mark.parametrize("operation", ["query_payment", "close_payment"])
def test_a_lost_response_is_an_unknown_outcome_on_both_gateways(
    operation: str, platform: Play
) -> None:
    for gateway in (platform(mapi.LOST), legacy(mapi.LOST)):
        with pytest.raises(OutcomeUnknown):
            getattr(gateway, operation)("A1")


def test_a_trade_of_another_seller_is_not_reported() -> None:
    other = {**mapi.TRADE, "seller_id": "2088999999999999"}
    with pytest.raises(OutcomeUnknown):
        legacy(mapi.yes("trade", other)).query_payment("A1")


def test_an_escrow_status_is_not_reported_by_the_open_platform(platform: Play) -> None:
    node = {**openapi.TRADE, "trade_status": "WAIT_SELLER_SEND_GOODS"}
    with pytest.raises(OutcomeUnknown):
        platform(node).query_payment("A1")


def test_only_a_signed_response_proves_a_close(platform: Play) -> None:
    closed = platform({**openapi.DONE, **openapi.NUMBERS}).close_payment("A1")
    assert closed is not None
    assert (closed.trade_no, closed.refunded) == (TRADE_NO, False)
    assert closed.params["method"] == "alipay.trade.close"
    assert legacy(mapi.yes()).close_payment("A1") is None


@pytest.mark.parametrize(("action", "refunded"), [("close", False), ("refund", True)])
def test_a_cancel_states_whether_money_was_refunded(
    action: str, refunded: bool, platform: Play
) -> None:
    node = {**openapi.DONE, **openapi.NUMBERS, "action": action, "retry_flag": "N"}
    closed = platform(node).cancel_payment("A1")
    assert isinstance(closed, ClosedTrade)
    assert closed.refunded == refunded


def test_a_cancel_without_a_trade_returns_nothing(platform: Play) -> None:
    node = {**openapi.DONE, **openapi.NUMBERS, "retry_flag": "N"}
    assert platform(node).cancel_payment("A1") is None


def test_a_refund_is_reported_by_the_open_platform_and_notified_by_the_legacy_gateway(
    platform: Play,
) -> None:
    report = platform(openapi.REFUND).submit_refund(refund())
    assert report is not None
    assert (report.code, report.rejection) == ("SUCCESS", None)
    assert report.params["method"] == "alipay.trade.refund"
    assert legacy(mapi.yes()).submit_refund(batch()) is None


def test_a_rejected_refund_is_a_report_on_both_gateways(platform: Play) -> None:
    code = "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    reports = [
        platform(rejection(code)).submit_refund(refund()),
        legacy(mapi.no(code)).submit_refund(batch()),
    ]
    for report in reports:
        assert report is not None
        assert report.code == code
        assert type(report.rejection) is GatewayError
        assert code in report.params.values()


def test_an_unsigned_rejection_of_the_open_platform_is_not_recorded(keys: Keys) -> None:
    node = rejection("ACQ.SELLER_BALANCE_NOT_ENOUGH")
    with pytest.raises(GatewayError):
        openapi.Alipay(keys, node, signer=None).gateway().submit_refund(refund())


def test_a_batch_that_alipay_has_already_is_pending() -> None:
    assert legacy(mapi.no("DUPLICATE_BATCH_NO")).submit_refund(batch(repeated=True)) is None


def test_a_rejection_after_an_unknown_outcome_leaves_it_unknown() -> None:
    again = batch(repeated=True, undecided=True)
    with pytest.raises(OutcomeUnknown):
        legacy(mapi.no("ILLEGAL_SIGN")).submit_refund(again)


def test_a_missing_contract_names_the_next_step() -> None:
    report = legacy(mapi.no("HAS_NO_PRIVILEGE")).submit_refund(batch())
    assert report is not None
    assert "refund_url()" in str(report.rejection)


def test_a_refund_query_reports_only_what_was_refunded(platform: Play) -> None:
    done = openapi.REFUND_QUERY
    report = platform(done).query_refund(refund())
    assert report is not None
    assert report.code == "SUCCESS"
    assert platform(openapi.DONE).query_refund(refund()) is None
    with pytest.raises(OutcomeUnknown):
        platform(done).query_refund(refund(refund_fen=887))


def test_a_refund_is_checked_without_a_request(platform: Play) -> None:
    nothing = AssertionError("nothing may be sent")
    for gateway, valid, parameter in (
        (platform(nothing), refund, "refund_reason"),
        (legacy(nothing), batch, "reason"),
    ):
        gateway.check_refund(valid())
        with pytest.raises(InvalidParameter) as caught:
            gateway.check_refund(valid(reason="late&fund_change=Y"))
        assert caught.value.parameter == parameter


def test_a_pending_batch_of_another_day_is_not_submitted_again() -> None:
    gateway = legacy(AssertionError("nothing may be sent"))
    with pytest.raises(InvalidParameter, match="its day is over"):
        gateway.check_refund(refund(out_request_no="20200131001"), resumed=True)


@pytest.mark.parametrize("kind", [MapiGateway, OpenApiGateway])
def test_a_gateway_raises_for_each_operation_that_it_declares_unsupported(
    kind: type[Gateway], keys: Keys
) -> None:
    nothing = AssertionError("nothing may be sent")
    gateways: list[Gateway] = [legacy(nothing), openapi.Alipay(keys, nothing).gateway()]
    [gateway] = [one for one in gateways if isinstance(one, kind)]
    assert gateway.unsupported
    for operation, reason in gateway.unsupported.items():
        argument: Any = batch() if "refund" in operation else "A1"
        with pytest.raises(ConfigurationError) as caught:
            getattr(gateway, operation)(argument)
        assert str(caught.value) == reason


#: The operations on a payment. Each works on either gateway through its interface.
OPERATIONS = (queries, trade_updates, reconciliation, refunds, settlement)
#: Received signatures and accounts follow the rules of one protocol.
VERIFICATION = {"verify_notification", "confirm_notify_id", "is_for_merchant", "read_notification"}


@pytest.mark.parametrize("module", OPERATIONS, ids=lambda module: module.__name__)
def test_an_operation_does_not_branch_on_the_protocol(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    tree.body = [node for node in tree.body if getattr(node, "name", None) not in VERIFICATION]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"MapiGateway", "OpenApiGateway"}
    assert "protocol" not in attributes
