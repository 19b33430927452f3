"""Entry point of the legacy gateway: service, merchant and signature of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from ...exceptions import InvalidAmount, InvalidParameter
from .. import error_codes
from ..clock import OffsetFn, zero_offset
from ..faults import SYSTEM_ERROR, SYSTEM_ERROR_DONE, Faults
from ..merchant.merchant import SimulatedMerchant
from ..notifications.notify_ids import NotifyIds
from ..replies import (
    ApiError,
    CallResult,
    ErrorPage,
    PendingNotification,
    PlainText,
    RedirectToBatch,
    Reply,
)
from ..storage.storage import Storage
from ..trades.batches import DONE, REFUNDS, REFUSED, BatchStore
from ..trades.trades import Trade, TradeStore
from ..web.forms import InvalidForm, RawForm
from ..web.urls import valid_url_or_empty
from . import xml
from .account import AccountService, Timestamps
from .call import ApiCall, Context, Service
from .forex import ForexService
from .mobile import MobileService
from .notifications import NotificationBuilder
from .overseas import OverseasService
from .payments import PaymentService
from .qrcodes import QrCodeService
from .refunds import RefundService
from .signing import ServerSigner
from .trades import TradeService
from .transfers import TransferService

NOTIFY_VERIFY: Final = "notify_verify"
_DEFAULT_CHARSET: Final = "gbk"


class Mapi:
    """Alipay's legacy gateway.

    A paid trade becomes ``TRADE_SUCCESS``, as a merchant with the advanced contract for direct
    payment sees it.

    :param merchant: the only merchant.
    :param trades: store of the trades.
    :param batches: store of the batches.
    :param notify_ids: issues and remembers notification IDs.
    :param faults: the faults to inject.
    :param storage: stores the data beyond the process.
    :param ahead: tells how far the time here is ahead of the merchant's.
    """

    def __init__(
        self,
        merchant: SimulatedMerchant,
        trades: TradeStore,
        batches: BatchStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
        storage: Storage | None = None,
        ahead: OffsetFn = zero_offset,
    ) -> None:
        signer = ServerSigner(merchant.alipay_signers())
        self._context = context = Context(
            merchant,
            trades,
            batches,
            notify_ids,
            signer,
            faults or Faults(),
            storage or Storage(),
            ahead,
        )
        self._notifications = NotificationBuilder(context)
        timestamps = Timestamps(context)
        self._refunds, self._transfers = (
            RefundService(context, self._notifications),
            TransferService(context, self._notifications),
        )
        self._mobile = MobileService(context)
        services = (
            PaymentService(context, timestamps),
            TradeService(context),
            self._refunds,
            self._transfers,
            timestamps,
            AccountService(context),
            ForexService(context),
            OverseasService(context),
            QrCodeService(context),
        )
        #: The services by name.
        self.services: Mapping[str, Service] = {
            name: service for group in services for name, service in group.services.items()
        }

    def reply(self, form: RawForm, now: datetime) -> CallResult:
        """Handle a request to the gateway; never raise for its content."""
        name = form.ascii_value("service") or ""
        if name == NOTIFY_VERIFY:
            return self.notify_verify(form, now)
        service = self.services.get(name)
        call = None
        try:
            if service is None:
                raise ApiError("ILLEGAL_SERVICE")
            call = self._received(name, service, form, now)
            return self._done(service, call)
        except InvalidAmount as error:
            refusal = ApiError("ILLEGAL_FEE_PARAM", str(error))
        except InvalidParameter as error:
            refusal = ApiError("ILLEGAL_ARGUMENT", str(error))
        except ApiError as error:
            refusal = error
        return CallResult(_refused(refusal, service, call))

    def _done(self, service: Service, call: ApiCall) -> CallResult:
        """Return the service's reply, unless a fault makes it fail before or after its effect."""
        if self._context.failing(SYSTEM_ERROR, call):
            raise ApiError("SYSTEM_ERROR")
        reply = service.run(call)
        if self._context.failing(SYSTEM_ERROR_DONE, call):
            return replace(reply, reply=_refused(ApiError("SYSTEM_ERROR"), service, call))
        return reply

    def notify_verify(self, form: RawForm, now: datetime) -> CallResult:
        """Return True if a ``notify_id`` was sent to this merchant within the last minute."""
        notify_id = form.ascii_value("notify_id")
        if form.ascii_value("partner") != self._context.merchant.partner or not notify_id:
            return CallResult(PlainText("invalid"))
        fresh = self._context.notify_ids.is_recent(notify_id, now)
        return CallResult(PlainText("true" if fresh else "false"))

    def pay_in_app(self, order_string: bytes, cancel: bool, now: datetime) -> CallResult:
        """Handle an app's order string as Alipay's SDK does: pay, or cancel."""
        return self._mobile.reply(order_string, cancel, now)

    def confirm(self, batch_id: str, now: datetime) -> CallResult | None:
        """Perform a batch that waits for confirmation; ``None`` if it does not."""
        batch = self._context.batches.end(batch_id, DONE, now)
        if batch is None:
            return None
        group = self._refunds if batch.kind == REFUNDS else self._transfers
        return group.perform(batch, now)

    def refuse(self, batch_id: str, now: datetime) -> CallResult | None:
        """Reject a batch that waits for confirmation; ``None`` if it does not.

        Rejected refunds are not notified; of rejected transfers every entry fails.
        """
        batch = self._context.batches.end(batch_id, REFUSED, now)
        if batch is None:
            return None
        if batch.kind == REFUNDS:
            return CallResult(RedirectToBatch(batch))
        return self._transfers.perform(batch, now)

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade; ``None`` without a notify_url, and if Alipay sends
        none.
        """
        return self._notifications.notice(trade)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
        return self._notifications.compose(notice, now)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        return self._notifications.return_query(trade, now)

    def _received(self, name: str, service: Service, form: RawForm, now: datetime) -> ApiCall:
        charset = form.ascii_value("_input_charset") or (
            "" if service.browser else _DEFAULT_CHARSET
        )
        if not charset:
            raise ApiError("ILLEGAL_CHARSET", "_input_charset is required")
        params = _read(form, charset)
        if params.get("partner") != self._context.merchant.partner:
            raise ApiError("ILLEGAL_PARTNER")
        if service.unsigned and not params.get("sign"):
            return ApiCall(name, params, charset, "MD5", now)
        self._authenticate(params, charset)
        return ApiCall(name, params, charset, params["sign_type"], now)

    def _authenticate(self, params: Mapping[str, str], charset: str) -> None:
        sign_type = params.get("sign_type", "")
        if not self._context.signer.knows(sign_type):
            raise ApiError("ILLEGAL_SIGN_TYPE", "sign_type must be MD5, RSA or RSA2")
        if not params.get("sign"):
            raise ApiError("ILLEGAL_SIGN", "sign is missing")
        if not self._context.signer.verifies(params, sign_type, charset):
            raise ApiError(
                "ILLEGAL_SIGN",
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )


def _read(form: RawForm, charset: str) -> dict[str, str]:
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise ApiError("ILLEGAL_CHARSET", str(error)) from None
    except InvalidForm as error:
        raise ApiError("ILLEGAL_ENCODING", f"the request {error}") from None


def _refused(refusal: ApiError, service: Service | None, call: ApiCall | None) -> Reply:
    """Return a page for a browser or an unknown client; XML otherwise."""
    if service is not None and not service.browser:
        return xml.refused(refusal.code, _DEFAULT_CHARSET if call is None else call.charset)
    shop_url = "" if call is None else valid_url_or_empty(call.get("return_url"))
    return ErrorPage(refusal.code, error_codes.MAPI[refusal.code], refusal.detail, shop_url)
