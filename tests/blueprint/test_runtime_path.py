"""Files of the package that a notification and a refund pass through at run time.

A transition is a change of file from one event of ``sys.setprofile`` to the next. The events are
the calls of the package's functions and, because a reader follows both ways, their returns to the
package. Generators, properties and listeners are functions like others; what dataclasses generate
is in no file. A first journey precedes, so that nothing is counted that runs once for a class.

The aim is 12 files and 45 transitions for a notification, 20 and 130 for a refund. Counted in this
way they once passed through 20 files with about 100 transitions, and 32 with 294.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy import select

import flask_alipay
from flask_alipay.protocol.conversion import format_china_time

from ..doubles.gateways import TRADE_NO
from ..doubles.local_server import LocalServer, Request
from ..doubles.merchant import Merchant
from ..doubles.openapi import answer
from ..doubles.shop import Payment, Shop, db
from .conftest import OpenShop
from .test_refunding import refunded

PACKAGE = str(Path(flask_alipay.__file__).parent)


class RuntimePath:
    """Executed files of the package, and the transitions between them, returns included."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.transitions = 0
        self._last: str | None = None

    def follow(self, journey: Callable[[], object]) -> tuple[int, int]:
        """Return the numbers of files and transitions of a journey."""
        profile = sys.getprofile()
        sys.setprofile(self._profile)
        try:
            journey()
        finally:
            sys.setprofile(profile)
        return len(self.files), self.transitions

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(PACKAGE):
            caller = frame if event == "call" else frame.f_back
            while caller is not None and not caller.f_code.co_filename.startswith(PACKAGE):
                caller = caller.f_back
            if caller is not None:
                self._enter(caller.f_code.co_filename)

    def _enter(self, file: str) -> None:
        self.files.add(file)
        if self._last is not None and file != self._last:
            self.transitions += 1
        self._last = file


@pytest.fixture
def alipay(merchant: Merchant) -> Iterator[LocalServer]:
    """Alipay's gateway, at the other end of the real transport."""
    method, node = "alipay.trade.refund", {"out_trade_no": "A1", "trade_no": TRADE_NO, **refunded()}
    body = answer(method, node, signer=merchant.signer)

    def respond(request: Request) -> None:
        request.body()
        request.respond(body)

    server = LocalServer(respond)
    yield server
    server.close()


def first_notification(merchant: Merchant, number: str, trade_no: str) -> bytes:
    now = format_china_time(datetime.now(timezone.utc))
    return merchant.notification(number, trade_no=trade_no, gmt_payment=now)


def test_a_notification_passes_through_few_files(shop: Shop, merchant: Merchant) -> None:
    shop.notify(first_notification(merchant, shop.order(), TRADE_NO))
    number = shop.order()
    body = first_notification(merchant, number, TRADE_NO[::-1])
    files, transitions = RuntimePath().follow(lambda: shop.notify(body))
    assert shop.payment(number).paid
    assert 10 < files <= 12
    assert 40 < transitions <= 45


def test_a_refund_passes_through_few_files(
    open_shop: OpenShop, merchant: Merchant, alipay: LocalServer
) -> None:
    shop = open_shop({**merchant.settings, "GATEWAY_URL": alipay.url})
    number = shop.order(out_trade_no="A1")
    shop.notify(first_notification(merchant, number, TRADE_NO))
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))

        def refund(out_request_no: str) -> None:
            row = shop.alipay.refund(payment, "10.00", out_request_no=out_request_no)
            assert row.status == "REFUND_SUCCESS"

        refund("R1")
        files, transitions = RuntimePath().follow(lambda: refund("R2"))
    assert 10 < files <= 19
    assert 50 < transitions <= 130
