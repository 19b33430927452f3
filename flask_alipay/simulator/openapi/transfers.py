"""Transfers of the merchant, and their queries. The codes have no prefix ``ACQ.``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time, to_minor_units
from ...protocol.validation import check_choice, check_out_trade_no
from ..notifications.messages import Announcement
from ..replies import ApiError
from ..trades.transfers import REASONS, Transfer, TransferStore, new_number
from .call import ApiCall, Context, Handler, Success
from .content import required, text

#: The account that there is not, and the money that the merchant has at first: a million yuan.
MISSING_ACCOUNT, MAX_FEN = "nobody@simulator.invalid", 100_000_000
#: The real name of the simulator's buyer; any name is that of another account.
BUYER_NAME: Final = "黄龙"
#: From this amount on, a remark is required (the table of codes of the method).
REMARK_FEN: Final = 5_000_000

_MIN_FEN: Final = {
    "TRANS_ACCOUNT_NO_PWD": 10,
    "STD_RED_PACKET": 1,
    "TRANS_BANKCARD_NO_PWD": 10,
}
_ACCOUNTS: Final = ("ALIPAY_USER_ID", "ALIPAY_LOGON_ID", "ALIPAY_OPEN_ID")
_BANK_CARD: Final = "BANKCARD_ACCOUNT"


class TransferService:
    """``alipay.fund.trans.uni.transfer``, only in certificate mode, and ``.common.query``.

    :param context: shared objects.
    :param transfers: the transfers.
    """

    def __init__(self, context: Context, transfers: TransferStore) -> None:
        self._context = context
        self._transfers = transfers
        self.methods: Mapping[str, Handler] = {
            "alipay.fund.trans.uni.transfer": self._transfer,
            "alipay.fund.trans.common.query": self._query,
        }

    def _transfer(self, call: ApiCall) -> Success:
        if not call.certified:
            raise ApiError("isv.missing-app-cert-sn", "money is sent in certificate mode alone")
        number = call.required("out_biz_no")
        check_out_trade_no(number, "out_biz_no")
        product = call.required("product_code")
        check_choice("product_code", product, tuple(_MIN_FEN))
        check_choice("biz_scene", call.required("biz_scene"), ("DIRECT_TRANSFER",))
        fen = to_minor_units(call.required("trans_amount"), parameter="trans_amount")
        if fen < _MIN_FEN[product]:
            minimum = format_amount(_MIN_FEN[product])
            raise InvalidParameter("trans_amount", f"must be at least {minimum} CNY")
        payee = self._payee(call, product)
        content = json.dumps(call.content, ensure_ascii=False, sort_keys=True, default=str)
        transfer = self._transfers.get(number)
        if transfer is None:
            transfer = self._transfers.add(self._new(call, fen, payee, content))
            # Sent within seconds, also if the response states the success.
            call.notifications.append(transfer_changed(transfer, call.now))
        if (transfer.fen, transfer.payee) != (fen, payee) or transfer.content not in ("", content):
            raise ApiError("PAYMENT_INFO_INCONSISTENCY")
        return Success({**_numbers(transfer), "trans_date": format_china_time(transfer.at)})

    def _new(self, call: ApiCall, fen: int, payee: tuple[str, str], content: str) -> Transfer:
        if payee[1] == MISSING_ACCOUNT:
            raise ApiError("PAYEE_NOT_EXIST")
        if fen > MAX_FEN - sum(transfer.spent_fen for transfer in self._transfers.all()):
            raise ApiError("PAYER_BALANCE_NOT_ENOUGH")
        if fen >= REMARK_FEN and not call.text("remark", 200):
            raise ApiError("MEMO_REQUIRED_IN_TRANSFER_ERROR")
        return Transfer(
            call.required("out_biz_no"),
            fen,
            payee,
            call.now,
            new_number(call.now),
            new_number(call.now),
            status="DEALING" if payee[0] == _BANK_CARD else "SUCCESS",
            product_code=call.required("product_code"),
            title=call.text("order_title", 128),
            content=content,
        )

    def _query(self, call: ApiCall) -> Success:
        requested = {
            name: call.text(name) for name in ("pay_fund_order_id", "order_id", "out_biz_no")
        }
        if not any(requested.values()):
            raise InvalidParameter("out_biz_no", "or order_id is required")
        name = next(name for name, value in requested.items() if value)
        transfer = self._transfers.find(name, requested[name])
        if transfer is None:
            raise ApiError("ORDER_NOT_EXIST")
        return Success({**_numbers(transfer), **_outcome(transfer)})

    def _payee(self, call: ApiCall, product: str) -> tuple[str, str]:
        payee = call.content.get("payee_info")
        if not isinstance(payee, dict):
            raise InvalidParameter("payee_info", "is required, as an object")
        kind = required(payee, "identity_type", 64, call.charset)
        kinds = (_BANK_CARD,) if product == "TRANS_BANKCARD_NO_PWD" else _ACCOUNTS
        check_choice("identity_type", kind, kinds)
        identity = required(payee, "identity", 128, call.charset)
        name = text(payee, "name", 128, call.charset)
        if kind in ("ALIPAY_LOGON_ID", _BANK_CARD) and not name:
            raise InvalidParameter("name", "is required beside a login name or a bank card")
        self._check_party(identity, name)
        return kind, identity

    def _check_party(self, identity: str, name: str) -> None:
        """Reject the merchant itself, and a name that is not the buyer's."""
        merchant = self._context.merchant
        if identity in (merchant.partner, merchant.seller_email):
            raise ApiError("PAYER_PAYEE_CANNOT_SAME")
        buyer = (merchant.buyer_id, merchant.buyer_email, merchant.buyer_open_id)
        if identity in buyer and name not in ("", BUYER_NAME):
            raise ApiError("PAYEE_NOT_EXIST", "the name is not that of the account")


def _numbers(transfer: Transfer) -> dict[str, Any]:
    return {
        "out_biz_no": transfer.out_biz_no,
        "order_id": transfer.order_id,
        "pay_fund_order_id": transfer.pay_fund_order_id,
        "status": transfer.status,
    }


def _outcome(transfer: Transfer) -> dict[str, Any]:
    """Return the fields of a query that depend on the status."""
    if transfer.status == "SUCCESS":
        return {
            "pay_date": format_china_time(transfer.at),
            "order_fee": "0.00",
            "trans_amount": format_amount(transfer.fen),
        }
    if transfer.status in REASONS:
        error_code, fail_reason = REASONS[transfer.status]
        return {"error_code": error_code, "fail_reason": fail_reason}
    return {}


def transfer_changed(transfer: Transfer, now: datetime) -> Announcement:
    """Return the change of a transfer that a message reports.

    :param now: the time of the change.
    """
    numbers = {name: str(value) for name, value in _numbers(transfer).items()}
    content = {
        **numbers,
        "product_code": transfer.product_code,
        "biz_scene": transfer.biz_scene,
        "origin_interface": "alipay.fund.trans.uni.transfer",
        "action_type": "CREATE" if transfer.status == "DEALING" else "FINISH",
        "trans_amount": format_amount(transfer.fen),
        **({"pay_date": format_china_time(transfer.at)} if transfer.status == "SUCCESS" else {}),
        **({"refund_date": format_china_time(now)} if transfer.status == "REFUND" else {}),
    }
    return Announcement("alipay.fund.trans.order.changed", content)
