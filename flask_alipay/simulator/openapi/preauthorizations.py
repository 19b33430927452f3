"""Pre-authorisations: freezing, releasing, cancelling, and their queries.

Source: protocol-more.md, part I, section 2; ``#`` and a number refer to a fact there. The codes
have no prefix ``ACQ.`` (#6).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time, to_minor_units
from ...protocol.preauthorizations import CANCEL_MESSAGE
from ...protocol.validation import check_choice, check_out_trade_no, check_pattern, timeout_minutes
from ..notifications.messages import Announcement
from ..replies import ApiError
from ..trades.preauthorizations import (
    CANCEL_WITHIN,
    CAPTURE,
    FREEZE,
    UNFREEZE,
    FreezeOrder,
    FundOperation,
    Preauthorization,
    PreauthorizationEvent,
)
from ..web.urls import checked_url
from .call import ApiCall, Context, Handler, InApp, Success
from .preauthorization_fields import amounts, fund_changed, numbers, operation_fields, payer

APP_FREEZE: Final = "alipay.fund.auth.order.app.freeze"
#: The products; a capture has the product of its freeze (#5).
PRODUCTS: Final = ("PREAUTH_PAY", "PRE_AUTH_ONLINE", "PRE_AUTH")
#: How the last six digits of a payer's code make a freeze end; all others freeze at once. Which
#: ending the payer's password needs is a choice of the simulator; that such a freeze is answered
#: with 10003 is a guess (#20).
FREEZE_ENDINGS: Final = {
    "010003": "10003",
    "040401": "PAYMENT_AUTH_CODE_INVALID",
    "040402": "MONEY_NOT_ENOUGH",
    "040403": "PULL_MOBILE_CASHIER_FAIL",
    "040404": "NO_PAYMENT_INSTRUMENTS_AVAILABLE",
}

_AUTH_CODE: Final = r"(?:2[5-9]|30)[0-9]{14,22}"
_DEFAULT_TIMEOUT: Final = "15m"
_MAX_FEN: Final = 10_000_000_000
# Fields that are JSON as text inside biz_content (#16), with maximum lengths where known.
_JSON_TEXTS: Final = {
    "extra_param": 300,
    "identity_params": 1000,
    "enable_pay_channels": 1000,
    "disable_pay_channels": 1000,
}


class PreauthorizationService:
    """``alipay.fund.auth.order.app.freeze``, ``.voucher.create``, ``.freeze``, ``.unfreeze``, and
    ``alipay.fund.auth.operation.detail.query`` and ``.cancel``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {
            APP_FREEZE: self._app_freeze,
            "alipay.fund.auth.order.voucher.create": self._voucher,
            "alipay.fund.auth.order.freeze": self._freeze,
            "alipay.fund.auth.order.unfreeze": self._unfreeze,
            "alipay.fund.auth.operation.detail.query": self._query,
            "alipay.fund.auth.operation.cancel": self._cancel,
        }
        #: The method of order strings: how it is checked, and performed.
        self.in_apps: Mapping[str, InApp] = {APP_FREEZE: (self.check, self.freeze_in_app)}

    def check(self, call: ApiCall) -> None:
        """Parse an app's order; nothing exists before the payer freezes the amount.

        :raises InvalidParameter: names the parameter that Alipay would reject.
        :raises ApiError: if it cannot be frozen.
        """
        self._created(call, opened=False)

    def freeze_in_app(self, call: ApiCall) -> Success:
        """Freeze the amount of an order string, with the exceptions of :meth:`check`."""
        return Success(self._frozen(call, self._created(call, opened=True)))

    def _app_freeze(self, call: ApiCall) -> Success:
        """Reject a call of a server: the method is for order strings (ask/285601).

        What the ``order_str`` of version 3 contains is not known.
        """
        raise ApiError("SYSTEM_ERROR", "the method makes an order string for the payer's app")

    def _voucher(self, call: ApiCall) -> Success:
        held = self._created(call, opened=False)
        page = f"{call.root}/freeze/{held.page_id}"
        return Success(
            {
                "out_order_no": held.order.out_order_no,
                "out_request_no": held.order.out_request_no,
                "code_type": "qrCode",
                "code_value": page,
                "code_url": f"{page}/code.svg",
            }
        )

    def _freeze(self, call: ApiCall) -> Success:
        code, kinds = call.required("auth_code", 700), ("bar_code", "security_code")
        kind = call.required("auth_code_type", 32)
        check_choice("auth_code_type", kind, kinds)
        if kind == "bar_code":
            check_pattern("auth_code", code, _AUTH_CODE, "16 to 24 digits that begin with 25 to 30")
        ending = FREEZE_ENDINGS.get(code[-6:], "")
        if ending == "PAYMENT_AUTH_CODE_INVALID":
            self._read(call)
            raise ApiError(ending)
        held = self._created(call, opened=True)
        if ending == "10003":
            return Success(operation_fields(self._context, held, held.freeze), "10003")
        if ending:  # the payer's side: a new try needs a new order
            self._apply(call, held, PreauthorizationEvent.REFUSE)
            raise ApiError(ending)
        return Success(self._frozen(call, held))

    def _frozen(self, call: ApiCall, held: Preauthorization) -> dict[str, Any]:
        changed = self._apply(call, held, PreauthorizationEvent.FREEZE)
        if changed is None:
            raise ApiError("ORDER_ALREADY_CLOSED")
        return operation_fields(self._context, changed, changed.freeze)

    def _unfreeze(self, call: ApiCall) -> Success:
        number, fen, remark = self._release(call)
        url, store = _notify_url(call), self._context.preauthorizations
        held = self._known(call, store.find("auth_no", call.required("auth_no")))

        def release(held: Preauthorization) -> Preauthorization | None:
            made = held.find(UNFREEZE, number) is not None
            return None if made else held.released(number, fen, call.now, remark)

        changed = store.change(held.order.out_order_no, release)
        held = changed or store.get(held.order.out_order_no) or held
        made = held.find(UNFREEZE, number)
        if made is None:
            raise ApiError(_why_not_released(held))
        if made.fen != fen:  # the same number and amount are the same operation (#28)
            raise ApiError("UNIQUE_VIOLATION")
        if changed is not None:
            message = fund_changed(self._context, held, made, url, call.charset)
            call.notifications.extend(message)
        return Success(operation_fields(self._context, held, made))

    def _release(self, call: ApiCall) -> tuple[str, int, str]:
        number = call.required("out_request_no")
        check_out_trade_no(number, "out_request_no")
        remark = call.required("remark", 100)
        _json_text(call, "extra_param", 300)
        return number, to_minor_units(call.required("amount"), parameter="amount"), remark

    def _query(self, call: ApiCall) -> Success:
        """Return an operation; without ``operation_type`` the freeze before a release (#22)."""
        kind = call.text("operation_type", 20)
        if kind:
            check_choice("operation_type", kind, (FREEZE, UNFREEZE, CAPTURE))
        held, operation = self._named(call, (kind,) if kind else (FREEZE, UNFREEZE, CAPTURE))
        order = held.order
        fields = {
            **operation_fields(self._context, held, operation),
            **amounts(held),
            "order_status": held.status,
            "order_title": order.title,
            "operation_type": operation.kind,
            "gmt_create": format_china_time(operation.created_at),
            "remark": operation.remark,
        }
        # The answer to a query has no such field (#25).
        del fields["total_unfreeze_amount"]
        if held.frozen_at is not None:
            fields |= payer(self._context)
        return Success({name: value for name, value in fields.items() if value != ""})

    def _cancel(self, call: ApiCall) -> Success:
        """End a freeze of unknown outcome: close it, or give the amount back."""
        call.required("remark", 100)
        _notify_url(call)
        held, operation = self._named(call, (FREEZE,))
        number = held.order.out_order_no
        if held.waiting:
            closed = self._context.preauthorizations.apply(
                number, PreauthorizationEvent.REFUSE, call.now
            )
            if closed is not None:
                self._announce_cancel(call, closed, "close")
            held = closed or held
        if held.frozen_at is None:  # a repetition has the same answer (a guess)
            return Success({**numbers(held, operation), "action": "close"})
        given_back = self._given_back(call, held)
        if given_back is not None:
            self._announce_cancel(call, given_back, "unfreeze")
        return Success({**numbers(held, operation), "action": "unfreeze"})

    def _given_back(self, call: ApiCall, held: Preauthorization) -> Preauthorization | None:
        """Release the whole amount; ``None`` if a cancellation released it before."""
        request = held.order.out_request_no
        made = held.find(UNFREEZE, request)
        if made is not None and made.fen == held.frozen_fen and made.remark:
            return None
        if held.captured_fen and not held.rest_fen:
            raise ApiError("ORDER_ALREADY_FINISH")
        if held.rest_fen < held.frozen_fen:  # only if nothing was taken from it yet (#31)
            raise ApiError("REQUEST_AMOUNT_EXCEED")
        if held.frozen_at is None or call.now > held.frozen_at + CANCEL_WITHIN:
            raise ApiError("CANCEL_OPERATION_TIME_OUT")
        # A release may have the number of the freeze (#22, captured).
        changed = self._context.preauthorizations.change(
            held.order.out_order_no,
            lambda now_held: now_held.released(
                request, held.frozen_fen, call.now, call.text("remark", 100)
            ),
        )
        if changed is None:  # another client was faster
            raise ApiError("SYSTEM_ERROR")
        return changed

    def _created(self, call: ApiCall, *, opened: bool) -> Preauthorization:
        """Return the pre-authorisation of a call, new or existing, that waits for its payer.

        :raises InvalidParameter: names the parameter that Alipay would reject.
        :raises ApiError: if a number was used for another, or it does not wait any more.
        """
        order, store = self._read(call), self._context.preauthorizations
        other = store.find("out_request_no", order.out_request_no)
        if other is not None and other.order.out_order_no != order.out_order_no:
            raise ApiError("UNIQUE_VIOLATION")
        held = self._refreshed(call, store.create(order, call.now, opened=opened))
        if not held.order.agrees_with(order) or held.order.app_auth_token != order.app_auth_token:
            raise ApiError("UNIQUE_VIOLATION")
        if held.authorized:
            raise ApiError("FREEZE_ALREADY_SUCCESS")
        if not held.waiting:
            raise ApiError(_ended(held))
        return held

    def _read(self, call: ApiCall) -> FreezeOrder:
        order_no, request_no = (call.required(name) for name in ("out_order_no", "out_request_no"))
        check_out_trade_no(order_no, "out_order_no")
        check_out_trade_no(request_no, "out_request_no")
        fen = to_minor_units(call.required("amount"), parameter="amount")
        if fen > _MAX_FEN:
            raise InvalidParameter("amount", "must be at most 100000000.00")
        check_choice("product_code", call.required("product_code"), PRODUCTS)
        for name, length in _JSON_TEXTS.items():
            _json_text(call, name, length)
        if call.text("enable_pay_channels", 1000) and call.text("disable_pay_channels", 1000):
            raise InvalidParameter("disable_pay_channels", "excludes enable_pay_channels")
        self._check_payee(call)
        return FreezeOrder(
            call.method,
            order_no,
            request_no,
            call.required("order_title", 100),
            fen,
            call.required("product_code"),
            call.charset,
            call.now + _timeout(call),
            _notify_url(call),
            call.params.get("app_auth_token", ""),
        )

    def _check_payee(self, call: ApiCall) -> None:
        """Check that the payee is the merchant's account; the number takes precedence."""
        token = self._context.authorizations.app_token(call.params.get("app_auth_token", ""))
        number = call.text("payee_user_id", 32)
        if number and number not in (
            self._context.merchant.partner,
            "" if token is None else token.user_id,
        ):
            raise ApiError("ILLEGAL_PAYEE_USER_ID")
        logon_id = call.text("payee_logon_id", 100)
        if not number and logon_id not in ("", self._context.merchant.seller_email):
            raise ApiError("PAYEE_NOT_EXIST")

    def _named(
        self, call: ApiCall, kinds: tuple[str, ...]
    ) -> tuple[Preauthorization, FundOperation]:
        """Return the operation that a call names; Alipay's numbers take precedence (#21)."""
        store = self._context.preauthorizations
        auth_no, operation_id = call.text("auth_no"), call.text("operation_id")
        if auth_no and operation_id:
            held = self._known(call, store.find("auth_no", auth_no))
            name, value = "operation_id", operation_id
        elif call.text("out_order_no") and call.text("out_request_no"):
            held = self._known(call, store.get(call.required("out_order_no")))
            name, value = "out_request_no", call.required("out_request_no")
        else:
            raise InvalidParameter(
                "out_order_no", "with out_request_no, or auth_no with operation_id, is required"
            )
        found = [one for one in held.operations if getattr(one, name) == value]
        for kind in kinds:
            for operation in found:
                if operation.kind == kind:
                    return held, operation
        raise ApiError("AUTH_OPERATION_NOT_EXIST")

    def _known(self, call: ApiCall, held: Preauthorization | None) -> Preauthorization:
        """Return a pre-authorisation that exists for this merchant, after its expiry."""
        token = call.params.get("app_auth_token", "")
        if held is not None and held.order.app_auth_token == token:
            held = self._refreshed(call, held)
            if held.opened_at is not None:
                return held
        raise ApiError("AUTH_ORDER_NOT_EXIST")

    def _refreshed(self, call: ApiCall, held: Preauthorization) -> Preauthorization:
        return self._apply(call, held, None) or held

    def _apply(
        self, call: ApiCall, held: Preauthorization, event: str | None
    ) -> Preauthorization | None:
        """Apply an event; ``None`` if it did not happen, or the time was over before."""
        changed = self._context.preauthorizations.apply(held.order.out_order_no, event, call.now)
        if changed is None:
            return None
        call.notifications.extend(fund_changed(self._context, changed))
        frozen = event != PreauthorizationEvent.FREEZE or changed.authorized
        return changed if frozen else None

    def _announce_cancel(self, call: ApiCall, held: Preauthorization, action: str) -> None:
        """Announce a cancellation to the address of its call; it has no amounts."""
        url = _notify_url(call)
        if url:
            content = {**numbers(held, held.freeze), "action": action}
            call.notifications.append(Announcement(CANCEL_MESSAGE, content, url, call.charset))


def _notify_url(call: ApiCall) -> str:
    return checked_url("notify_url", call.params.get("notify_url", ""), max_length=256)


def _json_text(call: ApiCall, name: str, max_length: int) -> None:
    """Check a field that is JSON as text (#16)."""
    value = call.text(name, max_length)
    if not value:
        return
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        raise InvalidParameter(name, "must be JSON as a text") from None


def _timeout(call: ApiCall) -> timedelta:
    """Return the time to authorise; the field has two names (section 2.3)."""
    name = next((n for n in ("pay_timeout", "timeout_express") if call.text(n, 5)), "pay_timeout")
    minutes = timeout_minutes(name, call.text(name, 5) or _DEFAULT_TIMEOUT)
    if minutes is None:
        raise InvalidParameter(name, "must be minutes, hours or days, like 15m")
    return timedelta(minutes=minutes)


def _ended(held: Preauthorization) -> str:
    return "ORDER_ALREADY_FINISH" if held.captured_fen else "ORDER_ALREADY_CLOSED"


def _why_not_released(held: Preauthorization) -> str:
    """Return the code of a release that is not possible (#29)."""
    if held.authorized:
        return "REQUEST_AMOUNT_EXCEED"
    return "ILLEGAL_STATUS" if held.waiting else _ended(held)
