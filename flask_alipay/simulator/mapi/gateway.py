"""The door of the legacy gateway: which service, whose call, whose signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from ...exceptions import InvalidAmount, InvalidParameter
from .. import codes
from ..answers import Answer, ErrorPage, Notice, PlainText, Refusal, Reply, ToBatch
from ..batches import DONE, REFUNDS, REFUSED, BatchStore
from ..clock import OffsetFn, zero_offset
from ..faults import SYSTEM_ERROR, SYSTEM_ERROR_DONE, Faults
from ..merchant import Merchant
from ..notify_ids import NotifyIds
from ..state import Nowhere, State
from ..trades import Trade, TradeStore
from ..urls import usable_url
from ..wire import RawForm, Unreadable
from . import xml
from .account import Account, Timestamps
from .call import Call, Desk, Service
from .forex import Forex
from .mobile import Mobile
from .news import News
from .overseas import Overseas
from .payments import Payments
from .qrcodes import QrCodes
from .refunds import Refunds
from .seal import Seal
from .trades import Trades
from .transfers import Transfers

NOTIFY_VERIFY: Final = "notify_verify"
_DEFAULT_CHARSET: Final = "gbk"


class Mapi:
    """Alipay's legacy gateway.

    A paid trade becomes ``TRADE_SUCCESS``, as a merchant with the advanced contract for direct
    payment sees it.

    :param merchant: the only one it knows.
    :param trades: where orders become trades.
    :param batches: where batches wait.
    :param notify_ids: gives notifications their numbers and knows them again.
    :param faults: what is to go wrong.
    :param state: keeps what it knows beyond the process.
    :param ahead: tells how far the time here is ahead of the merchant's.
    """

    def __init__(
        self,
        merchant: Merchant,
        trades: TradeStore,
        batches: BatchStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
        state: State | None = None,
        ahead: OffsetFn = zero_offset,
    ) -> None:
        seal = Seal(merchant.alipay_signers())
        self._desk = desk = Desk(
            merchant,
            trades,
            batches,
            notify_ids,
            seal,
            faults or Faults(),
            state or Nowhere(),
            ahead,
        )
        self._news = News(desk)
        timestamps = Timestamps(desk)
        self._refunds, self._transfers = Refunds(desk, self._news), Transfers(desk, self._news)
        self._mobile = Mobile(desk)
        rooms = (
            Payments(desk, timestamps),
            Trades(desk),
            self._refunds,
            self._transfers,
            timestamps,
            Account(desk),
            Forex(desk),
            Overseas(desk),
            QrCodes(desk),
        )
        #: The services by name.
        self.services: Mapping[str, Service] = {
            name: service for room in rooms for name, service in room.services.items()
        }

    def answer(self, form: RawForm, now: datetime) -> Reply:
        """Answers a request to the gateway; never raises for what is in it."""
        name = form.word("service") or ""
        if name == NOTIFY_VERIFY:
            return self.notify_verify(form, now)
        service = self.services.get(name)
        call = None
        try:
            if service is None:
                raise Refusal("ILLEGAL_SERVICE")
            call = self._received(name, service, form, now)
            return self._done(service, call)
        except InvalidAmount as error:
            refusal = Refusal("ILLEGAL_FEE_PARAM", str(error))
        except InvalidParameter as error:
            refusal = Refusal("ILLEGAL_ARGUMENT", str(error))
        except Refusal as error:
            refusal = error
        return Reply(_refused(refusal, service, call))

    def _done(self, service: Service, call: Call) -> Reply:
        """What the service answers, unless a fault has it fail: before it is done, or after."""
        if self._desk.failing(SYSTEM_ERROR, call):
            raise Refusal("SYSTEM_ERROR")
        reply = service.run(call)
        if self._desk.failing(SYSTEM_ERROR_DONE, call):
            return replace(reply, answer=_refused(Refusal("SYSTEM_ERROR"), service, call))
        return reply

    def notify_verify(self, form: RawForm, now: datetime) -> Reply:
        """Tell whether a ``notify_id`` was sent to this merchant within the last minute."""
        notify_id = form.word("notify_id")
        if form.word("partner") != self._desk.merchant.partner or not notify_id:
            return Reply(PlainText("invalid"))
        fresh = self._desk.notify_ids.fresh(notify_id, now)
        return Reply(PlainText("true" if fresh else "false"))

    def pay_in_app(self, order_string: bytes, cancel: bool, now: datetime) -> Reply:
        """Answers an app's order string as its library does, the payment made or cancelled."""
        return self._mobile.answer(order_string, cancel, now)

    def confirm(self, batch_id: str, now: datetime) -> Reply | None:
        """Does the batch of a page; ``None`` if it does not wait there."""
        batch = self._desk.batches.end(batch_id, DONE, now)
        if batch is None:
            return None
        room = self._refunds if batch.kind == REFUNDS else self._transfers
        return room.perform(batch, now)

    def refuse(self, batch_id: str, now: datetime) -> Reply | None:
        """Takes a batch off its page, undone; ``None`` if it does not wait there.

        Of refused refunds nothing is told; of refused transfers every entry fails.
        """
        batch = self._desk.batches.end(batch_id, REFUSED, now)
        if batch is None:
            return None
        if batch.kind == REFUNDS:
            return Reply(ToBatch(batch))
        return self._transfers.perform(batch, now)

    def notice(self, trade: Trade) -> Notice | None:
        """Returns what the merchant is to be told of the trade.

        ``None`` without a notify_url, and for news that Alipay does not tell.
        """
        return self._news.notice(trade)

    def compose(self, notice: Notice, now: datetime) -> bytes:
        """Returns the signed body of a notification for the time of a sending."""
        return self._news.compose(notice, now)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Returns the signed query with which the buyer of a paid trade returns to the shop."""
        return self._news.return_query(trade, now)

    def _received(self, name: str, service: Service, form: RawForm, now: datetime) -> Call:
        charset = form.word("_input_charset") or ("" if service.browser else _DEFAULT_CHARSET)
        if not charset:
            raise Refusal("ILLEGAL_CHARSET", "_input_charset is required")
        params = _read(form, charset)
        if params.get("partner") != self._desk.merchant.partner:
            raise Refusal("ILLEGAL_PARTNER")
        if service.unsigned and not params.get("sign"):
            return Call(name, params, charset, "MD5", now)
        self._authenticate(params, charset)
        return Call(name, params, charset, params["sign_type"], now)

    def _authenticate(self, params: Mapping[str, str], charset: str) -> None:
        sign_type = params.get("sign_type", "")
        if not self._desk.seal.knows(sign_type):
            raise Refusal("ILLEGAL_SIGN_TYPE", "sign_type must be MD5, RSA or RSA2")
        if not params.get("sign"):
            raise Refusal("ILLEGAL_SIGN", "sign is missing")
        if not self._desk.seal.verifies(params, sign_type, charset):
            raise Refusal(
                "ILLEGAL_SIGN",
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )


def _read(form: RawForm, charset: str) -> dict[str, str]:
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise Refusal("ILLEGAL_CHARSET", str(error)) from None
    except Unreadable as error:
        raise Refusal("ILLEGAL_ENCODING", f"the request {error}") from None


def _refused(refusal: Refusal, service: Service | None, call: Call | None) -> Answer:
    """A page where a browser brought the request, or nobody knows who did; XML otherwise."""
    if service is not None and not service.browser:
        return xml.refused(refusal.code, _DEFAULT_CHARSET if call is None else call.charset)
    shop_url = "" if call is None else usable_url(call.get("return_url"))
    return ErrorPage(refusal.code, codes.MAPI[refusal.code], refusal.detail, shop_url)
