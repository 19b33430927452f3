"""What Alipay says about a batch of refunds or transfers of the legacy gateway.

These notifications name no order: a refund is found by the number of its batch and Alipay's number
of the trade, a transfer by the number of its batch and its serial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ..exceptions import BadNotification, InvalidAmount
from .money import parse_minor_units

#: The ``notify_type`` of a batch of refunds.
REFUNDS = "batch_refund_notify"
#: The ``notify_type`` of a batch of transfers.
TRANSFERS = "batch_trans_notify"

#: A batch can be submitted on the day of its number, and Alipay notifies its result for a day. A
#: refund that nobody has confirmed until then no longer reserves its amount.
PENDING_TTL = timedelta(days=2)

_SUCCESS = "SUCCESS"
_TRANSFER_FIELDS = 8


@dataclass(frozen=True)
class RefundResult:
    """What became of one refund of a batch."""

    #: Alipay's number of the trade.
    trade_no: str
    #: How much, in fen.
    refund_fen: int
    #: ``SUCCESS``, or why not, in Alipay's word: ``TRADE_HAS_CLOSED`` …
    code: str

    @property
    def succeeded(self) -> bool:
        """Whether the money went back."""
        return self.code == _SUCCESS


@dataclass(frozen=True)
class RefundBatchNotification:
    """The result of ``refund_fastpay_by_platform_pwd`` or ``…_nopwd``."""

    #: The number of the batch, as the shop gave it.
    batch_no: str
    #: Alipay's number of this news.
    notify_id: str | None
    #: Each refund of the batch.
    results: tuple[RefundResult, ...]
    #: Everything, as it came.
    params: Mapping[str, str] = field(repr=False, hash=False)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> RefundBatchNotification:
        """Reads verified parameters.

        :raises BadNotification: if they are no result of a batch of refunds.
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
    """What became of one transfer of a batch."""

    #: The shop's number of the transfer within its batch.
    serial: str
    #: The payee's account and name.
    account: str = field(repr=False)
    name: str = field(repr=False)
    #: How much, in fen.
    amount_fen: int
    #: Whether the payee has it.
    succeeded: bool
    #: Why not, in Alipay's words; empty if it succeeded.
    reason: str
    #: Alipay's number of the transfer.
    alipay_no: str


@dataclass(frozen=True)
class TransferBatchNotification:
    """The result of ``batch_trans_notify``."""

    #: The number of the batch, as the shop gave it.
    batch_no: str
    #: Alipay's number of this news.
    notify_id: str | None
    #: Each transfer that Alipay speaks of.
    results: tuple[TransferResult, ...]
    #: Everything, as it came.
    params: Mapping[str, str] = field(repr=False, hash=False)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> TransferBatchNotification:
        """Reads verified parameters.

        :raises BadNotification: if they are no result of a batch of transfers.
        """
        told = (params.get("success_details", ""), params.get("fail_details", ""))
        entries = [entry for text in told for entry in text.split("|") if entry]
        if not entries:
            raise BadNotification("it names no transfer")
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
    """``trade_no^amount^SUCCESS``; what follows a ``$`` or ``|`` is about the fee or a royalty."""
    parts = entry.partition("$")[0].partition("|")[0].split("^")
    if len(parts) != 3 or not all(parts):
        raise BadNotification("a refund in it cannot be read")
    return RefundResult(parts[0], _fen(parts[1]), parts[2])


def _transfer(entry: str) -> TransferResult:
    """``serial^account^name^amount^S|F^reason^alipay_no^time``, the last ones left out at times."""
    parts = entry.split("^")
    if not 5 <= len(parts) <= _TRANSFER_FIELDS or parts[4] not in ("S", "F") or not parts[0]:
        raise BadNotification("a transfer in it cannot be read")
    parts += [""] * (_TRANSFER_FIELDS - len(parts))
    serial, account, name, amount, letter, reason, alipay_no = parts[:7]
    succeeded = letter == "S"
    # Where there is nothing to say, some write "null".
    reason = "" if succeeded else reason
    return TransferResult(serial, account, name, _fen(amount), succeeded, reason, alipay_no)


def _fen(text: str) -> int:
    try:
        return parse_minor_units(text)
    except InvalidAmount as error:
        raise BadNotification(str(error)) from None
