"""What a buyer pays with, and how the open platform calls it in a ``fund_bill_list``.

The legacy gateway tells its merchants nothing of it.
"""

from __future__ import annotations

from typing import Final

from ..banks import BANK_CODE, bank_of
from ..exceptions import InvalidParameter
from ..money import to_yuan

#: The buyer's balance, and his credit at Alipay (Huabei); a bank has its code.
BALANCE: Final = "balance"
CREDIT: Final = "credit"

_CHANNELS: Final = {BALANCE: "ALIPAYACCOUNT", CREDIT: "PCREDIT"}


def check_fund(paid_with: str) -> str:
    """Returns what a buyer wants to pay with, if there is such a thing.

    :param paid_with: :data:`BALANCE`, :data:`CREDIT` or the code of a bank, like ``ICBCB2C``.
    :raises InvalidParameter: otherwise.
    """
    if paid_with not in _CHANNELS and not BANK_CODE.fullmatch(paid_with):
        raise InvalidParameter("paid_with", "must be balance, credit or a bank's code like ICBCB2C")
    return paid_with


def notified(paid_with: str, fen: int) -> list[dict[str, str]]:
    """Returns where the money came from as notifications spell it."""
    channel = _CHANNELS.get(paid_with)
    if channel is not None:
        return [{"amount": to_yuan(fen), "fundChannel": channel}]
    # A card is told by its kind (seen in captured notifications) and not by its bank.
    return [{"amount": to_yuan(fen), "fundChannel": "BANKCARD", "fundType": _card(paid_with)}]


def answered(paid_with: str, fen: int) -> list[dict[str, str]]:
    """Returns where the money came from, or went back to, as answers spell it."""
    channel = _CHANNELS.get(paid_with)
    if channel is not None:
        return [{"amount": to_yuan(fen), "fund_channel": channel}]
    return [
        {
            "amount": to_yuan(fen),
            "bank_code": bank_of(paid_with),
            "fund_channel": "BANKCARD",
            "fund_type": _card(paid_with),
        }
    ]


def _card(bank: str) -> str:
    return "CREDIT_CARD" if bank.endswith("-CREDIT") else "DEBIT_CARD"
