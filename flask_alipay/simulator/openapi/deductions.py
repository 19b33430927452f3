"""Deductions: ``alipay.trade.pay`` with the number of an agreement instead of the buyer's code.

Source: part I of the protocol sheet, section 3.6.
"""

from __future__ import annotations

from dataclasses import replace

from ...exceptions import InvalidParameter
from ..faults import IN_PROCESS
from ..replies import ApiError
from ..trades.agreements import Agreement
from ..trades.orders import Order
from .agreement_requests import DEDUCTIONS
from .call import ApiCall, Context
from .content import required
from .orders import read_order


class Deductions:
    """The rules of deductions.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.agreements.store

    def check(self, call: ApiCall) -> str:
        """Return the number of the agreement by which a payment is deducted.

        One that is rejected leaves no trade (a guess). The number of a known order is not checked
        again: a repetition is to have the result of the first call.

        :raises InvalidParameter: names the parameter that Alipay would reject.
        :raises ApiError: with the code of section 3.6 if the deduction is not allowed.
        """
        params = call.content.get("agreement_params")
        if not isinstance(params, dict):
            raise InvalidParameter("agreement_params", "must be an object")
        number = required(params, "agreement_no", 64, call.charset)
        if call.text("product_code") not in DEDUCTIONS:
            raise InvalidParameter("product_code", f"must be one of {', '.join(DEDUCTIONS)}")
        order = read_order(call)
        if self._context.trades.by_out_trade_no(order.out_trade_no) is None:
            self._check_allowed(call, number, order)
        return number

    def _check_allowed(self, call: ApiCall, number: str, order: Order) -> None:
        agreement = self._store.by_no(number)
        if agreement is None or agreement.request.app_auth_token != order.app_auth_token:
            raise ApiError("ACQ.AGREEMENT_NOT_EXIST")
        if self._is_underway(agreement):
            # By its name; Alipay's text of this code was not found (#67).
            raise ApiError("ACQ.OVER_MAX_UNDER_WAY_DEDUCT_COUNT")
        code = agreement.rejection(order.total_fen, call.now)
        if code:
            raise ApiError(code)

    def _is_underway(self, agreement: Agreement) -> bool:
        trade = self._context.trades.by_out_trade_no(agreement.underway)
        return trade is not None and trade.waiting

    def ending(self, call: ApiCall, number: str) -> str:
        """Return how a deduction ends: ``10003``, the code of its failure, or empty if it is paid.

        :param number: that of an agreement that allows it.
        """
        out_trade_no, agreement = call.required("out_trade_no"), self._store.by_no(number)
        if agreement is None:  # it has made room for others meanwhile
            return "ACQ.AGREEMENT_NOT_EXIST"
        if agreement.underway == out_trade_no:  # until Alipay has performed it
            return "10003"
        if not agreement.funded:
            return "ACQ.BUYER_BALANCE_NOT_ENOUGH"
        if self._context.faults.take(IN_PROCESS, f"{call.method} {call.content}"):
            self._store.put(replace(agreement, underway=out_trade_no))
            return "10003"
        return ""
