"""Money that the merchant sends: transfers to anybody's account, and what became of them.

Their codes have no ``ACQ.`` in front. Source: the documentation of ``alipay.fund.trans.*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...exceptions import InvalidAmount, InvalidParameter
from ...protocol.china_time import parse_china_time
from ...protocol.money import format_amount, to_minor_units
from ...protocol.validation import pattern, text
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .responses import check_echo, required_text, text_field

#: The least that can be transferred, in fen.
MIN_FEN = 10

_ACCOUNTS = pattern(r"[A-Z_]{1,64}", "like ALIPAY_USER_ID, ALIPAY_LOGON_ID or ALIPAY_OPEN_ID")
_NUMBER = pattern(r"[0-9]{1,64}", "Alipay's number, of digits alone")


def _trans_amount(name: str, value: Any, charset: str) -> str:
    """Amount in yuan, at least 0.10."""
    fen = to_minor_units(value, parameter=name)
    if fen < MIN_FEN:
        raise InvalidAmount(name, f"must be at least {format_amount(MIN_FEN)} CNY")
    return format_amount(fen)


_payee = biz_content.object_field(
    {
        "identity": text(64),
        "identity_type": _ACCOUNTS,
        "name": text(128),
    },
    required=("identity", "identity_type"),
)


def _payee_info(name: str, value: Any, charset: str) -> Any:
    """Mapping with ``identity``, ``identity_type`` and, beside a login name, ``name``."""
    payee = _payee(name, value, charset)
    kind = payee["identity_type"]
    if kind == "ALIPAY_USER_ID":
        biz_content.account(f"{name}.identity", payee["identity"], charset)
    if kind == "ALIPAY_LOGON_ID" and "name" not in payee:
        raise InvalidParameter(f"{name}.name", "is required beside a login name")
    return payee


_KIND: Mapping[str, biz_content.ContentField] = {"product_code": text(64), "biz_scene": text(64)}
_TO_ACCOUNT = {"product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
_NUMBERS: Mapping[str, biz_content.ContentField] = {
    "out_biz_no": biz_content.number,
    "order_id": _NUMBER,
    "pay_fund_order_id": _NUMBER,
}

TRANSFER = MethodSpec(
    "alipay.fund.trans.uni.transfer",
    {
        **_KIND,
        "out_biz_no": biz_content.number,
        "trans_amount": _trans_amount,
        "payee_info": _payee_info,
        "order_title": text(128),
        "remark": text(200),
    },
    required=("out_biz_no", "trans_amount", "payee_info"),
)
TRANSFER_QUERY = MethodSpec(
    "alipay.fund.trans.common.query",
    {**_KIND, **_NUMBERS},
    one_of=tuple(_NUMBERS),
    read_only=True,
)


@dataclass(frozen=True)
class TransferResponse:
    """A transfer that Alipay took on. Times are aware UTC."""

    #: The shop's number of the transfer.
    out_biz_no: str
    #: Alipay's number of the transfer, and of the payment behind it.
    order_id: str | None
    pay_fund_order_id: str | None
    #: ``SUCCESS``; ``DEALING`` while it is under way; ``FAIL``; ``REFUND``: the money came back.
    status: str
    #: When, where Alipay says so.
    transferred_at: datetime | None
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TransferQueryResponse:
    """What became of a transfer. Amounts are in fen, times are aware UTC."""

    #: The shop's number of the transfer, as far as Alipay repeats it.
    out_biz_no: str | None
    #: Alipay's number of the transfer, and of the payment behind it.
    order_id: str | None
    pay_fund_order_id: str | None
    #: ``SUCCESS``, ``DEALING``, ``WAIT_PAY``, ``CLOSED``, ``FAIL``; ``REFUND``: it came back.
    status: str
    #: What was transferred, and what it cost, where Alipay says so.
    trans_fen: int | None
    order_fee_fen: int | None
    #: When it was paid.
    transferred_at: datetime | None
    #: Why it failed, as a code and in words.
    error_code: str | None
    fail_reason: str | None = field(repr=False)
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Transfers(OpenApiClient):
    """Transfers to accounts; further ``fields`` are those of the other methods."""

    def fund_trans_uni_transfer(
        self,
        *,
        out_biz_no: str,
        trans_amount: str | int | Decimal,
        payee_info: Mapping[str, Any],
        **fields: Any,
    ) -> TransferResponse:
        """Sends money to an account (``alipay.fund.trans.uni.transfer``). Alipay takes it in
        certificate mode alone.

        :param out_biz_no: the shop's number of this transfer. Repeated, it transfers once; after an
            unknown outcome, or ``DEALING``, ask with the **same** number.
        :param trans_amount: yuan, from 0.10: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param payee_info: who gets it: ``identity`` and ``identity_type`` (``ALIPAY_USER_ID``,
            ``ALIPAY_OPEN_ID`` or ``ALIPAY_LOGON_ID``, which wants the ``name`` as well).
        :param fields: see :ref:`fund_trans_uni_transfer <parameters-fund_trans_uni_transfer>`;
            ``product_code`` and ``biz_scene`` are ``TRANS_ACCOUNT_NO_PWD`` and
            ``DIRECT_TRANSFER`` by default.
        :raises InvalidParameter: names the field at fault: ``payee_info.name``.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: nothing was transferred by this call.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed: it may be
            transferred.
        """
        own = {"out_biz_no": out_biz_no, "trans_amount": trans_amount, "payee_info": payee_info}
        node = self._do(TRANSFER, {**_TO_ACCOUNT, **fields, **own})
        check_echo(node, "out_biz_no", out_biz_no)
        return TransferResponse(
            out_biz_no=out_biz_no,
            order_id=text_field(node, "order_id") or None,
            pay_fund_order_id=text_field(node, "pay_fund_order_id") or None,
            status=required_text(node, "status"),
            transferred_at=parse_china_time(
                text_field(node, "trans_date") or text_field(node, "pay_date")
            ),
            params=node,
        )

    def fund_trans_common_query(
        self,
        *,
        out_biz_no: str | None = None,
        order_id: str | None = None,
        pay_fund_order_id: str | None = None,
        **fields: Any,
    ) -> TransferQueryResponse:
        """Asks what became of a transfer (``alipay.fund.trans.common.query``); again if no answer
        comes.

        :param out_biz_no: the shop's number of the transfer, or
        :param order_id: Alipay's number of it, or
        :param pay_fund_order_id: Alipay's number of the payment behind it, which wins.
        :param fields: for example ``product_code`` and ``biz_scene``, where they are not those of
            :meth:`fund_trans_uni_transfer`.
        :raises InvalidParameter: names the field at fault.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``ORDER_NOT_EXIST``.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        """
        asked = {
            "pay_fund_order_id": pay_fund_order_id,
            "order_id": order_id,
            "out_biz_no": out_biz_no,
        }
        node = self._do(TRANSFER_QUERY, {**_TO_ACCOUNT, **fields, **asked})
        name, number = next((n, v) for n, v in asked.items() if v is not None)
        check_echo(node, name, number)
        return TransferQueryResponse(
            out_biz_no=text_field(node, "out_biz_no") or None,
            order_id=text_field(node, "order_id") or None,
            pay_fund_order_id=text_field(node, "pay_fund_order_id") or None,
            status=required_text(node, "status"),
            trans_fen=responses.amount(node, "trans_amount"),
            order_fee_fen=responses.amount(node, "order_fee"),
            transferred_at=parse_china_time(text_field(node, "pay_date")),
            error_code=text_field(node, "error_code") or None,
            fail_reason=text_field(node, "fail_reason") or None,
            params=node,
        )
