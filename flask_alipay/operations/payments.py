"""New payments: checked by the gateway's rules before they are stored, and sent to Alipay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from ..config import Config
from ..exceptions import InvalidParameter
from ..models import PaymentMixin, utc_now
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.validation import check_out_trade_no, timeout_minutes

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..protocol.signed_request import SignedRequest

# Columns of the mixin that only the ledger sets; the caller may set the others.
_LEDGER_COLUMNS = frozenset(PaymentMixin.__annotations__) - {"expires_at", "auth_app_id"}
# Parameters of the gateway that the blueprint itself provides. No payment names a seller:
# notifications about other sellers than the configured one are rejected.
_MERCHANT_PARAMS = frozenset(
    {"notify_url", "return_url", "total_fee", "seller_id", "seller_email", "seller_account_name"}
)
# Keys in a payment's details that are no parameters of the gateway: see ``qr_codes`` and
# ``mini_programs``.
_STORED = frozenset({"qr_code", "qr_code_until", "qr_code_fen", "op_buyer_open_id"})
_TIMEOUTS = ("timeout_express", "it_b_pay")
_APP_ID = re.compile(r"[0-9]{16}")


def build_payment(
    model: Any,
    config: Config,
    *,
    subject: str,
    total_amount: str | int | Decimal,
    out_trade_no: str,
    product: str | None,
    currency: str,
    details: Mapping[str, Any],
    has_token_loader: bool = False,
) -> Any:
    """Build a payment from the arguments of :meth:`~flask_alipay.AlipayBlueprint.create_payment`.

    :param model: the application's class.
    :param config: the merchant's configuration.
    :param has_token_loader: whether the application can load the token of a merchant.
    :raises InvalidParameter: names the invalid parameter.
    :raises TypeError: for a ``float`` amount.
    """
    total_fen = to_minor_units(total_amount, currency)
    check_out_trade_no(out_trade_no)
    columns, parameters = split_details(model, details, _LEDGER_COLUMNS | _STORED)
    auth_app_id = columns.pop("auth_app_id", None)
    token = parameters.get("app_auth_token")
    auth_app_id = choose_merchant(config, auth_app_id, token, has_token_loader)
    if auth_app_id is not None:
        columns["auth_app_id"] = auth_app_id
    config.gateway.check_payment(
        product,
        out_trade_no=out_trade_no,
        subject=subject,
        total_amount=format_amount(total_fen, currency),
        currency=currency,
        **parameters,
    )
    check_json(parameters)
    columns.setdefault("expires_at", _expiry(parameters))
    return model(
        merchant=config.merchant,
        out_trade_no=out_trade_no,
        product=product,
        subject=subject,
        currency=currency,
        total_fen=total_fen,
        details=parameters,
        **columns,
    )


def gateway_request(
    merchant: Merchant,
    payment: Any,
    *,
    bank: str | None = None,
    charset: str | None = None,
    user_agent: str = "",
    extra: Mapping[str, Any] | None = None,
) -> SignedRequest:
    """Return the signed request that takes the buyer to Alipay.

    :param merchant: the merchant of the current app.
    :param payment: the application's object.
    :param bank: on the legacy gateway, the code of the bank that the buyer chose.
    :param charset: another charset than the configured one.
    :param user_agent: the buyer's browser, which chooses the product if the payment names none.
    :param extra: further parameters for the gateway.
    :raises InvalidParameter: names the invalid parameter.
    :raises AppAuthTokenError: if the application has no token for the payment's merchant.
    """
    if payment.out_order_no is not None or payment.deduction_date is not None:
        raise InvalidParameter("payment", "is a capture or deduction: the buyer does not pay it")
    gateway = merchant.gateway_for(payment)
    if charset is not None:
        gateway = gateway.in_charset(charset)
    currency = payment.currency or "CNY"
    signed = gateway.pay(
        payment.product or gateway.product_for(user_agent),
        out_trade_no=payment.out_trade_no,
        subject=payment.subject,
        total_amount=format_amount(payment.total_fen, currency),
        currency=currency,
        expires_at=payment.expires_at,
        bank=bank,
        notify_url=merchant.notify_url,
        return_url=merchant.return_url,
        **{**gateway_params(payment), **(extra or {})},
    )
    return merchant.route_to_simulator(signed)


def gateway_params(payment: Any) -> dict[str, Any]:
    """Return the further parameters for the gateway that a payment was created with."""
    details: Mapping[str, Any] = payment.details or {}
    return {name: value for name, value in details.items() if name not in _STORED}


def split_details(
    model: Any, details: Mapping[str, Any], reserved: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split details into columns of the application's class and parameters of the gateway.

    :param reserved: the names that only this package sets.
    :raises InvalidParameter: names a reserved or invalid detail.
    """
    columns: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    mapped = inspect(model).attrs
    for name, value in details.items():
        if name in reserved or name in _MERCHANT_PARAMS:
            raise InvalidParameter(name, "is set by this package: remove it")
        if name in mapped:
            columns[name] = value
        elif value is not None:
            parameters[name] = value
    expires_at = columns.get("expires_at")
    if isinstance(expires_at, datetime) and expires_at.tzinfo is None:
        raise InvalidParameter("expires_at", "must be an aware datetime: add its time zone")
    return columns, parameters


def choose_merchant(
    config: Config, auth_app_id: str | None, token: str | None, has_token_loader: bool
) -> str | None:
    """Return the APPID of the merchant who sells through a third-party application, if known.

    :raises InvalidParameter: if the gateway, the configured seller or a missing token excludes the
        merchant.
    """
    other = token is not None and config.gateway.acting_for(token) is not config.gateway
    if auth_app_id is None:
        auth_app_id = None if other else config.auth_app_id
        parameter = "app_auth_token"
    else:
        _check_app_id(config, auth_app_id)
        if auth_app_id == config.merchant:  # the application sells itself
            auth_app_id = None
        parameter = "auth_app_id"
        others = auth_app_id is not None and auth_app_id != config.auth_app_id
        if others and not (other or has_token_loader):
            raise InvalidParameter(
                "auth_app_id",
                "needs the merchant's token: pass app_auth_token as well, or define "
                "app_auth_token_loader",
            )
        other = other or others
    if other and config.seller_id and not config.simulator:
        raise InvalidParameter(
            parameter,
            f"of another merchant excludes {config.prefix}_SELLER_ID: notifications that name "
            f"another seller are rejected. Unset it, or set {config.prefix}_APP_AUTH_TOKEN",
        )
    return auth_app_id


def _check_app_id(config: Config, auth_app_id: object) -> None:
    if config.protocol == "mapi":
        raise InvalidParameter("auth_app_id", "is for the open platform only")
    if not isinstance(auth_app_id, str) or not _APP_ID.fullmatch(auth_app_id):
        raise InvalidParameter("auth_app_id", "must be an APPID of 16 digits")


def _expiry(parameters: Mapping[str, Any]) -> datetime | None:
    """Return the time limit from one of the gateways' own timeout parameters."""
    for name in _TIMEOUTS:
        minutes = timeout_minutes(name, parameters[name]) if name in parameters else None
        if minutes is not None:
            return utc_now() + timedelta(minutes=minutes)
    return None


def check_json(parameters: Mapping[str, Any]) -> None:
    """Check that the parameters can be stored as JSON until the buyer pays."""
    for name, value in parameters.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise InvalidParameter(name, "must be text or an integer, to be stored") from None
