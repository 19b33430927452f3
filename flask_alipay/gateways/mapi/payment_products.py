"""Products of the legacy gateway, and the service and parameters of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.validation import check_choice
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
    """Convert a payment to the parameters of its product's service, not validated yet.

    :param product: one of :data:`PRODUCTS`.
    :param total_amount: the amount that the buyer pays.
    :param currency: the currency of ``total_amount``.
    :param expires_at: the end of the time to pay, to the minute.
    :param bank: the code of the bank that the buyer chose.
    :param settlement_currency: the currency in which a cross-border payment priced in yuan is
        settled.
    :param details: other parameters of the service; ``None`` means not given.
    :raises InvalidParameter: names a parameter that the product does not support.
    """
    check_choice("product", product, PRODUCTS)
    given = {name: value for name, value in details.items() if value is not None}
    minutes = None if expires_at is None else _minutes_until(expires_at)
    if bank is not None:
        if product != "page":
            raise InvalidParameter("bank", "is supported only by the product page")
        given.update(paymethod="bankPay", defaultbank=bank)
    if product in ("forex", "forex_wap"):
        if minutes is not None:
            given["timeout_rule"] = forex_pay.timeout_rule(minutes)
        return _foreign(product, given, total_amount, currency, settlement_currency)
    if currency != "CNY":
        raise InvalidParameter("currency", f"must be CNY for the product {product}")
    if settlement_currency is not None:
        raise InvalidParameter(
            "settlement_currency", "is supported only by the products forex and forex_wap"
        )
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
            "currency", "must be a foreign currency, or settlement_currency must be given"
        )
    return {**values, "rmb_fee": total_amount, "currency": settlement_currency}


def _minutes_until(when: datetime) -> int:
    """Return full minutes until a time, rounded up, within 1m and 15d: Alipay counts them from the
    buyer's arrival.
    """
    seconds = (when - datetime.now(timezone.utc)).total_seconds()
    return min(max(1, -int(-seconds // 60)), 15 * 24 * 60)
