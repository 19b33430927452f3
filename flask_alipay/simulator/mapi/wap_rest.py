"""The legacy WAP gateway, ``service/rest.htm``: XML in parameters, a token for each order.

The merchant's server exchanges an order for a token; the buyer's browser sends the token. Error
codes are those of this gateway's guide, four digits each.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import escape

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time
from .. import error_codes
from ..faults import SYSTEM_ERROR, SYSTEM_ERROR_DONE, Faults
from ..merchant.merchant import SimulatedMerchant
from ..notifications.notify_ids import NotifyIds
from ..replies import (
    ApiError,
    CallResult,
    ErrorPage,
    PendingNotification,
    PlainText,
    RedirectToCashier,
    Reply,
)
from ..trades.trades import Trade, TradeStore
from ..web.forms import InvalidForm, RawForm, encode_form
from .payments import placed
from .signing import ServerSigner
from .wap_order import CREATE, children, read_order

EXECUTE: Final = "alipay.wap.auth.authAndExecute"
#: The gateway's names of the sign types.
SEC_IDS: Final[Mapping[str, str]] = MappingProxyType({"MD5": "MD5", "0001": "RSA"})

_COMMON: Final = ("service", "format", "v", "partner", "sec_id", "req_data", "sign")


class WapRestService:
    """Alipay's legacy WAP gateway. Its messages are not encrypted, with RSA as well.

    :param merchant: the only merchant.
    :param trades: store of the trades.
    :param notify_ids: issues notification IDs.
    :param faults: the faults to inject.
    """

    def __init__(
        self,
        merchant: SimulatedMerchant,
        trades: TradeStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._merchant = merchant
        self._trades = trades
        self._notify_ids = notify_ids
        self._signer = ServerSigner(merchant.alipay_signers())

    def reply(self, form: RawForm, now: datetime) -> CallResult:
        """Handle a request; never raise for its content."""
        service = form.ascii_value("service") or ""
        try:
            params, charset = self._received(form)
            return CallResult(self._done(params, charset, now))
        except InvalidParameter as error:
            refusal = ApiError("0007", str(error))
        except ApiError as error:
            # What this gateway's guide has no code for is a system error, with the reason beside.
            known = error.code in error_codes.WAP
            refusal = error if known else ApiError("0000", f"{error.code} {error.detail}".strip())
        if service == EXECUTE:
            return CallResult(
                ErrorPage(refusal.code, error_codes.WAP[refusal.code], refusal.detail)
            )
        return CallResult(_refused(refusal, form))

    def _done(self, params: Mapping[str, str], charset: str, now: datetime) -> Reply:
        about = " ".join(params.values())
        if self._faults.take(SYSTEM_ERROR, about):
            raise ApiError("0000")
        if params["service"] == CREATE:
            answer = self._create(params, charset, now)
        else:
            answer = self._execute(params)
        if self._faults.take(SYSTEM_ERROR_DONE, about):
            raise ApiError("0000")
        return answer

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade; ``None`` without a notify_url."""
        order = trade.order
        if not order.notify_url:
            return None
        return PendingNotification(order.notify_url, self._notify_ids.new(), trade)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
        trade = notice.about
        if not isinstance(trade, Trade):
            raise TypeError("the WAP gateway notifies only trades")
        values = {
            **self._notifications(trade),
            "notify_id": notice.notify_id,
            "notify_time": format_china_time(now),
        }
        sign_type = trade.order.sign_type
        fields = {
            "service": CREATE,
            "v": "1.0",
            "sec_id": _sec_id(sign_type),
            "notify_data": _xml("notify", {**values, "notify_type": "trade_status_sync"}),
        }
        # In this order, and not sorted.
        content = "&".join(f"{name}={value}" for name, value in fields.items())
        fields["sign"] = self._signer.sign_text(content.encode("utf-8"), sign_type)
        return encode_form(fields, "utf-8").encode("ascii")

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        fields = {
            "out_trade_no": trade.order.out_trade_no,
            "request_token": trade.cashier_id,
            "result": "success",
            "trade_no": trade.trade_no,
        }
        sign = self._signer.sign(fields, trade.order.sign_type, "utf-8")
        return encode_form({**fields, "sign": sign}, "utf-8")

    def _received(self, form: RawForm) -> tuple[dict[str, str], str]:
        charset = form.ascii_value("_input_charset") or "utf-8"
        try:
            params = form.decode(charset)
        except (InvalidParameter, InvalidForm) as error:
            raise ApiError("0001", f"the request: {error}") from None
        required = (*_COMMON, "req_id") if params.get("service") == CREATE else _COMMON
        for name in required:
            if not params.get(name):
                raise ApiError("0001", f"{name} is required")
        if (params["format"], params["v"]) != ("xml", "2.0"):
            raise ApiError("0001", "format must be xml and v 2.0")
        if params["service"] not in (CREATE, EXECUTE):
            raise ApiError("0003")
        if params["partner"] != self._merchant.partner:
            raise ApiError("0005")
        if params["sec_id"] not in SEC_IDS:
            raise ApiError("0006", "sec_id must be MD5 or 0001")
        if not self._signer.verifies(params, SEC_IDS[params["sec_id"]], charset):
            raise ApiError("0002")
        return params, charset

    def _create(self, params: Mapping[str, str], charset: str, now: datetime) -> Reply:
        order = read_order(params["req_data"], "utf-8", SEC_IDS[params["sec_id"]], now)
        if order.echo["seller_account_name"] != self._merchant.seller_email:
            raise ApiError("0009")
        trade = placed(self._trades, order, now)
        response = {name: params[name] for name in ("partner", "req_id", "sec_id", "service", "v")}
        response["res_data"] = _document(
            "direct_trade_create_res", {"request_token": trade.cashier_id}
        )
        response["sign"] = self._signer.sign(response, order.sign_type, charset)
        return PlainText(encode_form(response, charset))

    def _execute(self, params: Mapping[str, str]) -> Reply:
        token = children(params["req_data"], "auth_and_execute_req").get("request_token", "")
        if not token:
            raise ApiError("0007", "request_token is required")
        # The token is as good a secret as the address of the page that it leads to: the same one.
        trade = self._trades.by_cashier(token)
        if trade is None:
            raise ApiError("0007", "request_token is unknown")
        return RedirectToCashier(trade)

    def _notifications(self, trade: Trade) -> dict[str, str]:
        order, merchant, yuan = trade.order, self._merchant, format_amount(trade.order.total_fen)
        times = {
            "gmt_payment": trade.paid_at,
            "gmt_close": trade.closed_at,
            "gmt_refund": trade.refunds[-1].at if trade.refunds else None,
        }
        return {
            "payment_type": "1",
            "subject": order.subject,
            "trade_no": trade.trade_no,
            "buyer_email": merchant.buyer_email,
            "gmt_create": format_china_time(trade.created_at),
            "quantity": "1",
            "out_trade_no": order.out_trade_no,
            "seller_id": merchant.partner,
            "trade_status": trade.status,
            "is_total_fee_adjust": "N",
            "total_fee": yuan,
            "seller_email": merchant.seller_email,
            "price": yuan,
            "buyer_id": merchant.buyer_id,
            "use_coupon": "N",
            **{name: format_china_time(at) for name, at in times.items() if at is not None},
            **({"refund_status": "REFUND_SUCCESS"} if trade.refunds else {}),
        }


def _sec_id(sign_type: str) -> str:
    return next(sec_id for sec_id, name in SEC_IDS.items() if name == sign_type)


def _xml(root: str, fields: Mapping[str, str]) -> str:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<{root}>{inner}</{root}>"


def _document(root: str, fields: Mapping[str, str]) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>{_xml(root, fields)}'


def _refused(refusal: ApiError, form: RawForm) -> Reply:
    """Return an unsigned error for the merchant's server."""
    meaning = error_codes.WAP[refusal.code]
    fields = {
        "code": refusal.code,
        "sub_code": refusal.code,
        "msg": meaning[0],
        "detail": refusal.detail or meaning[1],
    }
    names = ("partner", "req_id", "sec_id", "service", "v")
    params = {name: form.ascii_value(name) or "" for name in names}
    params["res_error"] = _document("err", fields)
    return PlainText(encode_form({name: value for name, value in params.items() if value}, "utf-8"))
