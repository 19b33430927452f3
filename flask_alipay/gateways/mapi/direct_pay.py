"""Parameters of instant payments (即时到账, ``create_direct_pay_by_user``) and their rules."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from ...exceptions import InvalidParameter
from ...protocol.banks import BANK_CODE
from ...protocol.validation import (
    amount,
    choice,
    integer,
    ip_address,
    out_trade_no,
    pattern,
    text,
    timeout,
    url,
)
from ..parameters import REQUIRED, validate_declared

SERVICE = "create_direct_pay_by_user"

# A part of a list that is separated by ^ and |, without control characters.
_PART = r"[^^|\x00-\x1f\x7f]"
_EXTENSION = rf"{_PART}+\^{_PART}+"
_ROYALTY = rf"{_PART}+\^[0-9]+(?:\.[0-9]{{1,2}})?\^{_PART}*"
_CHANNEL_LIST = r"[A-Za-z_]+(?:\^[A-Za-z_]+)*"
_ACCOUNT = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")
_CHANNELS = pattern(_CHANNEL_LIST, "names of payment channels, joined by ^")


class DirectPay(TypedDict, total=False):
    """Parameters of ``create_direct_pay_by_user``, in the order of Alipay's table."""

    out_trade_no: Annotated[str, out_trade_no, REQUIRED]
    subject: Annotated[str, text(256, in_bytes=True), REQUIRED]
    total_fee: Annotated[str | int | Decimal | None, amount, "or ``price`` and ``quantity``"]
    price: Annotated[str | int | Decimal | None, amount]
    quantity: Annotated[str | int | None, integer(1, 1_000_000)]
    body: Annotated[str | None, text(1000)]
    show_url: Annotated[str | None, url(400), "page of the goods; ``ALIPAY_SHOW_URL`` by default"]
    notify_url: Annotated[str | None, url(190, query=False), "receives the notification"]
    return_url: Annotated[str | None, url(200, query=False), "page for the buyer after the payment"]
    seller_id: Annotated[str | None, _ACCOUNT, "the merchant's account by default"]
    seller_email: Annotated[str | None, text(100), "instead of ``seller_id``"]
    seller_account_name: Annotated[str | None, text(100), "instead of ``seller_id``"]
    buyer_id: Annotated[str | None, _ACCOUNT]
    buyer_email: Annotated[str | None, text(100)]
    buyer_account_name: Annotated[str | None, text(100)]
    paymethod: Annotated[
        str | None,
        choice("bankPay", "directPay", "creditPay", "CASH", "cartoon"),
        "``bankPay`` with ``defaultbank``",
    ]
    defaultbank: Annotated[
        str | None,
        pattern(BANK_CODE, "a bank's code, like ICBCB2C or CCB-DEBIT"),
        "a bank that the buyer chose on the merchant's page",
    ]
    enable_paymethod: Annotated[str | None, _CHANNELS]
    disable_paymethod: Annotated[str | None, _CHANNELS, "not with ``enable_paymethod``"]
    anti_phishing_key: Annotated[str | None, text(100), "from ``query_timestamp``"]
    exter_invoke_ip: Annotated[str | None, ip_address, "the buyer's address"]
    extra_common_param: Annotated[
        str | None, text(100, without="=&"), "returned in the notification"
    ]
    it_b_pay: Annotated[str | None, timeout, "time until the trade is closed"]
    token: Annotated[str | None, text(40)]
    qr_pay_mode: Annotated[str | int | None, choice("0", "1", "2", "3", "4")]
    qrcode_width: Annotated[str | int | None, integer(1, 9999), "with ``qr_pay_mode`` 4"]
    need_buyer_realnamed: Annotated[str | None, choice("T")]
    hb_fq_param: Annotated[
        str | None,
        pattern(
            r"hb_fq_seller_percent\^[0-9]{1,3}\|hb_fq_num\^[0-9]{1,2}",
            "like hb_fq_seller_percent^0|hb_fq_num^3",
        ),
    ]
    goods_type: Annotated[str | int | None, choice("1", "0")]
    extend_param: Annotated[
        str | None, pattern(rf"{_EXTENSION}(?:\|{_EXTENSION})*", "like name^value|name^value")
    ]
    royalty_type: Annotated[str | int | None, choice("10")]
    royalty_parameters: Annotated[
        str | None,
        pattern(
            rf"{_ROYALTY}(?:\|{_ROYALTY}){{0,9}}",
            "payee^amount^memo for at most ten payees, joined by |",
        ),
        "with ``royalty_type``",
    ]


#: Parameters that name the seller, in Alipay's order of precedence.
SELLERS = ("seller_id", "seller_email", "seller_account_name")


def direct_pay_params(values: Mapping[str, Any], charset: str) -> dict[str, str]:
    """Validate the parameters of an instant payment and convert them to Alipay's text.

    :param values: the parameters by name; ``None`` means not given.
    :param charset: the merchant's charset; a limit in bytes counts in it.
    :raises InvalidParameter: names the invalid parameter.
    :raises TypeError: for a ``float`` amount.
    """
    params = validate_declared(DirectPay, values, charset, SERVICE)
    _check_amount(params)
    _check_payment_method(params)
    _check_pairs(params)
    if not any(name in params for name in SELLERS):
        raise InvalidParameter("seller_id", "or seller_email or seller_account_name is required")
    return params


def _check_amount(params: Mapping[str, str]) -> None:
    if ("price" in params) != ("quantity" in params):
        missing = "quantity" if "price" in params else "price"
        raise InvalidParameter(missing, "is required if the other of price and quantity is given")
    if ("total_fee" in params) == ("price" in params):
        raise InvalidParameter("total_fee", "or else price and quantity are required, never both")


def _check_payment_method(params: dict[str, str]) -> None:
    """Check the payment method; ``defaultbank`` alone implies ``paymethod`` ``bankPay``."""
    if "defaultbank" in params:
        params.setdefault("paymethod", "bankPay")
    if (params.get("paymethod") == "bankPay") != ("defaultbank" in params):
        raise InvalidParameter(
            "defaultbank", "is allowed only with paymethod bankPay, which requires it"
        )
    if "enable_paymethod" in params and "disable_paymethod" in params:
        raise InvalidParameter(
            "disable_paymethod", "must not be given together with enable_paymethod"
        )


def _check_pairs(params: Mapping[str, str]) -> None:
    if ("royalty_type" in params) != ("royalty_parameters" in params):
        raise InvalidParameter(
            "royalty_parameters", "is allowed only with royalty_type 10, and requires it"
        )
    if ("qrcode_width" in params) != (params.get("qr_pay_mode") == "4"):
        raise InvalidParameter(
            "qrcode_width", "is allowed only with qr_pay_mode 4, which requires it"
        )
