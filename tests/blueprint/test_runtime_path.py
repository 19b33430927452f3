"""Files of the package that a refund passes through at run time."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

from sqlalchemy import select

import flask_alipay

from ..doubles.gateways import TRADE_NO, Alipay
from ..doubles.merchant import Merchant
from ..doubles.shop import Payment, Shop, db
from .test_refunding import refunded

PACKAGE = str(Path(flask_alipay.__file__).parent)
#: The limits that a change may lower. The aim is 20 files and 130 transitions.
MAX_FILES, MAX_TRANSITIONS = 35, 260


class RuntimePath:
    """The files of the package that run, and the transitions between them, returns included."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.transitions = 0
        self._last: str | None = None

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
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


def test_a_refund_passes_through_few_files(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_no=TRADE_NO))
    alipay = Alipay(merchant, refund=refunded())
    path = RuntimePath()
    with shop.app.test_request_context():
        shop.alipay.gateway._transport = alipay
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        # What is made once for each class is not counted.
        shop.alipay.refund(payment, "1.00", out_request_no="R1")
        profile = sys.getprofile()
        sys.setprofile(path.profile)
        try:
            row = shop.alipay.refund(payment, "10.00", out_request_no="R2")
        finally:
            sys.setprofile(profile)
        assert row.status == "REFUND_SUCCESS"
    assert 10 < len(path.files) <= MAX_FILES
    assert 50 < path.transitions <= MAX_TRANSITIONS
