"""Refunds in batches: confirmed by the merchant in a browser, or performed without a password.

Either way Alipay tells the result in a notification with the batch's number and no order's:
:class:`~flask_alipay.batches.RefundBatch` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from ..fields import Field, amount, choice, convert, text, url
from ..signed_request import SignedRequest
from . import rules
from .answers import Accepted
from .batches import batch_no, check_entries, part
from .caller import Caller

if TYPE_CHECKING:
    from typing_extensions import Unpack

WITH_PASSWORD = "refund_fastpay_by_platform_pwd"  # noqa: S105 - no password
WITHOUT_PASSWORD = "refund_fastpay_by_platform_nopwd"  # noqa: S105

_FIELDS: Mapping[str, Field] = {
    "batch_no": batch_no,
    "refund_date": rules.moment,
    "notify_url": url(190, query=False),
    "seller_user_id": rules.account,
    "seller_email": text(100),
}
_WITHOUT_PASSWORD: Mapping[str, Field] = {
    **_FIELDS,
    "use_freeze_amount": choice("Y", "N"),
    "return_type": choice("xml"),
    "dback_notify_url": url(190, query=False),
}

# Fewer than 256 bytes.
_REASON = part(255, in_bytes=True)
_ACCOUNT = part(100)


@dataclass(frozen=True)
class RoyaltyRefund:
    """A share that is taken back from one who had got it."""

    #: Whose account it leaves: login name and number.
    out_account: str = field(repr=False)
    out_id: str
    #: Whose account it enters.
    in_account: str = field(repr=False)
    in_id: str
    #: Yuan.
    amount: str | int | Decimal
    reason: str


@dataclass(frozen=True)
class SubTradeRefund:
    """The part of a refund that belongs to a trade within the trade."""

    #: Yuan.
    amount: str | int | Decimal
    reason: str


@dataclass(frozen=True)
class RefundEntry:
    """One refund of a batch."""

    #: Alipay's number of the trade; once in a batch.
    trade_no: str
    #: Yuan.
    amount: str | int | Decimal
    #: Why; fewer than 256 bytes.
    reason: str
    royalties: Sequence[RoyaltyRefund] = ()
    sub_trade: SubTradeRefund | None = None


class RefundBatch(TypedDict, total=False):
    """What :meth:`Refunds.refund_fastpay_by_platform_pwd` takes besides the entries."""

    batch_no: str
    refund_date: str | datetime | None
    notify_url: str | None
    seller_user_id: str | None
    seller_email: str | None


class RefundBatchWithoutPassword(RefundBatch, total=False):
    """What :meth:`Refunds.refund_fastpay_by_platform_nopwd` takes besides."""

    use_freeze_amount: str | None
    return_type: str | None
    dback_notify_url: str | None


class Refunds(Caller):
    """Refunds of paid trades."""

    def refund_fastpay_by_platform_pwd(
        self, entries: Sequence[RefundEntry], **params: Unpack[RefundBatch]
    ) -> SignedRequest:
        """Makes a batch of refunds that the merchant confirms in a browser with the password
        (即时到账批量退款有密).

        :param entries: at most 1000 :class:`RefundEntry`, each trade once.
        :param params: ``batch_no`` (never used before; :func:`~flask_alipay.mapi.new_batch_no`
            makes one); ``refund_date`` is now unless given, the seller is the merchant unless
            ``seller_user_id`` or ``seller_email`` is given; ``notify_url`` is told the result.
        :raises InvalidParameter: names the parameter at fault, and in the entries the field.
        :raises TypeError: for a ``float`` amount.
        """
        return self._sign(WITH_PASSWORD, self._batch(WITH_PASSWORD, _FIELDS, entries, params))

    def refund_fastpay_by_platform_nopwd(
        self, entries: Sequence[RefundEntry], **params: Unpack[RefundBatchWithoutPassword]
    ) -> Accepted:
        """Performs a batch of refunds (即时到账批量退款无密).

        Alipay takes it on; the result is told in a notification.

        :param entries: at most 1000 :class:`RefundEntry`, each trade once.
        :param params: as in :meth:`refund_fastpay_by_platform_pwd`, and ``use_freeze_amount``,
            ``return_type`` and ``dback_notify_url``.
        :raises InvalidParameter: names the parameter at fault, and in the entries the field.
        :raises GatewayError: with Alipay's code: nothing was taken on.
        :raises OutcomeUnknown: if no answer comes: ask again with the **same** ``batch_no``.
        """
        service = WITHOUT_PASSWORD
        return Accepted(
            self._tell(service, self._batch(service, _WITHOUT_PASSWORD, entries, params)).params
        )

    def _batch(
        self,
        service: str,
        table: Mapping[str, Field],
        entries: Sequence[RefundEntry],
        params: Mapping[str, Any],
    ) -> dict[str, str]:
        given = {name: value for name, value in params.items() if value is not None}
        own = self._seller(given, "seller_user_id", "seller_email")
        values = {"refund_date": rules.china_now(), **own, **given}
        checked = convert(table, values, self.charset, service)
        rules.require(checked, "batch_no")
        return {
            **checked,
            "batch_num": str(len(entries)),
            "detail_data": detail_data(entries, self.charset),
        }


def detail_data(entries: Sequence[RefundEntry], charset: str) -> str:
    """Returns the refunds of a batch as Alipay's text.

    :param entries: the refunds.
    :param charset: the merchant's charset.
    :raises InvalidParameter: names ``detail_data``, or the field of an entry.
    """
    check_entries(entries, RefundEntry, [getattr(entry, "trade_no", "") for entry in entries])
    return "#".join(_entry(entry, charset) for entry in entries)


def _entry(entry: RefundEntry, charset: str) -> str:
    number = rules.trade_no("trade_no", entry.trade_no, charset)
    pieces = ["^".join((number, *_refund(entry, charset)))]
    for share in entry.royalties:
        parties = (
            _ACCOUNT("out_account", share.out_account, charset),
            rules.account("out_id", share.out_id, charset),
            _ACCOUNT("in_account", share.in_account, charset),
            rules.account("in_id", share.in_id, charset),
        )
        pieces.append("^".join((*parties, *_refund(share, charset))))
    written = "|".join(pieces)
    if entry.sub_trade is None:
        return written
    return f"{written}$${'^'.join(_refund(entry.sub_trade, charset))}"


def _refund(entry: RefundEntry | RoyaltyRefund | SubTradeRefund, charset: str) -> tuple[str, str]:
    return amount("amount", entry.amount, charset), _REASON("reason", entry.reason, charset)
