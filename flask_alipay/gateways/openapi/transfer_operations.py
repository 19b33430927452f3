"""Transfers for the ledger: when the outcome is certain, and when Alipay has to be queried.

A rejection alone does not prove that nothing was transferred: Alipay's table of codes contains some
that need a query (``BIZ_UNIQUE_EXCEPTION``, another transfer has the number; ``PROCESS_FAIL``, an
operation in doubt), and new codes appear. So Alipay is queried after each rejection, and only the
signed rejection together with a signed ``ORDER_NOT_EXIST`` is certain. Sources: the tables of codes
of ``alipay.fund.trans.uni.transfer`` and ``.common.query``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.charsets import encode_json
from ...protocol.transfers import TransferReport, TransferStatus, known_transfer_status
from ...protocol.validation import validate_fields
from ..interface import (
    RejectionInDoubt,
    TransferRequest,
    in_doubt,
    rejection_code,
)
from .errors import explanation
from .responses import journal_params
from .transfers import TRANSFER, TRANSFER_QUERY, Transfers, transfer_fields

# Alipay has no transfer with the number.
_NOT_FOUND: Final = "ORDER_NOT_EXIST"
# Another transfer has the number: the same number was submitted with another content.
_INCONSISTENT: Final = "PAYMENT_INFO_INCONSISTENCY"


class TransferOperations(Transfers):
    """Operations on a recorded transfer; see the interface of both gateways."""

    def check_transfer(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Check a transfer before anything is recorded, and return everything to submit.

        :param fields: the fields of ``alipay.fund.trans.uni.transfer``.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        """
        content = validate_fields(
            TRANSFER.fields, transfer_fields(fields), self.charset, required=TRANSFER.required
        )
        encode_json(content, self.charset)  # rejects what JSON or the charset lacks
        return content

    def submit_transfer(self, transfer: TransferRequest) -> TransferReport:
        """Submit a transfer by :meth:`fund_trans_uni_transfer`. Whenever the response is not
        certain, the transfer is queried.

        :param transfer: the transfer.
        :return: its state; ``FAIL`` also for a rejection, if it is certain that nothing was
            transferred.
        :raises RejectionInDoubt: if an earlier request may still be on its way.
        :raises OutcomeUnknown: otherwise.
        """
        try:
            response = self.fund_trans_uni_transfer(**transfer.content)
        except OutcomeUnknown as error:
            return self._found(transfer, error)
        except GatewayError as error:
            return self._rejected(transfer, error)
        status = known_transfer_status(response.status)
        if status is None:
            return self._found(transfer, OutcomeUnknown("Alipay responded with an unknown status"))
        report = TransferReport(
            out_biz_no=transfer.out_biz_no,
            status=status,
            order_id=response.order_id,
            pay_fund_order_id=response.pay_fund_order_id,
            transferred_at=response.transferred_at,
            params=journal_params(TRANSFER.name, response.params),
        )
        if status in (TransferStatus.SUCCESS, TransferStatus.DEALING):
            return report
        with suppress(GatewayError):  # only a query has the reason of a failure
            return self.query_transfer(transfer) or report
        return report

    def query_transfer(self, transfer: TransferRequest) -> TransferReport | None:
        """Query a transfer by :meth:`fund_trans_common_query`.

        :param transfer: the transfer.
        :return: its state; ``None`` if Alipay signed that it has no transfer with this number.
        :raises GatewayError: if Alipay rejects the query.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        product = {name: transfer.content[name] for name in ("product_code", "biz_scene")}
        try:
            response = self.fund_trans_common_query(out_biz_no=transfer.out_biz_no, **product)
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if error.signed and rejection_code(error) == _NOT_FOUND:
                return None
            raise
        status = known_transfer_status(response.status)
        if status is None:
            raise OutcomeUnknown("Alipay responded with an unknown status")
        return TransferReport(
            out_biz_no=transfer.out_biz_no,
            status=status,
            amount_fen=response.trans_fen,
            order_id=response.order_id,
            pay_fund_order_id=response.pay_fund_order_id,
            transferred_at=response.transferred_at,
            error_code=response.error_code,
            fail_reason=response.fail_reason,
            params=journal_params(TRANSFER_QUERY.name, response.params),
        )

    def _found(self, transfer: TransferRequest, unknown: OutcomeUnknown) -> TransferReport:
        """Query a transfer whose outcome is unknown.

        :raises OutcomeUnknown: the given one, if Alipay has no such transfer, or not yet.
        """
        try:
            report = self.query_transfer(transfer)
        except GatewayError:
            raise unknown from None
        if report is None:
            raise unknown
        return report

    def _rejected(self, transfer: TransferRequest, error: GatewayError) -> TransferReport:
        unknown = in_doubt(error)
        if not error.signed:
            raise unknown
        code = rejection_code(error)
        if code != _INCONSISTENT or transfer.repeated:
            try:
                report = self.query_transfer(transfer)
            except GatewayError:
                raise unknown from None
            if report is not None:
                return report
            if transfer.undecided:
                raise in_doubt(error, RejectionInDoubt)
        params = {"method": TRANSFER.name, "code": error.code or "", "sub_code": code}
        return TransferReport(
            out_biz_no=transfer.out_biz_no,
            status=TransferStatus.FAIL,
            error_code=code,
            fail_reason=explanation(error.sub_msg) or None,
            params={name: value for name, value in params.items() if value},
        )
