"""Messages of the operator pages in the operator's language.

Flask-Babel decides about the language if the shop has it, otherwise the browser's
``Accept-Language``. English is in the code, translations are in the package's catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..blueprint.reader_language import reader_language
from ..protocol.agreements import AgreementStatus
from ..protocol.i18n import LANGUAGES, translate, translate_plural
from ..protocol.i18n import N_ as N_
from ..protocol.preauthorizations import AuthorizationStatus
from ..protocol.trade_status import TradeStatus
from ..protocol.transfers import TransferStatus


def language() -> str:
    """Return the operator's language: ``zh`` or ``en``."""
    return reader_language(LANGUAGES)


def html_language() -> str:
    """Return the operator's language for ``lang`` in HTML."""
    return "zh-CN" if language() == "zh" else language()


def _(text: str) -> str:
    """Return a text in the operator's language.

    :param text: as it is in the code, in English.
    """
    return translate(text, language())


def n_(one: str, several: str, count: int) -> str:
    """Return a text about a number of things in the operator's language.

    :param one: for one thing, in English.
    :param several: for any other number of them.
    :param count: how many.
    """
    return translate_plural(one, several, count, language())


def choices(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the words of a choice, each with its text in the operator's language."""
    return [(word, _(text)) for word, text in texts.items()]


class LazyText:
    """A text that is translated when it is shown: for the names in Flask-Admin's menu.

    :param text: in English.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return _(self._text)


#: Trade statuses in words.
STATUSES: Final = {
    TradeStatus.WAIT_BUYER_PAY: N_("Waiting for payment"),
    TradeStatus.TRADE_PENDING: N_("Paid, waiting for the seller's account"),
    TradeStatus.WAIT_SELLER_SEND_GOODS: N_("Paid in escrow, waiting for shipment"),
    TradeStatus.WAIT_BUYER_CONFIRM_GOODS: N_("Shipped, waiting for the buyer's confirmation"),
    TradeStatus.TRADE_SUCCESS: N_("Payment received"),
    TradeStatus.TRADE_FINISHED: N_("Finished, not refundable"),
    TradeStatus.TRADE_CLOSED: N_("Closed"),
}

#: Outcomes of the journal in words.
OUTCOMES: Final = {
    "settled": N_("settled"),
    "recorded": N_("recorded"),
    "duplicate": N_("duplicate"),
    "stale": N_("outdated"),
    "unknown": N_("no such payment"),
    "mismatched": N_("mismatched"),
    "callback_failed": N_("callback failed"),
}

#: Settled events in words.
EVENTS: Final = {
    "paid": N_("paid"),
    "failed": N_("closed without payment"),
    "refunded": N_("refunded"),
    "finished": N_("finished"),
    "transferred": N_("transferred"),
    "transfer_failed": N_("transfer failed"),
    "authorized": N_("amount frozen"),
    "released": N_("amount released"),
    "authorization_closed": N_("closed without freezing"),
    "agreement_signed": N_("agreement signed"),
    "agreement_ended": N_("agreement ended"),
}

#: Kinds of refunds in words.
REFUNDS: Final = {
    "processing": N_("Result unknown"),
    "success": N_("Refund succeeded"),
    "rejected": N_("Rejected by Alipay"),
}

#: Statuses of transfers in words.
TRANSFERS: Final = {
    TransferStatus.DEALING: N_("Result unknown, or on its way"),
    TransferStatus.SUCCESS: N_("Transferred"),
    TransferStatus.FAIL: N_("Failed"),
    TransferStatus.CLOSED: N_("Closed"),
    TransferStatus.REFUND: N_("Returned by the bank"),
}

#: Statuses of authorizations in words.
AUTHORIZATIONS: Final = {
    AuthorizationStatus.INIT: N_("Waiting for the payer"),
    AuthorizationStatus.AUTHORIZED: N_("Frozen"),
    AuthorizationStatus.FINISH: N_("Captured, nothing left"),
    AuthorizationStatus.CLOSED: N_("Closed"),
}

#: Statuses of agreements in words.
AGREEMENTS: Final = {
    AgreementStatus.TEMP: N_("Not signed"),
    AgreementStatus.NORMAL: N_("In force"),
    AgreementStatus.STOP: N_("Suspended"),
    AgreementStatus.UNSIGN: N_("Ended"),
}

#: Selections of agreements by their deduction window, in words.
DUE: Final = {"now": N_("Possible today"), "overdue": N_("Missed, or failed and about to be")}

#: Kinds of problems with authorizations and agreements in words.
PROBLEMS: Final = {
    "authorization_expiring": N_("Frozen amount about to be released by Alipay"),
    "release_unresolved": N_("Release without a result"),
    "capture_unresolved": N_("Capture without a result"),
    "deduction_unresolved": N_("Deduction without a result"),
    "deduction_overdue": N_("Missed deduction"),
}

#: Actions in words.
ACTIONS: Final = {
    "query": N_("Query Alipay"),
    "refund": N_("Refund"),
    "refund_with_password": N_("Refund with password"),
    "close": N_("Close"),
    "replay": N_("Replay"),
    "reconcile": N_("Reconcile"),
    "capture": N_("Capture"),
    "release": N_("Release"),
    "cancel": N_("Cancel the authorization"),
    "charge": N_("Charge"),
    "end": N_("End the agreement"),
    "alert": N_("Alert"),
}
