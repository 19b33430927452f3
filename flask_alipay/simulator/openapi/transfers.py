"""Transfers of the merchant, and their queries. The codes have no prefix ``ACQ.``."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...exceptions import InvalidParameter
from ...protocol.china_time import format_china_time
from ...protocol.money import format_amount, to_minor_units
from ...protocol.validation import check_choice, check_out_trade_no
from ..replies import ApiError
from ..storage.storage import PersistentDict
from .call import ApiCall, Context, Handler, Success
from .content import required, text

#: The account that there is not, and the most that the merchant can send at once: a million yuan.
MISSING_ACCOUNT, MAX_FEN = "nobody@simulator.invalid", 100_000_000

_MIN_FEN, _MAX_TRANSFERS = 10, 10_000
_KINDS = ("ALIPAY_USER_ID", "ALIPAY_LOGON_ID", "ALIPAY_OPEN_ID")


@dataclass(frozen=True)
class Transfer:
    """A transfer."""

    #: The merchant's number of it.
    out_biz_no: str
    fen: int
    payee: tuple[str, str]
    at: datetime
    #: Alipay's number of it, and of the payment behind it.
    order_id: str
    pay_fund_order_id: str


class TransferService:
    """``alipay.fund.trans.uni.transfer``, only in certificate mode, and ``.common.query``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._made = PersistentDict(context.storage, "transfers", Transfer, _MAX_TRANSFERS)
        self.methods: Mapping[str, Handler] = {
            "alipay.fund.trans.uni.transfer": self._transfer,
            "alipay.fund.trans.common.query": self._query,
        }

    def _transfer(self, call: ApiCall) -> Success:
        if not call.certified:
            raise ApiError("isv.missing-app-cert-sn", "money is sent in certificate mode alone")
        number = call.required("out_biz_no")
        check_out_trade_no(number, "out_biz_no")
        fen = to_minor_units(call.required("trans_amount"), parameter="trans_amount")
        if fen < _MIN_FEN:
            raise InvalidParameter(
                "trans_amount", f"must be at least {format_amount(_MIN_FEN)} CNY"
            )
        check_choice("product_code", call.required("product_code"), ("TRANS_ACCOUNT_NO_PWD",))
        check_choice("biz_scene", call.required("biz_scene"), ("DIRECT_TRANSFER",))
        call.text("order_title", 128), call.text("remark", 200)
        payee = _payee(call)
        with self._lock:
            made = self._made.get(number) or self._new(call, number, fen, payee)
        if (made.fen, made.payee) != (fen, payee):
            raise ApiError("PAYMENT_INFO_INCONSISTENCY")
        return Success(
            {
                "out_biz_no": made.out_biz_no,
                "order_id": made.order_id,
                "pay_fund_order_id": made.pay_fund_order_id,
                "status": "SUCCESS",
                "trans_date": format_china_time(made.at),
            }
        )

    def _new(self, call: ApiCall, number: str, fen: int, payee: tuple[str, str]) -> Transfer:
        if payee[1] == MISSING_ACCOUNT:
            raise ApiError("PAYEE_NOT_EXIST")
        if fen > MAX_FEN:
            raise ApiError("PAYER_BALANCE_NOT_ENOUGH")
        made = Transfer(number, fen, payee, call.now, _number(call.now), _number(call.now))
        self._made[number] = made
        self._made.evict()
        return made

    def _query(self, call: ApiCall) -> Success:
        requested = {
            name: call.text(name) for name in ("pay_fund_order_id", "order_id", "out_biz_no")
        }
        if not any(requested.values()):
            raise InvalidParameter("out_biz_no", "or order_id is required")
        name = next(name for name, value in requested.items() if value)
        with self._lock:
            known = tuple(self._made.values())
        made = next((one for one in known if getattr(one, name) == requested[name]), None)
        if made is None:
            raise ApiError("ORDER_NOT_EXIST")
        return Success(
            {
                "out_biz_no": made.out_biz_no,
                "order_id": made.order_id,
                "pay_fund_order_id": made.pay_fund_order_id,
                "status": "SUCCESS",
                "pay_date": format_china_time(made.at),
                "order_fee": "0.00",
                "trans_amount": format_amount(made.fen),
            }
        )


def _payee(call: ApiCall) -> tuple[str, str]:
    payee = call.content.get("payee_info")
    if not isinstance(payee, dict):
        raise InvalidParameter("payee_info", "is required, as an object")
    kind = required(payee, "identity_type", 64, call.charset)
    check_choice("identity_type", kind, _KINDS)
    identity = required(payee, "identity", 64, call.charset)
    if kind == "ALIPAY_LOGON_ID" and not text(payee, "name", 128, call.charset):
        raise InvalidParameter("name", "is required beside a login name")
    return kind, identity


def _number(now: datetime) -> str:
    day = format_china_time(now)[:10].replace("-", "")
    return f"{day}110070001506{secrets.randbelow(10**12):012d}"
