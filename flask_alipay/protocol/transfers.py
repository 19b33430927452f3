"""Statuses of transfers, and reports about them: responses, and messages of Alipay's.

Source: the documentation of ``alipay.fund.trans.uni.transfer``, ``.common.query`` and
``.order.changed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ..exceptions import BadNotification, InvalidAmount
from .conversion import parse_china_time, parse_minor_units


class TransferStatus:
    """Alipay's statuses of a transfer."""

    #: Requested; the result is not known yet. Also a transfer to a bank card on its way.
    DEALING: Final = "DEALING"
    #: The payee has the money.
    SUCCESS: Final = "SUCCESS"
    #: Nothing was transferred, or Alipay rejected the transfer.
    FAIL: Final = "FAIL"
    #: Same as :attr:`FAIL`, for an order that was never paid.
    CLOSED: Final = "CLOSED"
    #: The payee's bank returned the money.
    REFUND: Final = "REFUND"
    #: An order that waits for the payer; reported as :attr:`DEALING`.
    WAIT_PAY: Final = "WAIT_PAY"

    #: The statuses of a transfer in the ledger.
    ALL: Final = (DEALING, SUCCESS, FAIL, CLOSED, REFUND)


#: The message about a transfer.
TRANSFER_MESSAGE: Final = "alipay.fund.trans.order.changed"
_TEXT_FIELDS: Final = (
    *("out_biz_no", "order_id", "pay_fund_order_id", "status", "pay_date"),
    *("error_code", "fail_reason", "trans_amount"),
)


@dataclass(frozen=True)
class TransferReport:
    """The state of a transfer, as a response or a message reports it. Times are aware UTC."""

    #: The merchant's number.
    out_biz_no: str
    #: One of :attr:`TransferStatus.ALL`.
    status: str
    #: The amount, if it is reported.
    amount_fen: int | None = None
    #: Alipay's numbers of the transfer and of its underlying payment.
    order_id: str | None = None
    pay_fund_order_id: str | None = None
    transferred_at: datetime | None = None
    #: The code of a failure or rejection, and Alipay's text about it.
    error_code: str | None = None
    fail_reason: str | None = field(default=None, repr=False)
    #: The number of the message; ``None`` for a response.
    notify_id: str | None = None
    #: The report as the journal records it.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_message(
        cls, content: Mapping[str, Any], params: Mapping[str, str], notify_id: str | None
    ) -> TransferReport:
        """Read the content of a verified message (:data:`TRANSFER_MESSAGE`).

        :param content: the parsed ``biz_content``.
        :param params: the parameters of the message.
        :param notify_id: its number.
        :raises BadNotification: if a field is missing or invalid.
        """
        given = {name: content.get(name) for name in _TEXT_FIELDS}
        texts = {name: str(value).strip() for name, value in given.items() if value is not None}
        status = known_transfer_status(texts.get("status", ""))
        number = texts.get("out_biz_no")
        if status is None or not number:
            raise BadNotification("the message about a transfer has no number or an unknown status")
        try:
            fen = parse_minor_units(texts.get("trans_amount", ""), parameter="trans_amount")
        except InvalidAmount as error:
            raise BadNotification(f"the message about a transfer: {error}") from None
        return cls(
            out_biz_no=number,
            status=status,
            amount_fen=fen,
            order_id=texts.get("order_id") or None,
            pay_fund_order_id=texts.get("pay_fund_order_id") or None,
            transferred_at=parse_china_time(texts.get("pay_date", "")),
            error_code=texts.get("error_code") or None,
            fail_reason=texts.get("fail_reason") or None,
            notify_id=notify_id,
            params=params,
        )


def known_transfer_status(status: str) -> str | None:
    """Return the status in the ledger for one of Alipay's; ``None`` for an unknown one."""
    if status == TransferStatus.WAIT_PAY:
        return TransferStatus.DEALING
    return status if status in TransferStatus.ALL else None
