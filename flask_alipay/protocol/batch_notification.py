"""Results of refund and transfer batches of the legacy gateway.

These notifications have no ``out_trade_no``: a refund is identified by its batch number and
Alipay's trade number, a transfer by its batch number and its serial number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ..exceptions import BadNotification, InvalidAmount
from .conversion import parse_minor_units

#: The ``notify_type`` of a batch of refunds.
REFUNDS = "batch_refund_notify"
#: The ``notify_type`` of a batch of transfers.
TRANSFERS = "batch_trans_notify"

#: A batch can be submitted on the day of its number, and Alipay retries the notification of its
#: result for one day. An unconfirmed refund reserves its amount no longer than this.
PENDING_TTL = timedelta(days=2)

#: The code of a refund that succeeded.
REFUNDED = "SUCCESS"
_TRANSFER_FIELDS = 8


@dataclass(frozen=True)
class RefundResult:
    """Result of one refund of a batch."""

    #: Alipay's trade number.
    trade_no: str
    #: Amount in fen.
    refund_fen: int
    #: :data:`REFUNDED`, or Alipay's error code: ``TRADE_HAS_CLOSED`` …
    code: str


@dataclass(frozen=True)
class RefundBatchNotification:
    """Result of ``refund_fastpay_by_platform_pwd`` or ``…_nopwd``."""

    #: The merchant's batch number.
    batch_no: str
    #: Alipay's notification ID.
    notify_id: str | None
    #: Results of the batch's refunds.
    results: tuple[RefundResult, ...]
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> RefundBatchNotification:
        """Convert verified parameters.

        :raises BadNotification: if they are not the result of a refund batch.
        """
        details = _required(params, "result_details")
        return cls(
            batch_no=_required(params, "batch_no"),
            notify_id=params.get("notify_id") or None,
            results=tuple(_refund(entry) for entry in details.split("#")),
            params=params,
        )


@dataclass(frozen=True)
class TransferResult:
    """Result of one transfer of a batch."""

    #: The merchant's serial number of the transfer within its batch.
    serial: str
    #: The payee's account and name.
    account: str = field(repr=False)
    name: str = field(repr=False)
    #: Amount in fen.
    amount_fen: int
    #: True if the payee received the amount.
    succeeded: bool
    #: Alipay's failure reason; empty on success.
    reason: str
    #: Alipay's transfer number.
    alipay_no: str


@dataclass(frozen=True)
class TransferBatchNotification:
    """Result of ``batch_trans_notify``."""

    #: The merchant's batch number.
    batch_no: str
    #: Alipay's notification ID.
    notify_id: str | None
    #: Results of the transfers in this notification.
    results: tuple[TransferResult, ...]
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> TransferBatchNotification:
        """Convert verified parameters.

        :raises BadNotification: if they are not the result of a transfer batch.
        """
        details = (params.get("success_details", ""), params.get("fail_details", ""))
        entries = [entry for text in details for entry in text.split("|") if entry]
        if not entries:
            raise BadNotification("it lists no transfer")
        return cls(
            batch_no=_required(params, "batch_no"),
            notify_id=params.get("notify_id") or None,
            results=tuple(_transfer(entry) for entry in entries),
            params=params,
        )


def _required(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise BadNotification(f"it has no {name}")
    return value


def _refund(entry: str) -> RefundResult:
    """Parse ``trade_no^amount^SUCCESS``; a fee or royalty after ``$`` or ``|`` is ignored."""
    parts = entry.partition("$")[0].partition("|")[0].split("^")
    if len(parts) != 3 or not all(parts):
        raise BadNotification("one of its refunds cannot be parsed")
    return RefundResult(parts[0], _fen(parts[1]), parts[2])


def _transfer(entry: str) -> TransferResult:
    """Parse ``serial^account^name^amount^S|F^reason^alipay_no^time``; trailing fields may be
    missing.
    """
    parts = entry.split("^")
    if not 5 <= len(parts) <= _TRANSFER_FIELDS or parts[4] not in ("S", "F") or not parts[0]:
        raise BadNotification("one of its transfers cannot be parsed")
    parts += [""] * (_TRANSFER_FIELDS - len(parts))
    serial, account, name, amount, flag, reason, alipay_no = parts[:7]
    succeeded = flag == "S"
    # Successful transfers may carry the reason "null".
    reason = "" if succeeded else reason
    return TransferResult(serial, account, name, _fen(amount), succeeded, reason, alipay_no)


def _fen(text: str) -> int:
    try:
        return parse_minor_units(text)
    except InvalidAmount as error:
        raise BadNotification(str(error)) from None
