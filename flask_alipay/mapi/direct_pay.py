"""The parameters of instant payment (即时到账, ``create_direct_pay_by_user``) and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from ..banks import BANK_CODE
from ..exceptions import InvalidParameter
from ..fields import (
    Field,
    amount,
    choice,
    convert,
    ip_address,
    out_trade_no,
    pattern,
    text,
    timeout,
    url,
    whole,
)

SERVICE = "create_direct_pay_by_user"

# A part of a list that ^ and | divide, without line breaks and the like.
_PART = r"[^^|\x00-\x1f\x7f]"
_EXTENSION = rf"{_PART}+\^{_PART}+"
_ROYALTY = rf"{_PART}+\^[0-9]+(?:\.[0-9]{{1,2}})?\^{_PART}*"
_WAYS = r"[A-Za-z_]+(?:\^[A-Za-z_]+)*"
_ACCOUNT = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")
_WORDS = pattern(_WAYS, "names of ways to pay, joined by ^")

#: Every parameter, as in Alipay's own table of the service.
FIELDS: Mapping[str, Field] = {
    "out_trade_no": out_trade_no,
    "subject": text(256, in_bytes=True),
    "total_fee": amount,
    "price": amount,
    "quantity": whole(1, 1_000_000),
    "body": text(1000),
    "show_url": url(400),
    "notify_url": url(190, query=False),
    "return_url": url(200, query=False),
    "seller_id": _ACCOUNT,
    "seller_email": text(100),
    "seller_account_name": text(100),
    "buyer_id": _ACCOUNT,
    "buyer_email": text(100),
    "buyer_account_name": text(100),
    "paymethod": choice("bankPay", "directPay", "creditPay", "CASH", "cartoon"),
    "defaultbank": pattern(BANK_CODE, "a bank's code, like ICBCB2C or CCB-DEBIT"),
    "enable_paymethod": _WORDS,
    "disable_paymethod": _WORDS,
    "anti_phishing_key": text(100),
    "exter_invoke_ip": ip_address,
    "extra_common_param": text(100, without="=&"),
    "it_b_pay": timeout,
    "token": text(40),
    "qr_pay_mode": choice("0", "1", "2", "3", "4"),
    "qrcode_width": whole(1, 9999),
    "need_buyer_realnamed": choice("T"),
    "hb_fq_param": pattern(
        r"hb_fq_seller_percent\^[0-9]{1,3}\|hb_fq_num\^[0-9]{1,2}",
        "like hb_fq_seller_percent^0|hb_fq_num^3",
    ),
    "goods_type": choice("1", "0"),
    "extend_param": pattern(rf"{_EXTENSION}(?:\|{_EXTENSION})*", "like name^value|name^value"),
    "royalty_type": choice("10"),
    "royalty_parameters": pattern(
        rf"{_ROYALTY}(?:\|{_ROYALTY}){{0,9}}",
        "payee^amount^memo for at most ten payees, joined by |",
    ),
}


class DirectPay(TypedDict, total=False):
    """The parameters as a caller gives them; ``None`` is one that is not given."""

    out_trade_no: str
    subject: str
    total_fee: str | int | Decimal | None
    price: str | int | Decimal | None
    quantity: str | int | None
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
    paymethod: str | None
    defaultbank: str | None
    enable_paymethod: str | None
    disable_paymethod: str | None
    anti_phishing_key: str | None
    exter_invoke_ip: str | None
    extra_common_param: str | None
    it_b_pay: str | None
    token: str | None
    qr_pay_mode: str | int | None
    qrcode_width: str | int | None
    need_buyer_realnamed: str | None
    hb_fq_param: str | None
    goods_type: str | int | None
    extend_param: str | None
    royalty_type: str | int | None
    royalty_parameters: str | None


#: Who gets the money; of several, Alipay heeds the first in this order.
SELLERS = ("seller_id", "seller_email", "seller_account_name")


def direct_pay_params(values: Mapping[str, Any], charset: str) -> dict[str, str]:
    """Checks the parameters of one instant payment and writes them as Alipay's text.

    :param values: the parameters by name; ``None`` is one that was not given.
    :param charset: the merchant's charset; a limit in bytes counts in it.
    :raises InvalidParameter: names the parameter at fault.
    :raises TypeError: for a ``float`` amount.
    """
    params = convert(FIELDS, values, charset, SERVICE)
    for name in ("out_trade_no", "subject"):
        if name not in params:
            raise InvalidParameter(name, "is required")
    _check_amount(params)
    _check_way_to_pay(params)
    _check_pairs(params)
    if not any(name in params for name in SELLERS):
        raise InvalidParameter("seller_id", "or seller_email or seller_account_name is required")
    return params


def _check_amount(params: Mapping[str, str]) -> None:
    if ("price" in params) != ("quantity" in params):
        missing = "quantity" if "price" in params else "price"
        raise InvalidParameter(missing, "is required where the other of price and quantity is")
    if ("total_fee" in params) == ("price" in params):
        raise InvalidParameter("total_fee", "or else price and quantity are required, never both")


def _check_way_to_pay(params: dict[str, str]) -> None:
    """A bank alone is enough said: ``paymethod`` follows from it."""
    if "defaultbank" in params:
        params.setdefault("paymethod", "bankPay")
    if (params.get("paymethod") == "bankPay") != ("defaultbank" in params):
        raise InvalidParameter("defaultbank", "goes with paymethod bankPay, and is required there")
    if "enable_paymethod" in params and "disable_paymethod" in params:
        raise InvalidParameter("disable_paymethod", "must not be there beside enable_paymethod")


def _check_pairs(params: Mapping[str, str]) -> None:
    if ("royalty_type" in params) != ("royalty_parameters" in params):
        raise InvalidParameter("royalty_parameters", "goes with royalty_type 10, and requires it")
    if ("qrcode_width" in params) != (params.get("qr_pay_mode") == "4"):
        raise InvalidParameter("qrcode_width", "goes with qr_pay_mode 4, and is required there")
