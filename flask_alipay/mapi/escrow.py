"""The parameters of escrow (担保交易, ``create_partner_trade_by_buyer``) and of the dual interface
(标准双接口, ``trade_create_by_buyer``), where the buyer chooses between escrow and instant payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from ..exceptions import InvalidParameter
from ..fields import Field, amount, choice, convert, out_trade_no, pattern, text, timeout, url
from ..money import parse_fen, to_fen, to_yuan
from . import rules

ESCROW = "create_partner_trade_by_buyer"
DUAL = "trade_create_by_buyer"

#: The ways goods travel.
TRANSPORT = choice("POST", "EXPRESS", "EMS", "DIRECT")

#: Every parameter, of both services.
FIELDS: Mapping[str, Field] = {
    "out_trade_no": out_trade_no,
    "subject": rules.words(256),
    "price": amount,
    "quantity": rules.quantity,
    "logistics_type": TRANSPORT,
    "logistics_fee": rules.fee,
    "logistics_payment": choice("BUYER_PAY", "SELLER_PAY", "BUYER_PAY_AFTER_RECEIVE"),
    "discount": pattern(r"-?[0-9]{1,8}(?:\.[0-9]{1,2})?", "an amount that is added to the price"),
    "body": text(1000),
    "show_url": url(400),
    "notify_url": url(190, query=False),
    "return_url": url(200, query=False),
    "seller_id": rules.account,
    "seller_email": text(100),
    "seller_account_name": text(100),
    "buyer_id": rules.account,
    "buyer_email": text(100),
    "buyer_account_name": text(100),
    "receive_name": text(128),
    "receive_address": text(256),
    "receive_zip": text(20),
    "receive_phone": text(30),
    "receive_mobile": text(30),
    "extra_common_param": text(100, without="=&"),
    "it_b_pay": timeout,
    "token": text(40),
}

#: How a payment's goods travel where it says nothing of it: the seller sends and pays.
LOGISTICS = {
    "logistics_type": "EXPRESS",
    "logistics_fee": "0.00",
    "logistics_payment": "SELLER_PAY",
}


class EscrowTrade(TypedDict, total=False):
    """The parameters as a caller gives them; ``None`` is one that is not given."""

    out_trade_no: str
    subject: str
    price: str | int | Decimal
    quantity: str | int
    logistics_type: str
    logistics_fee: str | int | Decimal
    logistics_payment: str
    discount: str | None
    body: str | None
    show_url: str | None
    notify_url: str | None
    return_url: str | None
    seller_id: str | None
    seller_email: str | None
    seller_account_name: str | None
    buyer_id: str | None
    buyer_email: str | None
    buyer_account_name: str | None
    receive_name: str | None
    receive_address: str | None
    receive_zip: str | None
    receive_phone: str | None
    receive_mobile: str | None
    extra_common_param: str | None
    it_b_pay: str | None
    token: str | None


def escrow_params(values: Mapping[str, Any], charset: str, service: str) -> dict[str, str]:
    """Checks the parameters of one trade and writes them as Alipay's text.

    :param values: the parameters by name; ``None`` is one that was not given.
    :param charset: the merchant's charset.
    :param service: :data:`ESCROW` or :data:`DUAL`.
    :raises InvalidParameter: names the parameter at fault.
    :raises TypeError: for a ``float`` amount.
    """
    params = convert(FIELDS, values, charset, service)
    rules.require(params, "out_trade_no", "subject", "price", "quantity")
    rules.require(params, "logistics_type", "logistics_fee", "logistics_payment")
    rules.require_one(params, "seller_id", "seller_email", "seller_account_name")
    return params


def priced(details: Mapping[str, Any], total_amount: Any) -> dict[str, Any]:
    """Returns the details of a payment with a price and logistics that come to its total.

    :param details: ``price``, ``quantity`` and logistics as far as the shop named them.
    :param total_amount: what the buyer is to pay, in yuan.
    :raises InvalidParameter: if they come to something else.
    """
    given = {**LOGISTICS, "quantity": 1, **details}
    if "discount" in given:
        raise InvalidParameter("discount", "cannot be given beside a fixed total")
    many = int(rules.quantity("quantity", given["quantity"], "utf-8"))
    fen = to_fen(total_amount)
    if given["logistics_payment"] == "BUYER_PAY":
        written = rules.fee("logistics_fee", given["logistics_fee"], "utf-8")
        fen -= parse_fen(written)
    if "price" not in given and fen > 0 and fen % many == 0:
        given["price"] = to_yuan(fen // many)
    if "price" not in given or to_fen(given["price"], parameter="price") * many != fen:
        raise InvalidParameter(
            "price", "times quantity, and a logistics_fee that the buyer pays, must be the total"
        )
    return given
