"""Pre-authorisations (资金预授权): freeze an amount, release it, query and cancel.

A capture of the frozen amount is a payment, by :meth:`trade_pay
<flask_alipay.gateways.openapi.OpenApiGateway.trade_pay>` with ``auth_no``. The codes have no prefix
``ACQ.``. Source: the models of ``alipay.fund.auth.*`` in Alipay's PHP SDK of version 3, and the
documentation of these methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...protocol.conversion import parse_china_time
from ...protocol.validation import validate_fields
from . import responses
from .client import OpenApiClient
from .preauthorization_fields import (
    APP_FREEZE,
    FREEZE,
    OPERATION_CANCEL,
    OPERATION_QUERY,
    ORDERINFO_SYNC,
    UNFREEZE,
    VOUCHER,
    freeze_fields,
)
from .responses import check_echo, required_text, text_field, text_fields


@dataclass(frozen=True)
class FreezeResponse:
    """Response to a freeze by the payer's code. Amounts are in fen, times are aware UTC."""

    #: The merchant's and Alipay's number of the authorization.
    out_order_no: str
    auth_no: str | None
    #: The merchant's and Alipay's number of the freeze.
    out_request_no: str | None
    operation_id: str | None
    #: ``SUCCESS``: frozen; ``INIT``: the payer has to confirm; ``CLOSED``.
    status: str
    amount_fen: int | None
    frozen_at: datetime | None
    #: The payer: Alipay's number or, in newer applications, the OpenID.
    payer_user_id: str | None = field(repr=False)
    payer_open_id: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class VoucherResponse:
    """The QR code of an authorization."""

    out_order_no: str
    out_request_no: str | None
    #: The text to encode as a QR code.
    code_value: str
    #: The address of a picture of it.
    code_url: str | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OperationQueryResponse:
    """The state of an authorization and of one operation. Amounts are in fen."""

    out_order_no: str
    auth_no: str | None
    #: The status of the authorization: ``INIT``, ``AUTHORIZED``, ``FINISH`` or ``CLOSED``.
    order_status: str
    #: The operation: ``FREEZE``, ``UNFREEZE`` or ``PAY``, and its status, ``INIT``, ``SUCCESS`` or
    #: ``CLOSED``.
    operation_type: str
    status: str
    out_request_no: str | None
    operation_id: str | None
    amount_fen: int | None
    #: The amounts that were frozen and captured, and the frozen rest.
    total_freeze_fen: int | None
    total_pay_fen: int | None
    rest_fen: int | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class UnfreezeResponse:
    """Response to a release. Times are aware UTC."""

    auth_no: str | None
    out_order_no: str | None
    out_request_no: str
    operation_id: str | None
    #: ``SUCCESS`` if it was released.
    status: str
    amount_fen: int | None
    released_at: datetime | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OperationCancelResponse:
    """Response to the cancellation of an authorization."""

    auth_no: str | None
    out_order_no: str | None
    #: ``close``: nothing had been frozen; ``unfreeze``: the frozen amount was released.
    action: str
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Preauthorizations(OpenApiClient):
    """Pre-authorisations; further ``fields`` are those of the other methods."""

    def fund_auth_order_app_freeze(self, **fields: Any) -> str:
        """Create an authorization in the merchant's app (``alipay.fund.auth.order.app.freeze``).

        :param fields: see :ref:`fund_auth_order_app_freeze
            <parameters-fund_auth_order_app_freeze>`; ``product_code`` is ``PREAUTH_PAY`` by
            default.
        :returns: the order string, which the app passes unchanged to Alipay's SDK.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        """
        common, given = self._split(freeze_fields(fields), APP_FREEZE.name)
        content = validate_fields(
            APP_FREEZE.fields, given, self.charset, required=APP_FREEZE.required
        )
        return self._request(APP_FREEZE.name, content, common).order_string

    def fund_auth_order_voucher_create(
        self, *, out_order_no: str, **fields: Any
    ) -> VoucherResponse:
        """Create the QR code of an authorization (``alipay.fund.auth.order.voucher.create``).

        :param out_order_no: the merchant's number of the authorization.
        :param fields: see :ref:`fund_auth_order_voucher_create
            <parameters-fund_auth_order_voucher_create>`.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        node = self._do(VOUCHER, freeze_fields({**fields, "out_order_no": out_order_no}))
        check_echo(node, "out_order_no", out_order_no)
        return VoucherResponse(
            out_order_no=out_order_no,
            out_request_no=text_field(node, "out_request_no") or None,
            code_value=required_text(node, "code_value"),
            code_url=text_field(node, "code_url") or None,
            params=node,
        )

    def fund_auth_order_freeze(
        self, *, out_order_no: str, auth_code: str, **fields: Any
    ) -> FreezeResponse:
        """Freeze an amount by the payer's code (``alipay.fund.auth.order.freeze``).

        :param out_order_no: the merchant's number of the authorization.
        :param auth_code: the scanned code.
        :param fields: see :ref:`fund_auth_order_freeze <parameters-fund_auth_order_freeze>`;
            ``auth_code_type`` is ``bar_code`` by default.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: the amount may
            be frozen.
        """
        given = {"auth_code_type": "bar_code", **fields, "auth_code": auth_code}
        node = self._do(FREEZE, freeze_fields({**given, "out_order_no": out_order_no}))
        check_echo(node, "out_order_no", out_order_no)
        numbers = ("auth_no", "out_request_no", "operation_id", "payer_user_id", "payer_open_id")
        return FreezeResponse(
            out_order_no=out_order_no,
            status=text_field(node, "status") or "INIT",
            amount_fen=responses.amount(node, "amount"),
            frozen_at=parse_china_time(text_field(node, "gmt_trans")),
            params=node,
            **dict(zip(numbers, text_fields(node, *numbers), strict=True)),
        )

    def fund_auth_operation_detail_query(self, **fields: Any) -> OperationQueryResponse:
        """Query an authorization and one of its operations
        (``alipay.fund.auth.operation.detail.query``); retried if no response arrives.

        :param fields: ``auth_no`` and ``operation_id``, which take precedence, or ``out_order_no``
            and ``out_request_no``; ``operation_type``. Of a capture, ``out_request_no`` is its
            ``out_trade_no``. See :ref:`fund_auth_operation_detail_query
            <parameters-fund_auth_operation_detail_query>`.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``AUTH_ORDER_NOT_EXIST``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        node = self._do(OPERATION_QUERY, fields)
        _check_echoes(node, fields, "auth_no", "out_order_no")
        numbers = ("auth_no", "out_request_no", "operation_id")
        return OperationQueryResponse(
            out_order_no=required_text(node, "out_order_no"),
            order_status=required_text(node, "order_status"),
            operation_type=text_field(node, "operation_type"),
            status=text_field(node, "status"),
            amount_fen=responses.amount(node, "amount"),
            total_freeze_fen=responses.amount(node, "total_freeze_amount"),
            total_pay_fen=responses.amount(node, "total_pay_amount"),
            rest_fen=responses.amount(node, "rest_amount"),
            params=node,
            **dict(zip(numbers, text_fields(node, *numbers), strict=True)),
        )

    def fund_auth_order_unfreeze(
        self, *, auth_no: str, out_request_no: str, amount: str | int | Decimal, **fields: Any
    ) -> UnfreezeResponse:
        """Release a frozen amount, or a part of it (``alipay.fund.auth.order.unfreeze``).

        :param auth_no: Alipay's number of the authorization.
        :param out_request_no: the number of the release. A repeated number with the same amount
            releases once.
        :param amount: yuan.
        :param fields: ``remark``, which the payer sees; see :ref:`fund_auth_order_unfreeze
            <parameters-fund_auth_order_unfreeze>`.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            released.
        """
        values = {"auth_no": auth_no, "out_request_no": out_request_no, "amount": amount}
        node = self._do(UNFREEZE, {"remark": "release", **fields, **values})
        check_echo(node, "out_request_no", out_request_no)
        return UnfreezeResponse(
            auth_no=text_field(node, "auth_no") or None,
            out_order_no=text_field(node, "out_order_no") or None,
            out_request_no=out_request_no,
            operation_id=text_field(node, "operation_id") or None,
            status=text_field(node, "status"),
            amount_fen=responses.amount(node, "amount"),
            released_at=parse_china_time(text_field(node, "gmt_trans")),
            params=node,
        )

    def fund_auth_operation_cancel(self, **fields: Any) -> OperationCancelResponse:
        """Cancel an authorization within 24 hours (``alipay.fund.auth.operation.cancel``): close
        it, or release the whole amount if it was frozen.

        :param fields: as of :meth:`fund_auth_operation_detail_query`, and ``remark``; see
            :ref:`fund_auth_operation_cancel <parameters-fund_auth_operation_cancel>`.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        node = self._do(OPERATION_CANCEL, {"remark": "cancel", **fields})
        _check_echoes(node, fields, "auth_no", "out_order_no")
        return OperationCancelResponse(
            auth_no=text_field(node, "auth_no") or None,
            out_order_no=text_field(node, "out_order_no") or None,
            action=required_text(node, "action"),
            params=node,
        )

    def trade_orderinfo_sync(
        self, *, trade_no: str, out_request_no: str, biz_type: str, **fields: Any
    ) -> Mapping[str, Any]:
        """Report to Alipay that an unpaid capture or deduction was settled otherwise
        (``alipay.trade.orderinfo.sync``).

        :param trade_no: Alipay's number of the trade.
        :param out_request_no: the number of this report; a repeated one changes nothing.
        :param biz_type: ``CREDIT_AUTH`` of a capture, ``CREDIT_DEDUCT`` of a deduction.
        :param fields: ``order_biz_info``: ``{"status": "COMPLETE"}`` if the buyer has paid
            otherwise, ``CLOSED`` if the merchant waives the amount.
        :returns: the response node.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        values = {"trade_no": trade_no, "out_request_no": out_request_no, "biz_type": biz_type}
        node = self._do(ORDERINFO_SYNC, {**fields, **values})
        check_echo(node, "trade_no", trade_no)
        return node


def _check_echoes(node: Mapping[str, Any], fields: Mapping[str, Any], *names: str) -> None:
    """Check that the response is about the requested authorization, by the number that was
    given.
    """
    for name in names:
        if fields.get(name) is not None:
            check_echo(node, name, fields[name])
            return
