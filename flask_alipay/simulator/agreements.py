"""Changes of agreements, and the messages about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from ..protocol.agreements import SIGN_MESSAGE, UNSIGN_MESSAGE, AgreementStatus
from ..protocol.conversion import format_china_time
from .merchant.merchant import SimulatedMerchant
from .notifications.messages import Announcement
from .storage.storage import Storage
from .trades.agreements import Agreement, AgreementStore, PaidDeduction
from .trades.trades import Trade

#: The end of an agreement without one (captured messages).
FOREVER: Final = "2115-02-01 00:00:00"


class AgreementRegistry:
    """The agreements, with the messages about their changes; safe for threads.

    :param merchant: with whom the buyer agrees.
    :param storage: stores them beyond the process.
    """

    def __init__(self, merchant: SimulatedMerchant, storage: Storage | None = None) -> None:
        self._merchant = merchant
        #: The agreements.
        self.store = AgreementStore(storage)

    def sign(self, page_id: str, now: datetime, notify_url: str = "") -> list[Announcement]:
        """Sign an agreement as the buyer, and return the message about it.

        :param notify_url: replaces the address of the request.
        :returns: nothing if there is no such request, if it is signed already or is too old.
        """
        with self.store.turn():
            waiting = self.store.by_page(page_id)
            if waiting is None or waiting.status != AgreementStatus.TEMP or too_old(waiting, now):
                return []
            signed = self.store.put(waiting.signed(now))
        fields = {
            **self.about(signed),
            **times(signed),
            "external_logon_id": signed.request.external_logon_id,
            # In a captured message of 2024; older ones have none.
            "next_deduct_time": signed.next_date,
        }
        return [_message(SIGN_MESSAGE, signed, fields, notify_url or signed.request.notify_url)]

    def end(
        self, agreement_no: str, ended_by: str, now: datetime, notify_url: str = ""
    ) -> list[Announcement]:
        """End an agreement, and return the message about it.

        :param ended_by: :data:`~.trades.agreements.BUYER` or ``MERCHANT``.
        :param notify_url: that of the merchant's call. Of an ending in the wallet only the
            application gateway is told (section 3.7).
        :returns: nothing if the agreement is not in force.
        """
        with self.store.turn():
            agreement = self.store.by_no(agreement_no)
            if agreement is None or not agreement.in_force(now):
                return []
            ended = replace(
                agreement, status=AgreementStatus.UNSIGN, ended_at=now, ended_by=ended_by
            )
            self.store.put(ended)
        fields = {**self.about(ended), "unsign_time": format_china_time(now)}
        return [_message(UNSIGN_MESSAGE, ended, fields, notify_url)]

    def paid(self, trade: Trade, now: datetime, *, sign: bool = True) -> list[Announcement]:
        """Record that a trade was paid, and return the messages that this causes.

        A deduction uses up its period. A payment with a request to sign is also its signature.

        :param sign: whether the buyer agreed to sign.
        """
        order = trade.order
        if order.agreement_no:
            self._deducted(trade, now)
        if not order.sign_page or not sign:
            return []
        return self.sign(order.sign_page, now)

    def about(self, agreement: Agreement) -> dict[str, str]:
        """Return the fields that every message about an agreement has."""
        request = agreement.request
        return {
            "agreement_no": agreement.agreement_no,
            "external_agreement_no": request.external_agreement_no,
            "personal_product_code": request.personal_product_code,
            "sign_scene": request.sign_scene,
            "status": agreement.status,
            **self.buyer("alipay_user_id", "alipay_open_id"),
            "alipay_logon_id": self.buyer_name,
        }

    def buyer(self, number: str, open_id: str) -> dict[str, str]:
        """Return the buyer's number or, to a newer application, the OpenID.

        :param number: name of the field with the number.
        :param open_id: name of the field with the OpenID. That newer applications get it instead of
            the number was seen in code, not captured (open question 12).
        """
        if self._merchant.open_id:
            return {open_id: self._merchant.buyer_open_id}
        return {number: self._merchant.buyer_id}

    @property
    def buyer_name(self) -> str:
        """The name of the buyer's account, masked."""
        name, _, host = self._merchant.buyer_email.partition("@")
        return f"{name[:3]}***@{host}"

    def _deducted(self, trade: Trade, now: datetime) -> None:
        number = trade.order.out_trade_no
        with self.store.turn():
            agreement = self.store.by_no(trade.order.agreement_no)
            if agreement is None or any(one.out_trade_no == number for one in agreement.deductions):
                return
            deduction = PaidDeduction(number, trade.order.total_fen, now)
            self.store.put(agreement.deducted(deduction))


def too_old(agreement: Agreement, now: datetime) -> bool:
    """Return True if the buyer did not open a request in time (``effect_time``)."""
    limit = agreement.request.open_until
    return limit is not None and now >= limit


def times(agreement: Agreement) -> dict[str, str]:
    """Return the times of a signed agreement, as messages and responses have them."""
    signed = "" if agreement.signed_at is None else format_china_time(agreement.signed_at)
    end = agreement.valid_until
    return {
        "sign_time": signed,
        "valid_time": signed,
        "invalid_time": FOREVER if end is None else format_china_time(end),
    }


def _message(kind: str, agreement: Agreement, fields: dict[str, str], url: str) -> Announcement:
    given = {name: value for name, value in fields.items() if value}
    return Announcement(kind, given, url, agreement.request.charset)
