"""Parameters of escrow trades (担保交易, ``create_partner_trade_by_buyer``) and of the dual
interface (标准双接口, ``trade_create_by_buyer``), where the buyer chooses between escrow and
instant payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, parse_minor_units, to_minor_units
from ...protocol.validation import amount, choice, out_trade_no, pattern, text, timeout, url
from ..parameters import REQUIRED, validate_declared
from . import validators

ESCROW = "create_partner_trade_by_buyer"
DUAL = "trade_create_by_buyer"

#: Shipping methods.
TRANSPORT = choice("POST", "EXPRESS", "EMS", "DIRECT")


#: Default logistics of a payment: express delivery at the seller's cost.
LOGISTICS = {
    "logistics_type": "EXPRESS",
    "logistics_fee": "0.00",
    "logistics_payment": "SELLER_PAY",
}


class EscrowTrade(TypedDict, total=False):
    """Parameters of ``create_partner_trade_by_buyer`` and ``trade_create_by_buyer``."""

    out_trade_no: Annotated[str, out_trade_no, REQUIRED]
    subject: Annotated[str, validators.text_bytes(256), REQUIRED]
    price: Annotated[str | int | Decimal, amount, REQUIRED]
    quantity: Annotated[str | int, validators.quantity, REQUIRED]
    logistics_type: Annotated[str, TRANSPORT, REQUIRED]
    logistics_fee: Annotated[
        str | int | Decimal, validators.non_negative_amount, REQUIRED, "may be 0"
    ]
    logistics_payment: Annotated[
        str, choice("BUYER_PAY", "SELLER_PAY", "BUYER_PAY_AFTER_RECEIVE"), REQUIRED
    ]
    discount: Annotated[
        str | None,
        pattern(r"-?[0-9]{1,8}(?:\.[0-9]{1,2})?", "an amount that is added to the price"),
    ]
    body: Annotated[str | None, text(1000)]
    show_url: Annotated[str | None, url(400), "page of the goods; ``ALIPAY_SHOW_URL`` by default"]
    notify_url: Annotated[str | None, url(190, query=False), "receives the notification"]
    return_url: Annotated[str | None, url(200, query=False), "page for the buyer after the payment"]
    seller_id: Annotated[str | None, validators.account, "the merchant's account by default"]
    seller_email: Annotated[str | None, text(100), "instead of ``seller_id``"]
    seller_account_name: Annotated[str | None, text(100), "instead of ``seller_id``"]
    buyer_id: Annotated[str | None, validators.account]
    buyer_email: Annotated[str | None, text(100)]
    buyer_account_name: Annotated[str | None, text(100)]
    receive_name: Annotated[str | None, text(128)]
    receive_address: Annotated[str | None, text(256)]
    receive_zip: Annotated[str | None, text(20)]
    receive_phone: Annotated[str | None, text(30)]
    receive_mobile: Annotated[str | None, text(30)]
    extra_common_param: Annotated[
        str | None, text(100, without="=&"), "returned in the notification"
    ]
    it_b_pay: Annotated[str | None, timeout, "time until the trade is closed"]
    token: Annotated[str | None, text(40)]


def escrow_params(values: Mapping[str, Any], charset: str, service: str) -> dict[str, str]:
    """Validate the parameters of a trade and convert them to Alipay's text.

    :param values: the parameters by name; ``None`` means not given.
    :param charset: the merchant's charset.
    :param service: :data:`ESCROW` or :data:`DUAL`.
    :raises InvalidParameter: names the invalid parameter.
    :raises TypeError: for a ``float`` amount.
    """
    params = validate_declared(EscrowTrade, values, charset, service)
    validators.require_one(params, "seller_id", "seller_email", "seller_account_name")
    return params


def with_price(details: Mapping[str, Any], total_amount: Any) -> dict[str, Any]:
    """Complete a payment with price and logistics that add up to its total.

    :param details: ``price``, ``quantity`` and logistics, if the merchant gave them.
    :param total_amount: the amount that the buyer pays, in yuan.
    :raises InvalidParameter: if they do not add up to the total.
    """
    given = {**LOGISTICS, "quantity": 1, **details}
    if "discount" in given:
        raise InvalidParameter("discount", "cannot be given together with a fixed total")
    quantity = int(validators.quantity("quantity", given["quantity"], "utf-8"))
    fen = to_minor_units(total_amount)
    if given["logistics_payment"] == "BUYER_PAY":
        fee = validators.non_negative_amount("logistics_fee", given["logistics_fee"], "utf-8")
        fen -= parse_minor_units(fee)
    if "price" not in given and fen > 0 and fen % quantity == 0:
        given["price"] = format_amount(fen // quantity)
    if "price" not in given or to_minor_units(given["price"], parameter="price") * quantity != fen:
        raise InvalidParameter(
            "price", "times quantity, and a logistics_fee that the buyer pays, must be the total"
        )
    return given
