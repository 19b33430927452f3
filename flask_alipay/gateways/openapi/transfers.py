"""Transfers from the merchant to other accounts, and queries of their outcome.

The codes have no prefix ``ACQ.``. Source: the documentation of ``alipay.fund.trans.*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...exceptions import InvalidAmount, InvalidParameter
from ...protocol.charsets import encode_json
from ...protocol.conversion import format_amount, parse_china_time, to_minor_units
from ...protocol.validation import FieldValidator, amount, choice, pattern, text
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .responses import check_echo, required_text, text_field

#: Minimum amount of a transfer and of a red packet, in fen.
MIN_FEN, MIN_RED_PACKET_FEN = 10, 1
#: The products: a transfer to an account, to a bank card, and a red packet.
TO_ACCOUNT, TO_BANK_CARD = "TRANS_ACCOUNT_NO_PWD", "TRANS_BANKCARD_NO_PWD"
_RED_PACKET = "STD_RED_PACKET"

_ACCOUNTS = pattern(r"[A-Z_]{1,64}", "like ALIPAY_USER_ID, ALIPAY_LOGON_ID or ALIPAY_OPEN_ID")
_NUMBER = pattern(r"[0-9]{1,64}", "Alipay's number, digits only")


def _json_text(name: str, value: Any, charset: str) -> str:
    """Mapping, or its JSON as text."""
    if isinstance(value, Mapping):
        return encode_json(value, charset)
    return text(2048)(name, value, charset)


_bank = biz_content.object_field(
    {
        "inst_name": text(64),
        "account_type": choice("1", "2"),
        "inst_province": text(32),
        "inst_city": text(32),
        "inst_branch_name": text(128),
        "bank_code": text(32),
    }
)
_payee = biz_content.object_field(
    {
        "identity": text(128),
        "identity_type": _ACCOUNTS,
        "name": text(128),
        "cert_type": text(64),
        "cert_no": text(128),
        "ext_info": _json_text,
        "bankcard_ext_info": _bank,
    },
    required=("identity", "identity_type"),
)


def _payee_info(name: str, value: Any, charset: str) -> Any:
    """Mapping with ``identity``, ``identity_type``, and ``name`` for a login name or a bank card; a
    bank card also with ``bankcard_ext_info``.
    """
    payee = _payee(name, value, charset)
    kind = payee["identity_type"]
    if kind == "ALIPAY_USER_ID":
        biz_content.account(f"{name}.identity", payee["identity"], charset)
    if kind == "ALIPAY_LOGON_ID" and "name" not in payee:
        raise InvalidParameter(f"{name}.name", "is required with a login name")
    if kind == "BANKCARD_ACCOUNT":
        for field_name in ("name", "bankcard_ext_info"):
            if field_name not in payee:
                raise InvalidParameter(f"{name}.{field_name}", "is required with a bank card")
    return payee


_PRODUCT: Mapping[str, FieldValidator] = {"product_code": text(64), "biz_scene": text(64)}
_DEFAULTS = {"product_code": TO_ACCOUNT, "biz_scene": "DIRECT_TRANSFER"}
_NUMBERS: Mapping[str, FieldValidator] = {
    "out_biz_no": biz_content.number,
    "order_id": _NUMBER,
    "pay_fund_order_id": _NUMBER,
}
_SCENE = {"info_type": text(64), "info_content": text(256)}

TRANSFER = MethodSpec(
    "alipay.fund.trans.uni.transfer",
    {
        **_PRODUCT,
        "out_biz_no": biz_content.number,
        "trans_amount": amount,
        "payee_info": _payee_info,
        "order_title": text(128),
        "remark": text(200),
        "business_params": _json_text,
        "transfer_scene_name": text(64),
        "transfer_scene_report_infos": biz_content.list_field(
            _SCENE, required=("info_type", "info_content")
        ),
        "original_order_id": _NUMBER,
        "passback_params": text(512),
    },
    required=("out_biz_no", "trans_amount", "payee_info"),
)
TRANSFER_QUERY = MethodSpec(
    "alipay.fund.trans.common.query",
    {**_PRODUCT, **_NUMBERS},
    one_of=tuple(_NUMBERS),
    read_only=True,
)


def transfer_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a transfer with the defaults of its product, after a check of its
    amount.

    :raises InvalidAmount: if the product has a higher minimum.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    values = {**_DEFAULTS, **given}
    payee = values.get("payee_info")
    if isinstance(payee, Mapping) and payee.get("identity_type") == "BANKCARD_ACCOUNT":
        values["product_code"] = given.get("product_code", TO_BANK_CARD)
    if values.get("trans_amount") is not None:
        fen = to_minor_units(values["trans_amount"], parameter="trans_amount")
        minimum = MIN_RED_PACKET_FEN if values["product_code"] == _RED_PACKET else MIN_FEN
        if fen < minimum:
            raise InvalidAmount("trans_amount", f"must be at least {format_amount(minimum)} CNY")
    return values


@dataclass(frozen=True)
class TransferResponse:
    """Response to an accepted transfer. Times are aware UTC."""

    #: The merchant's transfer number.
    out_biz_no: str
    #: Alipay's numbers of the transfer and of its underlying payment.
    order_id: str | None
    pay_fund_order_id: str | None
    #: ``SUCCESS``; ``DEALING`` while pending; ``FAIL``; ``REFUND``: the amount was returned.
    status: str
    #: Time of the transfer, if Alipay reports it.
    transferred_at: datetime | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TransferQueryResponse:
    """Outcome of a transfer. Amounts are in fen, times are aware UTC."""

    #: The merchant's transfer number, if Alipay repeats it.
    out_biz_no: str | None
    #: Alipay's numbers of the transfer and of its underlying payment.
    order_id: str | None
    pay_fund_order_id: str | None
    #: ``SUCCESS``, ``DEALING``, ``WAIT_PAY``, ``CLOSED``, ``FAIL``; ``REFUND``: it was returned.
    status: str
    #: The transferred amount and the fee, if Alipay reports them.
    trans_fen: int | None
    order_fee_fen: int | None
    #: Time of the payment.
    transferred_at: datetime | None
    #: Code and text of a failure.
    error_code: str | None
    fail_reason: str | None = field(repr=False)
    #: The complete response node.
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
        """Transfer an amount to an account (``alipay.fund.trans.uni.transfer``). Alipay accepts it
        only in certificate mode.

        :param out_biz_no: the merchant's transfer number. A repeated number transfers once; after
            an unknown outcome, or ``DEALING``, retry with the **same** number.
        :param trans_amount: yuan, from 0.10 (a red packet from 0.01): ``str``, ``int`` or
            :class:`~decimal.Decimal`.
        :param payee_info: the payee: ``identity`` and ``identity_type`` (``ALIPAY_USER_ID``,
            ``ALIPAY_OPEN_ID`` or ``ALIPAY_LOGON_ID``, which requires the ``name`` as well;
            ``BANKCARD_ACCOUNT`` with ``name`` and ``bankcard_ext_info``).
        :param fields: see :ref:`fund_trans_uni_transfer <parameters-fund_trans_uni_transfer>`;
            by default ``product_code`` is ``TRANS_ACCOUNT_NO_PWD``, for a bank card
            ``TRANS_BANKCARD_NO_PWD``, and ``biz_scene`` is ``DIRECT_TRANSFER``.
        :raises InvalidParameter: names the invalid field: ``payee_info.name``.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: this call transferred nothing.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            transferred.
        """
        required = {
            "out_biz_no": out_biz_no,
            "trans_amount": trans_amount,
            "payee_info": payee_info,
        }
        node = self._do(TRANSFER, transfer_fields({**fields, **required}))
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
        """Query a transfer (``alipay.fund.trans.common.query``); retried if no response arrives.

        :param out_biz_no: the merchant's transfer number, or
        :param order_id: Alipay's transfer number, or
        :param pay_fund_order_id: Alipay's number of the underlying payment, which takes precedence.
        :param fields: for example ``product_code`` and ``biz_scene``, if they are not those of
            :meth:`fund_trans_uni_transfer`.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``ORDER_NOT_EXIST``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        identifiers = {
            "pay_fund_order_id": pay_fund_order_id,
            "order_id": order_id,
            "out_biz_no": out_biz_no,
        }
        node = self._do(TRANSFER_QUERY, {**_DEFAULTS, **fields, **identifiers})
        name, number = next((key, value) for key, value in identifiers.items() if value is not None)
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
