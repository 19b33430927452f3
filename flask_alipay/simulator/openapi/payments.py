"""Methods that create a trade: on a page, by QR code, for one buyer, by barcode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time
from ...protocol.validation import check_choice, check_pattern
from ..merchant.merchant import open_id_under
from ..replies import ApiError, RedirectToCashier
from ..trades.orders import TradeEvent
from ..trades.trades import Trade
from .call import ApiCall, Context, Handler, Success, numbers
from .captures import CaptureService
from .deductions import Deductions
from .new_trades import create_or_reject, payable
from .orders import CREATE, JSAPI, PAGE, PAY, PRECREATE, WAP, read_order
from .trades import amounts, fund_bill

#: How the last six digits of an auth_code make a till's payment end; all others are paid at once.
ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "010003": "10003",
        "040401": "ACQ.PAYMENT_AUTH_CODE_INVALID",
        "040402": "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "040403": "ACQ.PULL_MOBILE_CASHIER_FAIL",
        "040404": "ACQ.PAYMENT_FAIL",
    }
)

_AUTH_CODE = re.compile(r"(?:2[5-9]|30)[0-9]{14,22}", re.ASCII)
_SCENES = ("bar_code", "wave_code", "security_code")


class PaymentService:
    """``alipay.trade.page.pay``, ``.wap.pay``, ``.precreate``, ``.create`` and ``.pay``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._captures = CaptureService(context)
        self._deductions = Deductions(context)
        self.methods: Mapping[str, Handler] = {
            **self._captures.methods,
            PAGE: self._page,
            WAP: self._page,
            PRECREATE: self._precreate,
            CREATE: self._create,
            PAY: self._pay,
        }

    def _page(self, call: ApiCall) -> RedirectToCashier:
        return RedirectToCashier(create_or_reject(self._context, call, opened=False))

    def _precreate(self, call: ApiCall) -> Success:
        trade = create_or_reject(self._context, call, opened=False)
        code = f"{call.root}/cashier/{trade.cashier_id}"
        return Success({"out_trade_no": trade.order.out_trade_no, "qr_code": code})

    def _create(self, call: ApiCall) -> Success:
        _check_mini_program(self._context, call)
        buyer = buyer_of(self._context, call)
        return Success(numbers(create_or_reject(self._context, call, opened=True, buyer=buyer)))

    def _pay(self, call: ApiCall) -> Success:
        code = call.text("auth_code", 64)
        if not code and call.text("auth_no"):
            return Success(self._receipt(self._captures.pay(call)))
        if code:
            check_choice("scene", call.required("scene", 32), _SCENES)
            if call.content["scene"] != "security_code":
                expected = "16 to 24 digits that begin with 25 to 30"
                check_pattern("auth_code", code, _AUTH_CODE, expected)
        elif call.content.get("agreement_params"):
            return self._deduct(call)
        else:
            raise InvalidParameter("auth_code", "or auth_no or agreement_params is required")
        ending = ENDINGS.get(code[-6:], "")
        if ending == "ACQ.PAYMENT_AUTH_CODE_INVALID":
            read_order(call)
            raise ApiError(ending)
        return self._end(call, create_or_reject(self._context, call, opened=True), ending)

    def _deduct(self, call: ApiCall) -> Success:
        """Pay by an agreement: of concurrent deductions of a period, one is paid."""
        with self._context.agreements.store.turn():
            number = self._deductions.check(call)
            trade = create_or_reject(self._context, call, opened=True, agreement_no=number)
            return self._end(call, trade, self._deductions.ending(call, number))

    def _end(self, call: ApiCall, trade: Trade, ending: str) -> Success:
        """Pay a payment that needs no page, unless it ends in another way.

        :param ending: empty, or one of :data:`ENDINGS`.
        """
        payable(trade)
        if ending == "10003":
            return Success(
                {**numbers(trade), **self._context.buyer(trade.order), **amounts(trade)}, "10003"
            )
        if ending:  # a new try needs a new order
            self._context.happen(call, trade, TradeEvent.CLOSE)
            raise ApiError(ending)
        paid = self._context.happen(call, trade, TradeEvent.PAY)
        if paid is None:
            raise ApiError("ACQ.TRADE_HAS_CLOSE")
        return Success(self._receipt(paid))

    def _receipt(self, trade: Trade) -> dict[str, object]:
        fields: dict[str, object] = {
            **numbers(trade),
            **self._context.buyer(trade.order),
            **amounts(trade),
        }
        if trade.paid_at is not None:
            fields |= {
                "gmt_payment": format_china_time(trade.paid_at),
                "fund_bill_list": fund_bill(trade),
            }
        return fields


def _check_mini_program(context: Context, call: ApiCall) -> None:
    """Check ``op_app_id``, which a payment in a mini-program requires, and no other payment has.

    :raises ApiError: if it is missing, or no mini-program of the merchant's.
    """
    app_id, jsapi = call.text("op_app_id", 32), call.text("product_code") == JSAPI
    if app_id and not jsapi:
        raise ApiError("ACQ.PRODUCT_NOT_SUPPORT_IN_TINY_APP")
    if jsapi and not app_id:
        raise ApiError("ACQ.OPEN_ID_NOT_TINY_APP")
    if jsapi and app_id not in context.mini_programs(call):
        raise ApiError("ACQ.UNBOUND_APPLICATION")


def buyer_of(context: Context, call: ApiCall) -> str:
    """Return the buyer that a call names.

    Of a newer application Alipay accepts only its OpenIDs, and rejects a ``buyer_id`` like an
    unknown buyer (seen in production). To an older application, each number and each OpenID is a
    buyer here.

    :raises InvalidParameter: if it names none.
    :raises ApiError: if there is no such buyer.
    """
    merchant = context.merchant
    number = call.text("buyer_id", 28)
    named = (
        (call.text("buyer_open_id", 128), merchant.app_id),
        (call.text("op_buyer_open_id", 128), call.text("op_app_id", 32)),
    )
    for open_id, app_id in named:
        if open_id and app_id and open_id == open_id_under(app_id, merchant.buyer_id):
            return merchant.buyer_id
    open_id = next((open_id for open_id, _ in named if open_id), "")
    if not open_id and not number:
        raise InvalidParameter("buyer_id", "or buyer_open_id is required")
    if merchant.open_id:
        raise ApiError("ACQ.BUYER_NOT_EXIST")
    if not open_id:
        check_pattern("buyer_id", number, "2088[0-9]{12}", "16 digits that begin with 2088")
    return open_id or number
