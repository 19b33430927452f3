"""The public API as a shop would type it. Read by ``mypy --strict`` alone, never run.

``assert_type`` fails the check where an annotation of ours promises less, or more, than it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from flask import Blueprint, Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from typing_extensions import assert_type

import flask_alipay
from flask_alipay import (
    AlipayBlueprint,
    AlipayError,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    NotificationMixin,
    NotificationRefused,
    PaymentMixin,
    RefundMixin,
    TradeStatus,
    notification_refused,
    payment_paid,
)
from flask_alipay.config import Config
from flask_alipay.diagnosis import Diagnosis, diagnose
from flask_alipay.exceptions import PaymentMismatch
from flask_alipay.gateways.interface import Gateway, RefundReport, RefundRequest
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.openapi import (
    BarcodePaymentResult,
    BillDownloadResponse,
    OpenApiGateway,
    OrderSettleResponse,
    PollingPolicy,
    TradePayResponse,
    TransferQueryResponse,
    TransferResponse,
)
from flask_alipay.keys import (
    certificate_sn,
    describe_key,
    generate_private_key,
    load_private_key,
    load_public_key,
    private_pem,
    public_pem,
)
from flask_alipay.ledger import Ledger, Models, Settlement
from flask_alipay.protocol.charsets import parse_form
from flask_alipay.protocol.conversion import (
    format_amount,
    parse_minor_units,
    to_decimal,
    to_minor_units,
)
from flask_alipay.protocol.notification import (
    Notification,
    mask_params,
    verified_params,
    verify_params,
)
from flask_alipay.protocol.signed_request import SignedRequest
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint


class Base(DeclarativeBase):
    pass


class Payment(PaymentMixin, Base):
    shipped: Mapped[bool] = mapped_column(default=False)


class Refund(RefundMixin, Base):
    pass


class Journal(NotificationMixin, Base):
    pass


class Database:
    session: Session


db = Database()

alipay = AlipayBlueprint(
    db,
    Payment,
    Refund,
    Journal,
    name="alipay_tea",
    config_prefix="ALIPAY_TEA",
    result_endpoint="shop.order",
    url_prefix="/alipay",
)
assert_type(alipay.name, str)
blueprint: Blueprint = alipay
without_journal = AlipayBlueprint(db, Payment)


# A decorator hands the callback back as it was, whatever it returns and takes besides.
@alipay.on_paid
def ship(payment: Payment, *, gift_wrapped: bool = False) -> int:
    payment.shipped = True
    return payment.total_fen


assert_type(ship(Payment(), gift_wrapped=True), int)


@alipay.on_failed
@alipay.on_refunded
@alipay.on_finished
def note(payment: Payment) -> None:
    assert_type(payment.trade_status, str)


callback: Callable[[Payment], None] = note

# A callback that cannot take a payment is a mistake.
alipay.on_paid(lambda: None)  # type: ignore[type-var]


def create_app() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(alipay)
    return app


def buy() -> str:
    payment: Payment = alipay.create_payment(subject="Tea", total_amount="88.88")
    alipay.create_payment(
        subject="Tea",
        total_amount=Decimal("88.88"),
        out_trade_no="T1001",
        product="page",
        expires_at=datetime.now(timezone.utc),
        shipped=False,
    )
    alipay.create_payment(subject="Tea", total_amount=88)
    # Only a type checker can tell before it happens that a float is refused.
    alipay.create_payment(subject="Tea", total_amount=88.88)  # type: ignore[arg-type]
    assert_type(alipay.pay_url(payment, bank="ICBCB2C"), str)
    assert_type(alipay.result_url(payment), str)
    assert_type(alipay.status_url(payment), str)
    assert_type(alipay.gateway_url(payment), str)
    assert_type(alipay.gateway_request(payment, charset="gbk"), SignedRequest)
    assert_type(alipay.gateway, MapiGateway | OpenApiGateway)
    assert_type(alipay.config, Config)
    return alipay.checkout_url(payment)


def columns(payment: Payment, refund: Refund, notification: Journal) -> None:
    assert_type(payment.out_trade_no, str)
    assert_type(payment.trade_no, str | None)
    assert_type(payment.total_fen, int)
    assert_type(payment.total_amount, Decimal)
    assert_type(payment.refunded_amount, Decimal)
    assert_type(payment.paid, bool)
    assert_type(payment.paid_at, datetime | None)
    assert_type(payment.details, dict[str, Any])
    assert_type(refund.refund_fen, int)
    assert_type(notification.payload, dict[str, str])
    paid: bool = payment.trade_status in (TradeStatus.TRADE_SUCCESS, TradeStatus.TRADE_FINISHED)
    assert_type(paid, bool)


def refusals(error: AlipayError) -> str | None:
    if isinstance(error, ConfigurationError):
        return assert_type(error.key, str)
    if isinstance(error, InvalidParameter):
        return assert_type(error.parameter, str)
    if isinstance(error, GatewayError):
        return assert_type(error.sub_code, str | None)
    if isinstance(error, PaymentMismatch):
        return f"{error.field} {error.expected} {error.received}"
    if isinstance(error, NotificationRefused):
        assert_type(error.status, int)
        return assert_type(error.out_trade_no, str | None)
    return None


@payment_paid.connect
def thank(
    app: Flask, *, alipay: AlipayBlueprint[Payment, Refund], payment: Payment, **rest: object
) -> None: ...


@notification_refused.connect_via(flask_alipay)
def alarm(app: object, *, error: NotificationRefused, **rest: object) -> None:
    assert_type(error.reason, str)


def sign(params: Mapping[str, str], private: RSAPrivateKey, public: RSAPublicKey) -> bool:
    content = sign_content(params, exclude=("sign",), charset="gbk")
    assert_type(content, bytes)
    signers: list[Signer] = [
        Md5Signer("Change this!"),
        RsaSigner(private, public),
        Rsa2Signer(private_key="-----BEGIN", public_key=b"\x30"),
        Rsa2Signer(public_key=["-----BEGIN", public]),
    ]
    return all(signer.verify(content, signer.sign(content)) for signer in signers)


def keys() -> None:
    private = load_private_key("-----BEGIN")
    assert_type(private, RSAPrivateKey)
    assert_type(load_public_key(b"\x30"), RSAPublicKey)
    assert_type(generate_private_key(), RSAPrivateKey)
    assert_type(private_pem(private, pkcs1=True), str)
    assert_type(public_pem(private.public_key()), str)
    assert_type(describe_key("-----BEGIN"), str)
    assert_type(certificate_sn("-----BEGIN"), str)


def listen(body: bytes, signer: Signer) -> Notification:
    assert_type(parse_form(body, "gbk"), dict[str, str])
    params = verified_params(body, signer, "utf-8")
    assert_type(params, dict[str, str])
    assert_type(verify_params(params, signer), bool)
    assert_type(mask_params(params), dict[str, str])
    notification = Notification.from_params(params)
    assert_type(notification.total_fen, int)
    assert_type(notification.refunded_fen, int | None)
    assert_type(notification.paid_at, datetime | None)
    return notification


def settle(notification: Notification) -> tuple[str, ...]:
    ledger = Ledger(db.session, Models(Payment, Refund, Journal), merchant="2088")
    settlement = ledger.settle(notification)
    assert_type(settlement, Settlement)
    assert_type(settlement.outcome, str)
    return settlement.events


def gateways(signer: Signer) -> SignedRequest:
    legacy = MapiGateway("2088000000000000", signer, seller_email="shop@example.com")
    assert_type(legacy.notify_verify("id"), bool)
    request = legacy.create_direct_pay_by_user(
        out_trade_no="T1001", subject="Tea", total_fee="88.88", defaultbank="ICBCB2C"
    )
    assert_type(request.url, str)
    assert_type(request.form(nonce="n"), str)
    # Each parameter of the service has its name and its type.
    legacy.create_direct_pay_by_user(out_trade_no="T1001", colour="red")  # type: ignore[call-arg]
    platform = OpenApiGateway("2021000000000000", signer)
    platform.trade_wap_pay(out_trade_no="T1001", subject="Tea", total_amount=1, quit_url="https://")
    assert_type(platform.trade_app_pay(out_trade_no="T1001", subject="Tea", total_amount=1), str)
    assert_type(platform.trade_query(out_trade_no="T1001").total_fen, int)
    assert_type(platform.call("alipay.x.y", {"a": 1}, app_auth_token=None), dict[str, Any])
    # A refund without a number of its own could not be repeated.
    platform.trade_refund(out_trade_no="T1001", refund_amount=1)  # type: ignore[call-arg]
    return platform.trade_page_pay(out_trade_no="T1001", subject="Tea", total_amount="88.88")


# Both clients have every operation of the interface.
clients: list[type[Gateway]] = [MapiGateway, OpenApiGateway]


def either(gateway: Gateway) -> RefundReport | None:
    assert_type(gateway.query_payment("T1001"), Notification)
    return gateway.submit_refund(RefundRequest("T1001", None, "R1", 888))


def money() -> Decimal:
    assert_type(format_amount(to_minor_units("88.88")), str)
    return to_decimal(parse_minor_units("88.88", "CNY"))


def look_into(body: bytes, signer: Signer) -> str:
    diagnosis = diagnose(body, signer, charset="gbk")
    assert_type(diagnosis, Diagnosis)
    return diagnosis.hint


def simulate(app: Flask) -> None:
    simulator = Simulator(protocol="mapi", charset="gbk")
    assert_type(simulator.merchant_settings(), dict[str, Any])
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/simulator")


def open_platform(gateway: OpenApiGateway, file: IO[bytes]) -> None:
    paid = gateway.trade_pay(
        out_trade_no="A1", subject="Tea", total_amount="88.88", auth_code="28" + "0" * 16
    )
    assert_type(paid, TradePayResponse)
    assert_type(paid.total_fen, int | None)
    ended = gateway.pay_barcode_and_wait(
        out_trade_no="A1",
        subject="Tea",
        total_amount=Decimal("88.88"),
        auth_code="28" + "0" * 16,
        polling=PollingPolicy(seconds=60),
        store_id="S1",
    )
    assert_type(ended, BarcodePaymentResult)
    assert_type(ended.paid, bool)
    royalty: dict[str, str | int] = {"trans_in": "2088000000000003", "amount": 1}
    settled = gateway.trade_order_settle(
        out_request_no="S1", trade_no="1" * 28, royalty_parameters=[royalty]
    )
    assert_type(settled, OrderSettleResponse)
    transfer = gateway.fund_trans_uni_transfer(
        out_biz_no="T1", trans_amount=1, payee_info={"identity": "a@example.com"}
    )
    assert_type(transfer, TransferResponse)
    assert_type(gateway.fund_trans_common_query(out_biz_no="T1"), TransferQueryResponse)
    place = gateway.data_dataservice_bill_downloadurl_query(
        bill_type="trade", bill_date=date(2026, 1, 31)
    )
    assert_type(place, BillDownloadResponse)
    assert_type(gateway.download_bill(place.bill_download_url, file, limit=10), int)
