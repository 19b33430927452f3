"""Batch refunds: confirmed by the merchant in a browser, or performed without a password.

In both cases Alipay notifies the result with the batch number and without ``out_trade_no``: see
:class:`~flask_alipay.protocol.batch_notification.RefundBatchNotification`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from ...protocol.signed_request import SignedRequest
from ...protocol.validation import amount, choice, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .batch_numbers import batch_no, check_entries, entry_text
from .client import MapiClient
from .responses import AcceptedResponse

if TYPE_CHECKING:
    from typing_extensions import Unpack

WITH_PASSWORD = "refund_fastpay_by_platform_pwd"  # noqa: S105 - no password
WITHOUT_PASSWORD = "refund_fastpay_by_platform_nopwd"  # noqa: S105

# Fewer than 256 bytes.
_REASON = entry_text(255, in_bytes=True)
_ACCOUNT = entry_text(100)


@dataclass(frozen=True)
class RoyaltyRefund:
    """A royalty that is reclaimed from its receiver."""

    #: The debited account: login name and account number.
    out_account: str = field(repr=False)
    out_id: str
    #: The credited account.
    in_account: str = field(repr=False)
    in_id: str
    #: Amount in yuan.
    amount: str | int | Decimal
    reason: str


@dataclass(frozen=True)
class SubTradeRefund:
    """The part of a refund that belongs to a sub-trade."""

    #: Amount in yuan.
    amount: str | int | Decimal
    reason: str


@dataclass(frozen=True)
class RefundEntry:
    """One refund of a batch."""

    #: Alipay's trade number; unique within a batch.
    trade_no: str
    #: Amount in yuan.
    amount: str | int | Decimal
    #: Reason; fewer than 256 bytes.
    reason: str
    royalties: Sequence[RoyaltyRefund] = ()
    sub_trade: SubTradeRefund | None = None


class RefundBatch(TypedDict, total=False):
    """Parameters of ``refund_fastpay_by_platform_pwd`` besides the entries."""

    batch_no: Annotated[
        str, batch_no, REQUIRED, "never used before; ``new_batch_no()`` returns one"
    ]
    refund_date: Annotated[str | datetime | None, validators.china_datetime, "now by default"]
    notify_url: Annotated[str | None, url(190, query=False), "receives the result"]
    seller_user_id: Annotated[str | None, validators.account, "the merchant's account by default"]
    seller_email: Annotated[str | None, text(100), "instead of ``seller_user_id``"]


class RefundBatchWithoutPassword(RefundBatch, total=False):
    """Parameters of ``refund_fastpay_by_platform_nopwd`` besides the entries."""

    use_freeze_amount: Annotated[str | None, choice("Y", "N")]
    return_type: Annotated[str | None, choice("xml")]
    dback_notify_url: Annotated[str | None, url(190, query=False)]


class Refunds(MapiClient):
    """Refunds of paid trades."""

    def refund_fastpay_by_platform_pwd(
        self, entries: Sequence[RefundEntry], **params: Unpack[RefundBatch]
    ) -> SignedRequest:
        """Create a batch refund that the merchant confirms in a browser with the password
        (即时到账批量退款有密).

        :param entries: at most 1000 :class:`RefundEntry`, each trade once.
        :param params: see :ref:`refund_fastpay_by_platform_pwd
            <parameters-refund_fastpay_by_platform_pwd>`.
        :raises InvalidParameter: names the invalid parameter, and in the entries the field.
        :raises TypeError: for a ``float`` amount.
        """
        return self._sign(WITH_PASSWORD, self._batch(WITH_PASSWORD, RefundBatch, entries, params))

    def refund_fastpay_by_platform_nopwd(
        self, entries: Sequence[RefundEntry], **params: Unpack[RefundBatchWithoutPassword]
    ) -> AcceptedResponse:
        """Submit a batch refund (即时到账批量退款无密).

        Alipay accepts the batch, and notifies the result.

        :param entries: at most 1000 :class:`RefundEntry`, each trade once.
        :param params: see :ref:`refund_fastpay_by_platform_nopwd
            <parameters-refund_fastpay_by_platform_nopwd>`.
        :raises InvalidParameter: names the invalid parameter, and in the entries the field.
        :raises GatewayError: with Alipay's code: nothing was accepted.
        :raises OutcomeUnknown: if no response arrives: retry with the **same** ``batch_no``.
        """
        service = WITHOUT_PASSWORD
        batch = self._batch(service, RefundBatchWithoutPassword, entries, params)
        return AcceptedResponse(self._execute(service, batch).params)

    def _batch(
        self,
        service: str,
        declaration: type,
        entries: Sequence[RefundEntry],
        params: Mapping[str, Any],
    ) -> dict[str, str]:
        given = {name: value for name, value in params.items() if value is not None}
        seller = self._seller(given, "seller_user_id", "seller_email")
        values = {"refund_date": validators.china_now(), **seller, **given}
        checked = validate_declared(declaration, values, self.charset, service)
        return {
            **checked,
            "batch_num": str(len(entries)),
            "detail_data": detail_data(entries, self.charset),
        }


def detail_data(entries: Sequence[RefundEntry], charset: str) -> str:
    """Format the refunds of a batch as Alipay's text.

    :param entries: the refunds.
    :param charset: the merchant's charset.
    :raises InvalidParameter: names ``detail_data``, or the field of an entry.
    """
    check_entries(entries, RefundEntry, [getattr(entry, "trade_no", "") for entry in entries])
    return "#".join(_entry(entry, charset) for entry in entries)


def _entry(entry: RefundEntry, charset: str) -> str:
    number = validators.trade_no("trade_no", entry.trade_no, charset)
    parts = ["^".join((number, *_refund(entry, charset)))]
    for share in entry.royalties:
        parties = (
            _ACCOUNT("out_account", share.out_account, charset),
            validators.account("out_id", share.out_id, charset),
            _ACCOUNT("in_account", share.in_account, charset),
            validators.account("in_id", share.in_id, charset),
        )
        parts.append("^".join((*parties, *_refund(share, charset))))
    refund = "|".join(parts)
    if entry.sub_trade is None:
        return refund
    return f"{refund}$${'^'.join(_refund(entry.sub_trade, charset))}"


def _refund(entry: RefundEntry | RoyaltyRefund | SubTradeRefund, charset: str) -> tuple[str, str]:
    return amount("amount", entry.amount, charset), _REASON("reason", entry.reason, charset)
