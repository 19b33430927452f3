"""Statuses of pre-authorisations (资金预授权), and reports about them: responses and messages.

Sources: the models of ``alipay.fund.auth.*`` in Alipay's PHP SDK of version 3; the documentation of
``fund_auth_freeze`` (opendocs 04ij9t), and captured messages of 2018 and 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ..exceptions import BadNotification, InvalidAmount
from .conversion import parse_china_time, parse_minor_units


class AuthorizationStatus:
    """Alipay's statuses of an authorization order."""

    #: Created; the payer has not authorised it yet.
    INIT: Final = "INIT"
    #: The amount is frozen, and may be captured or released.
    AUTHORIZED: Final = "AUTHORIZED"
    #: Captured, and nothing is left frozen.
    FINISH: Final = "FINISH"
    #: Not authorised in time, cancelled, or all of it released.
    CLOSED: Final = "CLOSED"

    ALL: Final = (INIT, AUTHORIZED, FINISH, CLOSED)


class OperationStatus:
    """Alipay's statuses of an operation on an authorization order."""

    INIT: Final = "INIT"
    SUCCESS: Final = "SUCCESS"
    CLOSED: Final = "CLOSED"

    ALL: Final = (INIT, SUCCESS, CLOSED)


#: The types of operations: a freeze, a release, a capture.
FREEZE: Final = "FREEZE"
UNFREEZE: Final = "UNFREEZE"
PAY: Final = "PAY"

#: The messages about a frozen, a released, and a cancelled amount.
FREEZE_MESSAGE: Final = "fund_auth_freeze"
UNFREEZE_MESSAGE: Final = "fund_auth_unfreeze"
CANCEL_MESSAGE: Final = "fund_auth_operation_cancel"
AUTHORIZATION_MESSAGES: Final = (FREEZE_MESSAGE, UNFREEZE_MESSAGE, CANCEL_MESSAGE)

_TOTALS: Final = ("total_freeze_amount", "total_pay_amount", "total_unfreeze_amount", "rest_amount")
_NUMBERS: Final = (
    *("auth_no", "out_request_no", "operation_id", "payer_user_id", "payer_open_id"),
)


@dataclass(frozen=True)
class AuthorizationReport:
    """The state of an authorization, as a response or a message reports it: of the whole, and of
    one operation. Amounts are in fen, times are aware UTC.
    """

    #: The merchant's number of the authorization.
    out_order_no: str
    #: The status of the authorization, one of :attr:`AuthorizationStatus.ALL`.
    status: str
    #: Alipay's number of the authorization.
    auth_no: str | None = None
    #: The operation: :data:`FREEZE`, :data:`UNFREEZE` or :data:`PAY`, and its status, one of
    #: :attr:`OperationStatus.ALL`; ``None`` if the report is about no operation.
    operation_type: str | None = None
    operation_status: str | None = None
    #: The numbers of the operation: the merchant's and Alipay's.
    out_request_no: str | None = None
    operation_id: str | None = None
    #: The amount of the operation.
    amount_fen: int | None = None
    #: The amounts of the authorization that were frozen, captured and released, and the rest.
    total_fen: int | None = None
    captured_fen: int | None = None
    released_fen: int | None = None
    rest_fen: int | None = None
    currency: str = "CNY"
    #: The payer: Alipay's number or, in newer applications, the OpenID.
    payer_user_id: str | None = field(default=None, repr=False)
    payer_open_id: str | None = field(default=None, repr=False)
    #: The time of the operation.
    operated_at: datetime | None = None
    #: ``True`` if the report is Alipay's current state, the response to a query.
    is_current: bool = False
    #: ``True`` if the report proves that the amount was frozen at some time.
    was_frozen: bool = False
    #: The number of the message; ``None`` for a response.
    notify_id: str | None = None
    #: The report as the journal records it.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_message(
        cls,
        kind: str,
        content: Mapping[str, Any],
        params: Mapping[str, str],
        notify_id: str | None,
    ) -> AuthorizationReport:
        """Read the content of a verified message.

        :param kind: one of :data:`AUTHORIZATION_MESSAGES`.
        :param content: the fields of the message.
        :param params: the parameters of the message.
        :param notify_id: its number.
        :raises BadNotification: if a field is missing or invalid.
        """
        given = {name: str(value).strip() for name, value in content.items() if value is not None}
        try:
            fields = operation_fields(given)
        except InvalidAmount as error:
            raise BadNotification(f"the message about an authorization: {error}") from None
        if not given.get("out_order_no"):
            raise BadNotification("the message about an authorization has no out_order_no")
        common: dict[str, Any] = {"params": params, "notify_id": notify_id}
        if kind == CANCEL_MESSAGE:
            return cls.cancelled(given, **common)
        operation, status = given.get("operation_type"), given.get("status")
        if operation not in (FREEZE, UNFREEZE, PAY) or status not in OperationStatus.ALL:
            raise BadNotification(
                "the message about an authorization has an unknown operation_type or status"
            )
        done = status == OperationStatus.SUCCESS
        return cls(
            out_order_no=given["out_order_no"],
            status=_status(operation, status, fields["rest_fen"], fields["captured_fen"]),
            operation_type=operation,
            operation_status=status,
            was_frozen=done or operation != FREEZE,
            **fields,
            **common,
        )

    @classmethod
    def cancelled(cls, given: Mapping[str, str], **common: Any) -> AuthorizationReport:
        """Return the report of a cancelled authorization, from the fields of the message or of the
        response.

        :param common: further fields of the report.
        :raises BadNotification: if the action is unknown.
        """
        action = given.get("action")
        if action not in ("close", "unfreeze"):
            raise BadNotification("the cancellation of an authorization has an unknown action")
        return cls(
            out_order_no=given["out_order_no"],
            status=AuthorizationStatus.CLOSED,
            auth_no=given.get("auth_no") or None,
            was_frozen=action == "unfreeze",
            **common,
        )


def operation_fields(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a report that messages and responses have under the same names.

    Responses lack the total of the releases: it follows from the others.

    :param given: the received fields as text.
    :raises InvalidAmount: if an amount is invalid.
    """
    currency = given.get("trans_currency") or "CNY"

    def fen(name: str) -> int | None:
        text = given.get(name)
        return parse_minor_units(text, currency, parameter=name) if text else None

    total, captured, released, rest = map(fen, _TOTALS)
    if released is None and total is not None and captured is not None and rest is not None:
        released = max(0, total - captured - rest)
    return {
        **{name: given.get(name) or None for name in _NUMBERS},
        "amount_fen": fen("amount"),
        "total_fen": total,
        "captured_fen": captured,
        "released_fen": released,
        "rest_fen": rest,
        "currency": currency,
        "operated_at": parse_china_time(given.get("gmt_trans", "")),
    }


def _status(operation: str, status: str, rest_fen: int | None, captured_fen: int | None) -> str:
    """Return the status of an authorization after an operation: messages do not state it."""
    if operation == FREEZE:
        return {
            OperationStatus.INIT: AuthorizationStatus.INIT,
            OperationStatus.SUCCESS: AuthorizationStatus.AUTHORIZED,
        }.get(status, AuthorizationStatus.CLOSED)
    if rest_fen != 0 or status != OperationStatus.SUCCESS:
        return AuthorizationStatus.AUTHORIZED
    return AuthorizationStatus.FINISH if captured_fen else AuthorizationStatus.CLOSED
