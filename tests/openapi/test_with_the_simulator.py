"""The methods, driven through the simulator: each side reads what the other wrote.

In both charsets, encrypted, with certificates, on the day after Alipay exchanged its own, and the
newer way.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

import pytest
from flask import Flask

from flask_alipay.blueprint.embedded_simulator import InProcessTransport
from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway, PollingPolicy
from flask_alipay.keys import load_certificates
from flask_alipay.protocol.agreements import AgreementStatus
from flask_alipay.protocol.certificates import CertificateStore
from flask_alipay.signer import Rsa2Signer
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant
from flask_alipay.simulator.trades.agreements import Agreement, SignRequest
from flask_alipay.simulator.web.cashier import simulator_blueprint

from ..certificate_chains import Issued, issue, spare_key

#: An agreement that the buyer has signed.
AGREEMENT: Final = Agreement(
    page_id="page",
    request=SignRequest("GENERAL_WITHHOLDING_P", "INDUSTRY|DIGITAL_MEDIA"),
    requested_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
    agreement_no="20265001000000000001",
    status=AgreementStatus.NORMAL,
)
ORDER: dict[str, Any] = {"out_trade_no": "A1", "subject": "龙井茶 & 茶具", "total_amount": "88.88"}
CODE = "289123456789012345"
CONFIRMING = "289123456789010003"
BUYER = "2088000000000002"

Call = Callable[[OpenApiGateway], Any]


class Time:
    """Passes when it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def patience(self) -> PollingPolicy:
        return PollingPolicy(30, 10, 20, monotonic=lambda: self.now, sleep=self.sleep)


def certified(
    merchant: SimulatedMerchant, signer: Rsa2Signer, *, exchanged: bool
) -> dict[str, Any]:
    """Certificate mode.

    :param exchanged: Alipay's certificate of yesterday is configured; it signs with today's.
    """
    notified = merchant.certificates
    root = Issued(load_certificates(notified.root)[0], merchant.alipay_private_key)
    times = {"since": root.certificate.not_valid_before_utc}
    times["until"] = root.certificate.not_valid_after_utc
    before = issue("Simulator of Alipay", spare_key(0), root, **times)
    configured = before.pem if exchanged else notified.alipay
    return {
        "app_cert_sn": notified.app_cert_sn,
        "root_cert_sn": notified.alipay_root_cert_sn,
        "certificates": CertificateStore(signer, [configured], notified.root),
    }


MODES = ["utf-8", "gbk", "AES", "certificates", "exchanged certificates"]

#: Those in which Alipay takes transfers.
CERTIFIED = ["certificates", "certificates, gbk", "certificates, AES", "exchanged certificates"]
CERTIFIED_V3 = ["exchanged certificates, v3", "certificates, v3 AES"]


@pytest.fixture(params=[*MODES, "v3", "v3 AES", "exchanged certificates, v3"])
def gateway(request: pytest.FixtureRequest) -> OpenApiGateway:
    return gateway_in(request.param)


@pytest.fixture(params=[*CERTIFIED, *CERTIFIED_V3])
def payer(request: pytest.FixtureRequest) -> OpenApiGateway:
    return gateway_in(request.param)


def gateway_in(mode: str) -> OpenApiGateway:
    simulator = Simulator(protocol="openapi", post=lambda *_: (200, "success"))
    simulator.wallet.registry.store.put(AGREEMENT)
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
    merchant = simulator.merchant
    exchanged = mode.startswith("exchanged")
    known = spare_key(0) if exchanged else merchant.alipay_private_key
    signer = Rsa2Signer(merchant.private_key, known.public_key())
    options = certified(merchant, signer, exchanged=exchanged) if "certificates" in mode else {}
    return OpenApiGateway(
        merchant.app_id,
        signer,
        gateway_url="/alipay/gateway.do",
        charset="gbk" if "gbk" in mode else "utf-8",
        aes_key=merchant.aes_key if "AES" in mode else None,
        api_version="v3" if "v3" in mode else "v2",
        transport=InProcessTransport(app, "/notify"),
        **options,
    )


def pay(gateway: OpenApiGateway) -> Any:
    return gateway.trade_pay(**ORDER, auth_code=CODE)


def create(gateway: OpenApiGateway) -> Any:
    return gateway.trade_create(**ORDER, buyer_id=BUYER)


def refund(gateway: OpenApiGateway, amount: str = "8.88") -> Any:
    return gateway.trade_refund(out_trade_no="A1", refund_amount=amount, out_request_no="R1")


def test_a_barcode_payment_succeeds_and_is_queried(gateway: OpenApiGateway) -> None:
    response = pay(gateway)
    trade = gateway.trade_query(trade_no=response.trade_no)
    assert response.paid
    assert (trade.trade_status, trade.total_fen) == ("TRADE_SUCCESS", 8888)
    assert (trade.out_trade_no, trade.paid_at) == ("A1", response.paid_at)


def test_a_trade_for_one_buyer_is_closed(gateway: OpenApiGateway) -> None:
    trade_no = create(gateway).trade_no
    assert gateway.trade_query(out_trade_no="A1").trade_status == "WAIT_BUYER_PAY"
    assert gateway.trade_close(out_trade_no="A1").trade_no == trade_no
    assert gateway.trade_query(out_trade_no="A1").trade_status == "TRADE_CLOSED"


def test_a_code_to_scan_has_an_address(gateway: OpenApiGateway) -> None:
    assert gateway.trade_precreate(**ORDER).qr_code


@pytest.mark.parametrize(("make", "action"), [(create, "close"), (pay, "refund")])
def test_a_trade_is_cancelled(gateway: OpenApiGateway, make: Call, action: str) -> None:
    make(gateway)
    response = gateway.trade_cancel(out_trade_no="A1")
    assert (response.action, response.retry) == (action, False)


def test_a_refund_happens_once(gateway: OpenApiGateway) -> None:
    pay(gateway)
    first, again = refund(gateway), refund(gateway)
    assert (first.fund_change, first.refunded_fen) == (True, 888)
    assert (again.fund_change, again.refunded_fen) == (False, 888)
    requested = gateway.trade_fastpay_refund_query(out_trade_no="A1", out_request_no="R1")
    assert (requested.refunded, requested.refund_fen, requested.total_fen) == (True, 888, 8888)
    never = gateway.trade_fastpay_refund_query(out_trade_no="A1", out_request_no="R2")
    assert not never.refunded


def settle(gateway: OpenApiGateway, amount: str = "1.00") -> Any:
    return gateway.trade_order_settle(
        out_request_no="S1",
        trade_no=gateway.trade_query(out_trade_no="A1").trade_no,
        royalty_parameters=[{"trans_in": "2088000000000003", "amount": amount}],
    )


def transfer(gateway: OpenApiGateway, identity: str = BUYER, amount: str = "8.88") -> Any:
    kind = "ALIPAY_USER_ID" if identity.isdigit() else "ALIPAY_LOGON_ID"
    payee = {"identity": identity, "identity_type": kind, "name": "黄龙"}
    return gateway.fund_trans_uni_transfer(
        out_biz_no="T1", trans_amount=amount, payee_info=payee, order_title="货款"
    )


def test_a_part_of_a_payment_goes_on(gateway: OpenApiGateway) -> None:
    trade_no = pay(gateway).trade_no
    assert settle(gateway).trade_no == trade_no
    assert settle(gateway).settle_no == settle(gateway).settle_no


def test_a_transfer_happens_once(payer: OpenApiGateway) -> None:
    first, again = transfer(payer), transfer(payer)
    assert (first.status, first.order_id) == ("SUCCESS", again.order_id)
    for requested in ({"out_biz_no": "T1"}, {"order_id": first.order_id}):
        response = payer.fund_trans_common_query(**requested)
        assert (response.status, response.trans_fen) == ("SUCCESS", 888)
        assert response.transferred_at == first.transferred_at


def test_the_bill_of_today_is_fetched(gateway: OpenApiGateway) -> None:
    day = pay(gateway).paid_at
    file = io.BytesIO()
    place = gateway.data_dataservice_bill_downloadurl_query(bill_type="trade", bill_date=day)
    assert gateway.download_bill(place.bill_download_url, file) == len(file.getvalue())
    assert zipfile.is_zipfile(file)


@pytest.mark.parametrize(
    ("call", "sub_code"),
    [
        (lambda g: g.trade_query(out_trade_no="B2"), "ACQ.TRADE_NOT_EXIST"),
        (lambda g: g.trade_close(out_trade_no="B2"), "ACQ.TRADE_NOT_EXIST"),
        (lambda g: [pay(g), pay(g)], "ACQ.TRADE_HAS_SUCCESS"),
        (lambda g: [pay(g), create(g)], "ACQ.TRADE_HAS_SUCCESS"),
        (lambda g: [pay(g), g.trade_precreate(**ORDER)], "ACQ.TRADE_HAS_SUCCESS"),
        (lambda g: [pay(g), refund(g, "88.89")], None),
        (lambda g: [pay(g), refund(g), refund(g, "8.89")], None),
        (
            lambda g: g.trade_fastpay_refund_query(out_trade_no="B2", out_request_no="R1"),
            "ACQ.TRADE_NOT_EXIST",
        ),
        (lambda g: [pay(g), g.trade_close(out_trade_no="A1")], None),
        (lambda g: [create(g), settle(g)], "ACQ.TRADE_STATUS_ERROR"),
        (lambda g: [pay(g), settle(g, "88.89")], "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"),
        (lambda g: [pay(g), settle(g), settle(g, "2.00")], "ACQ.DISCORDANT_REPEAT_REQUEST"),
        (lambda g: g.fund_trans_common_query(out_biz_no="T2"), "ORDER_NOT_EXIST"),
        (
            lambda g: g.data_dataservice_bill_downloadurl_query(
                bill_type="signcustomer", bill_date="2026-01"
            ),
            "TYPE_NOT_SUPPORTED",
        ),
    ],
)
def test_a_rejection_is_signed(gateway: OpenApiGateway, call: Call, sub_code: str | None) -> None:
    with pytest.raises(GatewayError) as caught:
        call(gateway)
    assert caught.value.signed
    assert caught.value.code == "40004"
    assert sub_code in (None, caught.value.sub_code)
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("call", "sub_code"),
    [
        (lambda g: transfer(g, "nobody@simulator.invalid"), "PAYEE_NOT_EXIST"),
        (lambda g: transfer(g, amount="1000000.01"), "PAYER_BALANCE_NOT_ENOUGH"),
        (lambda g: [transfer(g), transfer(g, amount="1.00")], "PAYMENT_INFO_INCONSISTENCY"),
    ],
)
def test_a_rejected_transfer_did_not_happen(
    payer: OpenApiGateway, call: Call, sub_code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        call(payer)
    assert (caught.value.signed, caught.value.sub_code) == (True, sub_code)


@pytest.mark.parametrize("mode", ["utf-8", "AES", "v3", "v3 AES"])
def test_no_transfer_is_made_with_plain_keys(mode: str) -> None:
    gateway = gateway_in(mode)
    with pytest.raises(GatewayError) as caught:
        transfer(gateway)
    assert caught.value.sub_code == "isv.missing-app-cert-sn"
    with pytest.raises(GatewayError, match="ORDER_NOT_EXIST"):
        gateway.fund_trans_common_query(out_biz_no="T1")


def test_a_buyer_who_never_confirms_has_not_paid(gateway: OpenApiGateway) -> None:
    time = Time()
    response = gateway.pay_barcode_and_wait(**ORDER, auth_code=CONFIRMING, polling=time.patience())
    assert (response.paid, response.action, time.now) == (False, "close", 30)
    assert gateway.trade_query(out_trade_no="A1").trade_status == "TRADE_CLOSED"


def test_a_payment_that_succeeds_at_once_does_not_wait(gateway: OpenApiGateway) -> None:
    assert gateway.pay_barcode_and_wait(**ORDER, auth_code=CODE).paid
    assert gateway.pay_barcode_and_wait(**ORDER, auth_code=CODE).paid  # it was paid before
