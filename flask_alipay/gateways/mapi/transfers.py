"""Batch transfers from the merchant to many accounts, confirmed by the merchant in a browser.

Alipay notifies the result: see
:class:`~flask_alipay.protocol.batch_notification.TransferBatchNotification`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypedDict

from ...protocol.conversion import format_amount, to_minor_units
from ...protocol.signed_request import SignedRequest
from ...protocol.validation import pattern, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .batch_numbers import batch_no, check_entries, entry_text, statement_day
from .client import MapiClient

if TYPE_CHECKING:
    from typing_extensions import Unpack

SERVICE = "batch_trans_notify"


_SERIAL = pattern(r"[A-Za-z0-9_\-]{1,64}", "1 to 64 letters, digits, underscores or hyphens")
_ACCOUNT = entry_text(100)
_NAME = entry_text(128, in_bytes=True)
_NOTE = entry_text(200)


@dataclass(frozen=True)
class TransferEntry:
    """One transfer of a batch."""

    #: The merchant's serial number of the transfer; unique within a batch.
    serial: str
    #: The payee: login name and real name.
    account: str = field(repr=False)
    name: str = field(repr=False)
    #: Amount in yuan.
    amount: str | int | Decimal
    #: Purpose; may be empty.
    note: str = ""


class TransferBatch(TypedDict, total=False):
    """Parameters of ``batch_trans_notify`` besides the entries."""

    batch_no: Annotated[
        str, batch_no, REQUIRED, "never used before; ``new_batch_no()`` returns one"
    ]
    account_name: Annotated[
        str, validators.text_bytes(128), REQUIRED, "the payer's registered name"
    ]
    email: Annotated[str, text(100), REQUIRED, "the payer's login name"]
    pay_date: Annotated[str | datetime | None, statement_day, "today by default"]
    notify_url: Annotated[str | None, url(190, query=False), "receives the result"]
    buyer_account_name: Annotated[str | None, text(100)]
    extend_param: Annotated[str | None, text(512)]


class Transfers(MapiClient):
    """Transfers out of the merchant's account."""

    def batch_trans_notify(
        self, entries: Sequence[TransferEntry], **params: Unpack[TransferBatch]
    ) -> SignedRequest:
        """Create a batch transfer (批量付款) that the merchant confirms in a browser.

        The number of transfers and their sum are computed here.

        :param entries: at most 1000 :class:`TransferEntry`, each ``serial`` once.
        :param params: see :ref:`batch_trans_notify <parameters-batch_trans_notify>`.
        :raises InvalidParameter: names the invalid parameter, and in the entries the field.
        :raises TypeError: for a ``float`` amount.
        """
        given = {name: value for name, value in params.items() if value is not None}
        values = {"pay_date": validators.china_now(), **given}
        checked = validate_declared(TransferBatch, values, self.charset, SERVICE)
        details = detail_data(entries, self.charset)
        total = sum(to_minor_units(entry.amount, parameter="amount") for entry in entries)
        sums = {"batch_num": str(len(entries)), "batch_fee": format_amount(total)}
        return self._sign(SERVICE, {**checked, **sums, "detail_data": details})


def detail_data(entries: Sequence[TransferEntry], charset: str) -> str:
    """Format the transfers of a batch as Alipay's text.

    :param entries: the transfers.
    :param charset: the merchant's charset.
    :raises InvalidParameter: names ``detail_data``, or the field of an entry.
    """
    check_entries(entries, TransferEntry, [getattr(entry, "serial", "") for entry in entries])
    return "|".join(_entry(entry, charset) for entry in entries)


def _entry(entry: TransferEntry, charset: str) -> str:
    return "^".join(
        (
            _SERIAL("serial", entry.serial, charset),
            _ACCOUNT("account", entry.account, charset),
            _NAME("name", entry.name, charset),
            format_amount(to_minor_units(entry.amount, parameter="amount")),
            _NOTE("note", entry.note, charset) if entry.note else "",
        )
    )
