"""Money that the merchant sends, and what became of it. The codes have no ``ACQ.`` in front."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...china_time import to_china
from ...exceptions import InvalidParameter
from ...limits import check_choice, check_out_trade_no
from ...money import to_fen, to_yuan
from ..answers import Refusal
from ..state import Kept
from .call import Call, Desk, Done, Run
from .content import required, text

#: The account that there is not, and the most that the merchant can send at once: a million yuan.
NOBODY, MOST_FEN = "nobody@simulator.invalid", 100_000_000

_LEAST_FEN, _MOST_TRANSFERS = 10, 10_000
_KINDS = ("ALIPAY_USER_ID", "ALIPAY_LOGON_ID", "ALIPAY_OPEN_ID")


@dataclass(frozen=True)
class Transfer:
    """Money that was sent."""

    #: The merchant's number of it.
    out_biz_no: str
    fen: int
    payee: tuple[str, str]
    at: datetime
    #: Alipay's number of it, and of the payment behind it.
    order_id: str
    pay_fund_order_id: str


class Transfers:
    """``alipay.fund.trans.uni.transfer``, in certificate mode alone, and ``.common.query``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._made = Kept(desk.state.shelf("transfers", Transfer), _MOST_TRANSFERS)
        self.methods: Mapping[str, Run] = {
            "alipay.fund.trans.uni.transfer": self._transfer,
            "alipay.fund.trans.common.query": self._query,
        }

    def _transfer(self, call: Call) -> Done:
        if not call.certified:
            raise Refusal("isv.missing-app-cert-sn", "money is sent in certificate mode alone")
        number = call.required("out_biz_no")
        check_out_trade_no(number, "out_biz_no")
        fen = to_fen(call.required("trans_amount"), parameter="trans_amount")
        if fen < _LEAST_FEN:
            raise InvalidParameter("trans_amount", f"must be at least {to_yuan(_LEAST_FEN)} CNY")
        check_choice("product_code", call.required("product_code"), ("TRANS_ACCOUNT_NO_PWD",))
        check_choice("biz_scene", call.required("biz_scene"), ("DIRECT_TRANSFER",))
        call.text("order_title", 128), call.text("remark", 200)
        payee = _payee(call)
        with self._lock:
            made = self._made.get(number) or self._new(call, number, fen, payee)
        if (made.fen, made.payee) != (fen, payee):
            raise Refusal("PAYMENT_INFO_INCONSISTENCY")
        return Done(
            {
                "out_biz_no": made.out_biz_no,
                "order_id": made.order_id,
                "pay_fund_order_id": made.pay_fund_order_id,
                "status": "SUCCESS",
                "trans_date": to_china(made.at),
            }
        )

    def _new(self, call: Call, number: str, fen: int, payee: tuple[str, str]) -> Transfer:
        if payee[1] == NOBODY:
            raise Refusal("PAYEE_NOT_EXIST")
        if fen > MOST_FEN:
            raise Refusal("PAYER_BALANCE_NOT_ENOUGH")
        made = Transfer(number, fen, payee, call.now, _number(call.now), _number(call.now))
        self._made[number] = made
        self._made.surplus()
        return made

    def _query(self, call: Call) -> Done:
        asked = {name: call.text(name) for name in ("pay_fund_order_id", "order_id", "out_biz_no")}
        if not any(asked.values()):
            raise InvalidParameter("out_biz_no", "or order_id is required")
        name = next(name for name, value in asked.items() if value)
        with self._lock:
            known = tuple(self._made.values())
        made = next((one for one in known if getattr(one, name) == asked[name]), None)
        if made is None:
            raise Refusal("ORDER_NOT_EXIST")
        return Done(
            {
                "out_biz_no": made.out_biz_no,
                "order_id": made.order_id,
                "pay_fund_order_id": made.pay_fund_order_id,
                "status": "SUCCESS",
                "pay_date": to_china(made.at),
                "order_fee": "0.00",
                "trans_amount": to_yuan(made.fen),
            }
        )


def _payee(call: Call) -> tuple[str, str]:
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
    day = to_china(now)[:10].replace("-", "")
    return f"{day}110070001506{secrets.randbelow(10**12):012d}"
