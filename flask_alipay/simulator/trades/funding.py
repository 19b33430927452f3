"""Payment channels: those that a merchant allows, and their names in a ``fund_bill_list``.

The legacy gateway does not report them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.banks import BANK_CODE, strip_account_suffix
from ...protocol.conversion import format_amount

#: The buyer's balance, and his credit at Alipay (Huabei); a bank has its code.
BALANCE: Final = "balance"
CREDIT: Final = "credit"

#: The kinds of cards that a bank's code stands for.
DEBIT_CARD: Final = "debit-card"
CREDIT_CARD: Final = "credit-card"

#: Everything there is to pay with, what a buyer takes first of all in front.
KINDS: Final = (BALANCE, CREDIT, DEBIT_CARD, CREDIT_CARD)

_CHANNELS: Final = {BALANCE: "ALIPAYACCOUNT", CREDIT: "PCREDIT"}

# The words with which merchants open ways to pay: ``enable_pay_channels`` of the open platform
# and ``enable_paymethod`` of the legacy gateway, in Alipay's lists of them. Where the first of a
# kind's is shut, or a group that it is in, the kind is. The others have no counterpart here
# (coupons, points, cash).
_OPENED_BY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        BALANCE: ("balance", "directPay", "moneyFund"),
        CREDIT: ("pcredit", "creditPay", "credit_group", "pcreditpayInstallment"),
        DEBIT_CARD: ("debitCardExpress", "bankPay", "cartoon"),
        CREDIT_CARD: (
            *("creditCard", "creditCardExpress", "credit_group", "bankPay"),
            "creditCardCartoon",
        ),
    }
)
_SHUT_BY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        BALANCE: ("balance", "directPay"),
        CREDIT: ("pcredit", "creditPay", "credit_group"),
        DEBIT_CARD: ("debitCardExpress",),
        CREDIT_CARD: ("creditCard", "creditCardExpress", "credit_group"),
    }
)


def allowed_channels(enabled: Collection[str], disabled: Collection[str]) -> tuple[str, ...]:
    """Return the :data:`KINDS` that a merchant allows.

    :param enabled: the words for what alone he wants to be paid with; empty: with anything.
    :param disabled: the words for what he does not want.
    """
    return tuple(
        kind
        for kind in KINDS
        if (not enabled or not set(_OPENED_BY[kind]).isdisjoint(enabled))
        and set(_SHUT_BY[kind]).isdisjoint(disabled)
    )


def kind_of(paid_with: str) -> str:
    """Return the kind of a fund, one of :data:`KINDS`.

    :param paid_with: as of :func:`check_fund`.
    """
    if paid_with in _CHANNELS:
        return paid_with
    return CREDIT_CARD if paid_with.endswith("-CREDIT") else DEBIT_CARD


def check_fund(paid_with: str) -> str:
    """Check the buyer's payment channel.

    :param paid_with: :data:`BALANCE`, :data:`CREDIT` or the code of a bank, like ``ICBCB2C``.
    :raises InvalidParameter: otherwise.
    """
    if paid_with not in _CHANNELS and not BANK_CODE.fullmatch(paid_with):
        raise InvalidParameter("paid_with", "must be balance, credit or a bank's code like ICBCB2C")
    return paid_with


def credit_card(bank: str) -> str:
    """Return the code of a bank's credit card.

    :param bank: one of its codes.
    """
    return f"{strip_account_suffix(bank)}-CREDIT"


def notification_fund_bill(paid_with: str, fen: int) -> list[dict[str, str]]:
    """Return the payment channels in the spelling of notifications."""
    channel = _CHANNELS.get(paid_with)
    if channel is not None:
        return [{"amount": format_amount(fen), "fundChannel": channel}]
    # A card is reported by its kind, as in captured notifications, and not by its bank.
    return [{"amount": format_amount(fen), "fundChannel": "BANKCARD", "fundType": _card(paid_with)}]


def response_fund_bill(paid_with: str, fen: int) -> list[dict[str, str]]:
    """Return the channels of a payment or refund in the spelling of responses."""
    channel = _CHANNELS.get(paid_with)
    if channel is not None:
        return [{"amount": format_amount(fen), "fund_channel": channel}]
    return [
        {
            "amount": format_amount(fen),
            "bank_code": strip_account_suffix(paid_with),
            "fund_channel": "BANKCARD",
            "fund_type": _card(paid_with),
        }
    ]


def _card(bank: str) -> str:
    return kind_of(bank).replace("-", "_").upper()
