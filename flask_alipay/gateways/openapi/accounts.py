"""The merchant's account: its balance, its log, and electronic receipts (电子回单).

Source: the documentation of ``alipay.fund.account.query``, ``alipay.data.bill.balance.query``,
``.accountlog.query``, ``.ereceipt.apply`` and ``.ereceipt.query``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.validation import choice, integer, pattern, text
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .responses import missing, required_text, text_field

_MAX_PAGE = 2_000
#: The kinds of electronic receipts.
RECEIPT_TYPES = (
    "ACCOUNT_LOG_DETAIL",
    "ACCOUNT_FLOW_DETAIL",
    "FUND_DETAIL",
    "ACCOUNT_LOG_SUM_DAILY",
    "ACCOUNT_LOG_SUM_MONTHLY",
)

ACCOUNT = MethodSpec(
    "alipay.fund.account.query",
    {
        "alipay_user_id": biz_content.account,
        "alipay_open_id": text(128),
        "account_type": text(64),
        "merchant_user_id": text(64),
        "account_product_code": text(64),
        "account_scene_code": text(64),
    },
    required=("account_type",),
    one_of=("alipay_user_id", "alipay_open_id"),
    read_only=True,
)
BALANCE = MethodSpec(
    "alipay.data.bill.balance.query", {"bill_user_id": biz_content.account}, read_only=True
)
ACCOUNT_LOG = MethodSpec(
    "alipay.data.bill.accountlog.query",
    {
        "start_time": biz_content.china_datetime,
        "end_time": biz_content.china_datetime,
        "page_no": integer(1, 1_000_000),
        "page_size": integer(1, _MAX_PAGE),
        "alipay_order_no": text(64),
        "merchant_order_no": text(64),
        "trans_code": text(64),
        "bill_user_id": biz_content.account,
    },
    required=("start_time", "end_time"),
    read_only=True,
)
RECEIPT_APPLY = MethodSpec(
    "alipay.data.bill.ereceipt.apply",
    {"type": choice(*RECEIPT_TYPES), "key": text(64), "bill_user_id": biz_content.account},
    required=("type", "key"),
)
RECEIPT_QUERY = MethodSpec(
    "alipay.data.bill.ereceipt.query",
    {"file_id": pattern(r"[0-9A-Za-z_\-]{1,64}", "the number of a file")},
    required=("file_id",),
    read_only=True,
)


@dataclass(frozen=True)
class AccountQueryResponse:
    """Balance of an account. Amounts are in fen."""

    #: The amount that can be spent.
    available_fen: int
    #: The frozen amount, if Alipay reports it.
    freeze_fen: int | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class BalanceQueryResponse:
    """Balance of the merchant's account. Amounts are in fen; some may be missing."""

    available_fen: int
    total_fen: int | None
    freeze_fen: int | None
    settle_fen: int | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class AccountLogResponse:
    """A page of the account's log."""

    page_no: int
    page_size: int
    #: The number of all entries.
    total_size: int
    #: The entries as Alipay sends them: ``account_log_id``, ``trans_dt``, ``trans_amount``,
    #: ``balance``, ``direction`` (收入 or 支出), ``alipay_order_no`` and others.
    entries: tuple[Mapping[str, Any], ...] = field(repr=False, hash=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class ReceiptApplyResponse:
    """A requested receipt."""

    #: The number of its file, valid for two days.
    file_id: str
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class ReceiptQueryResponse:
    """State of a requested receipt."""

    #: ``INIT``, ``PROCESS``, ``SUCCESS`` or ``FAIL``.
    status: str
    #: The URL of the PDF, valid for half a minute; it alone is enough to download the receipt.
    download_url: str | None = field(repr=False)
    #: The reason of a failure.
    error_message: str | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Accounts(OpenApiClient):
    """Balance, log and receipts; further ``fields`` are those of the other methods.

    Each method raises :exc:`~flask_alipay.exceptions.InvalidParameter` for an invalid field,
    :exc:`~flask_alipay.exceptions.GatewayError` with Alipay's ``sub_code`` for a rejection, and
    :exc:`~flask_alipay.exceptions.OutcomeUnknown` if no trusted response arrives.
    """

    def fund_account_query(
        self,
        *,
        account_type: str = "ACCTRANS_ACCOUNT",
        alipay_user_id: str | None = None,
        alipay_open_id: str | None = None,
        **fields: Any,
    ) -> AccountQueryResponse:
        """Query the balance of an account (``alipay.fund.account.query``).

        :param account_type: the kind of account.
        :param alipay_user_id: the account's number, ``2088…``, or
        :param alipay_open_id: its OpenID.
        :param fields: see :ref:`fund_account_query <parameters-fund_account_query>`.
        """
        identity = {"alipay_user_id": alipay_user_id, "alipay_open_id": alipay_open_id}
        node = self._do(ACCOUNT, {"account_type": account_type, **fields, **identity})
        return AccountQueryResponse(
            available_fen=_required_amount(node, "available_amount"),
            freeze_fen=responses.amount(node, "freeze_amount"),
            params=node,
        )

    def data_bill_balance_query(self, **fields: Any) -> BalanceQueryResponse:
        """Query the balance of the merchant's account (``alipay.data.bill.balance.query``).

        :param fields: ``bill_user_id``, for another account in special cases.
        """
        node = self._do(BALANCE, fields)
        return BalanceQueryResponse(
            available_fen=_required_amount(node, "available_amount"),
            total_fen=responses.amount(node, "total_amount"),
            freeze_fen=responses.amount(node, "freeze_amount"),
            settle_fen=responses.amount(node, "settle_amount"),
            params=node,
        )

    def data_bill_accountlog_query(
        self,
        *,
        start_time: str | datetime,
        end_time: str | datetime,
        page_no: int = 1,
        page_size: int = _MAX_PAGE,
        **fields: Any,
    ) -> AccountLogResponse:
        """Query a page of the account's log (``alipay.data.bill.accountlog.query``).

        :param start_time: the beginning: an aware ``datetime``, or China time as text.
        :param end_time: the end, exclusive; at most 31 days later.
        :param page_no: the page, from 1.
        :param page_size: at most 2,000 entries.
        :param fields: see :ref:`data_bill_accountlog_query
            <parameters-data_bill_accountlog_query>`; ``alipay_order_no`` **or**
            ``merchant_order_no`` selects one transaction.
        """
        if fields.get("alipay_order_no") and fields.get("merchant_order_no"):
            raise InvalidParameter("merchant_order_no", "cannot be given with alipay_order_no")
        span = {"start_time": start_time, "end_time": end_time}
        page = {"page_no": page_no, "page_size": page_size}
        node = self._do(ACCOUNT_LOG, {**fields, **span, **page})
        entries = node.get("detail_list") or ()  # missing from an empty page
        if not isinstance(entries, (list, tuple)):
            raise OutcomeUnknown("the gateway's response cannot be parsed: detail_list is no list")
        return AccountLogResponse(
            page_no=_integer(node, "page_no", page_no),
            page_size=_integer(node, "page_size", page_size),
            total_size=_integer(node, "total_size", len(entries)),
            entries=tuple(entry for entry in entries if isinstance(entry, Mapping)),
            params=node,
        )

    def data_bill_ereceipt_apply(
        self, *, type: str, key: str, **fields: Any
    ) -> ReceiptApplyResponse:
        """Request an electronic receipt (``alipay.data.bill.ereceipt.apply``).

        :param type: ``FUND_DETAIL`` for a transfer, or another of Alipay's kinds.
        :param key: for ``FUND_DETAIL`` the ``pay_fund_order_id``; the number of an entry of the
            account's log; or a day or month.
        """
        node = self._do(RECEIPT_APPLY, {**fields, "type": type, "key": key})
        return ReceiptApplyResponse(required_text(node, "file_id"), node)

    def data_bill_ereceipt_query(self, *, file_id: str, **fields: Any) -> ReceiptQueryResponse:
        """Query a requested receipt (``alipay.data.bill.ereceipt.query``), and download it with
        :meth:`download_bill` from its URL.

        :param file_id: the number that :meth:`data_bill_ereceipt_apply` returned.
        """
        node = self._do(RECEIPT_QUERY, {**fields, "file_id": file_id})
        return ReceiptQueryResponse(
            status=required_text(node, "status"),
            download_url=text_field(node, "download_url") or None,
            error_message=text_field(node, "error_message") or None,
            params=node,
        )


def _required_amount(node: Mapping[str, Any], name: str) -> int:
    fen = responses.amount(node, name)
    if fen is None:
        raise missing(name)
    return fen


def _integer(node: Mapping[str, Any], name: str, default: int) -> int:
    value = text_field(node, name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit()):
        raise OutcomeUnknown(f"the gateway's response cannot be parsed: {name} is no integer")
    return int(value)
