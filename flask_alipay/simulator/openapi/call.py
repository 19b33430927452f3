"""A request as passed to the methods, their results, and the context that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from .. import error_codes
from ..agreements import AgreementRegistry
from ..clock import OffsetFn, zero_offset
from ..faults import SYSTEM_ERROR, SYSTEM_ERROR_DONE, Faults
from ..merchant.merchant import SimulatedMerchant
from ..notifications.messages import Announcement
from ..notifications.notify_ids import NotifyIds
from ..oauth_tokens import AuthorizationStore
from ..replies import ApiError, RedirectToAgreement, RedirectToCashier
from ..storage.storage import Storage
from ..trades.orders import PAYING, Order
from ..trades.preauthorizations import PreauthorizationStore
from ..trades.trades import Trade, TradeStore
from .content import required, text
from .signing import ServerSigner


@dataclass(frozen=True)
class ApiCall:
    """A parsed and authenticated request."""

    method: str
    #: The fields of ``biz_content``, numbers as texts.
    content: Mapping[str, Any]
    #: The common parameters.
    params: Mapping[str, str]
    charset: str
    sign_type: str
    now: datetime
    #: URL of the simulator, for URLs in responses; without a slash at the end.
    root: str = ""
    #: Changed trades: to be notified, whatever the response is.
    notifications: list[Trade | Announcement] = field(default_factory=list, repr=False)
    #: Whether it came in certificate mode.
    certified: bool = False
    #: The content of each uploaded file by the name of its field.
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    #: Whether a buyer who pays signs the agreement that belongs to the order.
    signs: bool = True

    def text(self, name: str, max_length: int = 64) -> str:
        """Return a text of ``biz_content``, empty if it was not given."""
        return text(self.content, name, max_length, self.charset)

    def required(self, name: str, max_length: int = 64) -> str:
        """Return a required text of ``biz_content``."""
        return required(self.content, name, max_length, self.charset)


@dataclass(frozen=True)
class Success:
    """Successful result of a method."""

    fields: Mapping[str, object]
    #: ``10003``: the buyer has yet to confirm; empty: the response has no code.
    code: str = "10000"


#: The result of a method: fields of a response, or the page that a browser is redirected to.
MethodResult: TypeAlias = Success | RedirectToCashier | RedirectToAgreement
#: A method: returns the response to a call, or raises to reject it.
Handler: TypeAlias = Callable[[ApiCall], MethodResult]


#: A method of an order string: its check, and its performance by the buyer's app.
InApp: TypeAlias = tuple[Callable[[ApiCall], None], Handler]


@dataclass(frozen=True)
class Context:
    """Objects that all methods use."""

    merchant: SimulatedMerchant
    trades: TradeStore
    notify_ids: NotifyIds
    signer: ServerSigner
    #: What is to go wrong.
    faults: Faults
    #: Where what they know is kept.
    storage: Storage
    #: The tokens of users and merchants.
    authorizations: AuthorizationStore
    #: The amounts that are frozen for the merchant.
    preauthorizations: PreauthorizationStore
    #: The agreements.
    agreements: AgreementRegistry
    #: How far the time here is ahead of the merchant's.
    ahead: OffsetFn = zero_offset

    def run(self, call: ApiCall, run: Handler) -> MethodResult:
        """Call a method, unless a fault makes it fail before or after taking effect.

        :raises ApiError: as the method does, or with the code of Alipay's internal error.
        """
        if not self.faults.all():
            return run(call)
        about = self.trades.named_in(f"{call.method} {call.content}")
        if self.faults.take(SYSTEM_ERROR, about):
            raise ApiError(error_codes.system_error(call.method))
        done = run(call)
        if self.faults.take(SYSTEM_ERROR_DONE, about):
            raise ApiError(error_codes.system_error(call.method))
        return done

    def find(self, call: ApiCall) -> Trade:
        """Return the trade that a call names, expired if its time is over.

        ``trade_no`` takes precedence. An order whose page or code was not opened is no trade yet.

        :raises InvalidParameter: if the call names none.
        :raises ApiError: if there is no such trade.
        """
        trade = self.placed(call)
        if trade is None or trade.opened_at is None:
            raise ApiError("ACQ.TRADE_NOT_EXIST")
        return trade

    def placed(self, call: ApiCall) -> Trade | None:
        """Return the trade likewise, also if it was not opened; ``None`` if there is none.

        A trade of another merchant does not exist for this one.

        :raises InvalidParameter: if the call names none.
        """
        trade_no = call.text("trade_no")
        if trade_no:
            trade = self.trades.by_trade_no(trade_no)
        else:
            trade = self.trades.by_out_trade_no(call.required("out_trade_no"))
        if trade is None or trade.order.app_auth_token != call.params.get("app_auth_token", ""):
            return None
        out_trade_no = trade.order.out_trade_no
        step = self.trades.apply(out_trade_no, None, call.now)
        if step is None:
            return None
        if step.event is not None:
            call.notifications.append(step.trade)
        return step.trade

    def happen(self, call: ApiCall, trade: Trade, event: str) -> Trade | None:
        """Apply an event to a trade; ``None`` if it is not possible."""
        step = self.trades.apply(trade.order.out_trade_no, event, call.now)
        if step is None or step.event is None:
            return None
        call.notifications.append(step.trade)
        if step.event in PAYING:
            paid = self.agreements.paid(step.trade, call.now, sign=call.signs)
            call.notifications.extend(paid)
        return step.trade if step.event == trade.resolve_event(event) else None

    def mini_programs(self, call: ApiCall) -> tuple[str, ...]:
        """Return the mini-programs that the merchant has bound to the product."""
        own = self.merchant.app_id, self.merchant.mini_app_id
        token = self.authorizations.app_token(call.params.get("app_auth_token", ""))
        return own if token is None else (*own, token.auth_app_id)

    def seller(self, order: Order) -> tuple[str, str]:
        """Return the application and the account of the merchant who sells an order."""
        token = self.authorizations.app_token(order.app_auth_token)
        if token is None:
            return self.merchant.app_id, self.merchant.partner
        # An app beside the simulator accepts its own account only, unless it acts for others.
        account = token.user_id if self.merchant.third_party else self.merchant.partner
        return token.auth_app_id, account

    def buyer(self, order: Order | None = None) -> dict[str, str]:
        """Return the buyer as in responses; the account's name is masked.

        :param order: the order that the buyer pays.
        """
        name, _, host = self.merchant.buyer_email.partition("@")
        return {
            "buyer_logon_id": f"{name[:3]}***@{host}",
            **self.buyer_identity("buyer_user_id", order),
        }

    def buyer_identity(self, name: str, order: Order | None = None) -> dict[str, str]:
        """Return the buyer's number or, to a newer application, the OpenID.

        :param name: the name of the field with the number.
        :param order: the order that the buyer pays.
        """
        if self.merchant.open_id:
            return {"buyer_open_id": self.merchant.buyer_open_id}
        number = order.buyer if order is not None else ""
        return {name: number if number.isdigit() else self.merchant.buyer_id}


def numbers(trade: Trade) -> dict[str, str]:
    """Return both sides' numbers of a trade."""
    return {"out_trade_no": trade.order.out_trade_no, "trade_no": trade.trade_no}
