"""What a payment of the shop's becomes: by product, a service of the legacy gateway."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.limits import check_choice
from . import direct_pay, escrow, forex_pay, wap_pay

#: The products and the services behind them.
PRODUCTS: Mapping[str, str] = {
    "page": direct_pay.SERVICE,
    "escrow": escrow.ESCROW,
    "dual": escrow.DUAL,
    "wap": wap_pay.SERVICE,
    "forex": forex_pay.SERVICE,
    "forex_wap": forex_pay.WAP_SERVICE,
}


def service_params(
    product: str,
    *,
    total_amount: Any,
    currency: str = "CNY",
    expires_at: datetime | None = None,
    bank: str | None = None,
    settlement_currency: str | None = None,
    **details: Any,
) -> dict[str, Any]:
    """Returns what a payment is for the service behind its product, unchecked as yet.

    :param product: of :data:`PRODUCTS`.
    :param total_amount: what the buyer is to pay.
    :param currency: what that is in.
    :param expires_at: when the payment may no longer be made, to the minute.
    :param bank: the code of the bank that the buyer chose.
    :param settlement_currency: what a cross-border payment that is priced in yuan is paid out in.
    :param details: whatever else the service takes; ``None`` is what is not given.
    :raises InvalidParameter: names what the product cannot have.
    """
    check_choice("product", product, PRODUCTS)
    given = {name: value for name, value in details.items() if value is not None}
    minutes = None if expires_at is None else _minutes_until(expires_at)
    if bank is not None:
        if product != "page":
            raise InvalidParameter("bank", "can only be chosen for the product page")
        given.update(paymethod="bankPay", defaultbank=bank)
    if product in ("forex", "forex_wap"):
        if minutes is not None:
            given["timeout_rule"] = forex_pay.timeout_rule(minutes)
        return _foreign(product, given, total_amount, currency, settlement_currency)
    if currency != "CNY":
        raise InvalidParameter("currency", f"must be CNY for the product {product}")
    if settlement_currency is not None:
        raise InvalidParameter("settlement_currency", "goes with the products forex and forex_wap")
    if minutes is not None:
        given["it_b_pay"] = f"{minutes}m"
    if product in ("escrow", "dual"):
        return escrow.with_price(given, total_amount)
    return {**given, "total_fee": total_amount}


def _foreign(
    product: str,
    given: dict[str, Any],
    total_amount: Any,
    currency: str,
    settlement_currency: str | None,
) -> dict[str, Any]:
    code = "NEW_WAP_OVERSEAS_SELLER" if product == "forex_wap" else "NEW_OVERSEAS_SELLER"
    values = {"product_code": code, **given}
    if currency != "CNY":
        if settlement_currency not in (None, currency):
            raise InvalidParameter("settlement_currency", "must be the currency of the payment")
        return {**values, "total_fee": total_amount, "currency": currency}
    if settlement_currency is None:
        raise InvalidParameter(
            "currency", "must be a foreign one, or there must be a settlement_currency"
        )
    return {**values, "rmb_fee": total_amount, "currency": settlement_currency}


def _minutes_until(when: datetime) -> int:
    """Alipay counts whole minutes from when the buyer arrives: rounded up, within 1m and 15d."""
    seconds = (when - datetime.now(timezone.utc)).total_seconds()
    return min(max(1, -int(-seconds // 60)), 15 * 24 * 60)
