"""Creation of the trade of an order, and the reasons to reject it."""

from __future__ import annotations

from dataclasses import replace

from ..replies import ApiError
from ..trades.trades import Trade
from .agreement_requests import read_sign_params
from .call import ApiCall, Context
from .orders import read_order


def payable(trade: Trade) -> Trade:
    """Return the trade, if the merchant accepts any payment channel for it.

    :raises ApiError: if he does not.
    """
    if not trade.order.choose_fund():
        raise ApiError("ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE")
    return trade


def create_or_reject(
    context: Context, call: ApiCall, *, opened: bool, buyer: str = "", agreement_no: str = ""
) -> Trade:
    """Return the trade of an order, new or existing.

    :param opened: whether it is a trade at once, or not before its buyer has opened it.
    :param buyer: the only buyer who may pay it; by default any.
    :param agreement_no: the agreement by which it is paid, if it is.
    :raises InvalidParameter: names the parameter that Alipay would reject.
    :raises ApiError: if the number was used for another order, or the trade has ended.
    """
    order = replace(read_order(call, buyer), agreement_no=agreement_no)
    sign_request = read_sign_params(call)
    if sign_request is not None:
        agreement = context.agreements.store.request(sign_request, call.now)
        order = replace(order, sign_page=agreement.page_id)
    seller = {"buyer_id": context.merchant.partner, "buyer_logon_id": context.merchant.seller_email}
    if any(call.content.get(name) == account for name, account in seller.items()):
        raise ApiError("ACQ.BUYER_SELLER_EQUAL")
    trade = context.trades.create(order, call.now, opened=opened)
    if trade.order.is_for_another(order.buyer):
        raise ApiError("ACQ.TRADE_BUYER_NOT_MATCH")
    if not trade.order.agrees_with(order):
        raise ApiError("ACQ.CONTEXT_INCONSISTENT")
    if trade.paid:
        raise ApiError("ACQ.TRADE_HAS_SUCCESS")
    if not trade.waiting:
        raise ApiError("ACQ.TRADE_HAS_CLOSE")
    return trade
