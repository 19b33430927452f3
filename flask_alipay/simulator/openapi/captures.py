"""Captures: payments from a frozen amount, and the synchronisation of their outcomes.

Source: protocol-more.md, part I, 2.5 and 2.6; ``#`` and a number refer to a fact there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.validation import check_choice
from ..replies import ApiError
from ..trades.orders import TradeEvent
from ..trades.preauthorizations import Preauthorization
from ..trades.trades import Trade
from .call import ApiCall, Context, Handler, Success, numbers
from .new_trades import create_or_reject, payable
from .orders import read_order
from .preauthorization_fields import fund_changed

_COMPLETE, _NOT_COMPLETE = "COMPLETE", "NOT_COMPLETE"


class CaptureService:
    """``alipay.trade.orderinfo.sync``, and ``alipay.trade.pay`` with an ``auth_no``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {"alipay.trade.orderinfo.sync": self._sync}

    def pay(self, call: ApiCall) -> Trade:
        """Return the trade of a capture after its payment.

        :raises InvalidParameter: names the parameter that Alipay would reject.
        :raises ApiError: if that much cannot be captured, or the trade was paid or closed before.
        """
        mode = call.text("auth_confirm_mode", 32) or _NOT_COMPLETE
        check_choice("auth_confirm_mode", mode, (_COMPLETE, _NOT_COMPLETE))
        order, held = read_order(call), self._held(call)
        if self._context.trades.by_out_trade_no(order.out_trade_no) is None:
            # A rejected capture is no trade.
            _check(held, order.total_fen)
        trade = payable(create_or_reject(self._context, call, opened=True))
        changed = self._context.preauthorizations.change(
            held.order.out_order_no,
            lambda now_held: now_held.captured(
                order.out_trade_no, order.total_fen, call.now, complete=mode == _COMPLETE
            ),
        )
        if changed is None:  # another capture was faster
            self._context.happen(call, trade, TradeEvent.CLOSE)
            _check(self._held(call), order.total_fen)
            raise ApiError("ACQ.SYSTEM_ERROR")
        paid = self._context.happen(call, trade, TradeEvent.PAY)
        if paid is None:
            raise ApiError("ACQ.TRADE_HAS_CLOSE")
        return paid

    def _held(self, call: ApiCall) -> Preauthorization:
        """Return the pre-authorisation that a capture names, after its expiry."""
        # Without a product the number is taken for the code of a payer (ask/285634).
        product = call.text("product_code")
        if not product:
            raise ApiError("ACQ.AUTH_TOKEN_IS_NOT_EXIST")
        held = self._context.preauthorizations.find("auth_no", call.required("auth_no"))
        if held is None or held.order.app_auth_token != call.params.get("app_auth_token", ""):
            raise ApiError("ACQ.AUTH_NO_ERROR")
        if product != held.order.product_code:  # #5
            raise ApiError("ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT")
        self._check_parties(call)
        store = self._context.preauthorizations
        expired = store.apply(held.order.out_order_no, None, call.now)
        if expired is not None:
            call.notifications.extend(fund_changed(self._context, expired))
        return expired or held

    def _check_parties(self, call: ApiCall) -> None:
        """Check the buyer and the seller, if they are named (#34, #35)."""
        merchant = self._context.merchant
        buyers = {"buyer_id": merchant.buyer_id, "buyer_open_id": merchant.buyer_open_id}
        if any(call.text(name, 128) not in ("", value) for name, value in buyers.items()):
            raise ApiError("ACQ.PAYER_UNMATCHED")
        token = self._context.authorizations.app_token(call.params.get("app_auth_token", ""))
        sellers = ("", merchant.partner, "" if token is None else token.user_id)
        if call.text("seller_id", 28) not in sellers:
            raise ApiError("ACQ.AUTH_NO_ERROR", "the payee is another account")

    def _sync(self, call: ApiCall) -> Success:
        """Accept that a payment was made elsewhere or withdrawn; a repetition changes nothing.

        No obligation is left open here: a capture is paid or rejected at once (#40).
        """
        call.required("out_request_no")
        check_choice("biz_type", call.required("biz_type"), ("CREDIT_AUTH", "CREDIT_DEDUCT"))
        try:
            info = json.loads(call.required("order_biz_info", 1000))
        except (ValueError, RecursionError):
            raise InvalidParameter("order_biz_info", "must be JSON as a text") from None
        if not call.text("trade_no"):
            raise InvalidParameter("trade_no", "is required, as a text")
        trade = self._context.find(call)
        status = info.get("status") if isinstance(info, dict) else None
        if status not in ("COMPLETE", "CLOSED"):
            raise ApiError("ACQ.NOTIFY_STATUS_INVALID")
        buyer = self._context.buyer_identity("buyer_user_id", trade.order)
        return Success({**numbers(trade), **buyer})


def _check(held: Preauthorization, fen: int) -> None:
    """Check that an amount can be captured.

    :raises ApiError: otherwise.
    """
    if held.waiting:
        raise ApiError("ACQ.AUTH_ORDER_NOT_PAID")
    if held.captured_fen and not held.authorized:
        raise ApiError("ACQ.AUTH_ORDER_HAS_FINISHED")
    if held.frozen_at is not None and not held.authorized:
        # Seen after everything was released (ask/285629).
        raise ApiError("ACQ.AUTH_NO_ERROR")
    if not held.authorized:
        raise ApiError("ACQ.AUTH_ORDER_HAS_CLOSED")
    if fen > held.rest_fen:
        raise ApiError("ACQ.AUTH_AMOUNT_NOT_ENOUGH")
