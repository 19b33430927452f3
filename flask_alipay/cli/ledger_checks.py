"""What a good signature does not tell: whether the news is about this shop's account, order and
amount, and whether the ledger knows it already. The ledger is read, nothing in it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import (
    BadNotification,
    NotificationRefused,
    PaymentMismatch,
    UnknownPayment,
    WrongAccount,
)
from ..operations.replay import replay
from .i18n import _

if TYPE_CHECKING:
    from ..merchant import Merchant

#: What is looked at, in this order; the first that is not ``ok`` ends it.
CHECKS = ("account", "order", "amount", "outcome")

_OK = "ok"


def check_against_ledger(alipay: Merchant, params: Mapping[str, str]) -> dict[str, str]:
    """Looks a verified notification up in the app.

    :param alipay: the merchant.
    :param params: verified with the app's own keys.
    :returns: ``ok`` or what is the matter, by the check; ``outcome`` is what the ledger would make
        of it: ``settled``, ``recorded``, ``duplicate`` (it knows it already), ``stale``. Empty for
        what is no notification of a trade.
    """
    try:
        foreseen = replay(alipay, params, journalled=True, dry_run=True)
    except WrongAccount:
        return {"account": "wrong_account"}
    except UnknownPayment:
        return {"account": _OK, "order": "unknown"}
    except PaymentMismatch as error:
        return {"account": _OK, "order": _OK, "amount": f"mismatched: {error}"}
    except (BadNotification, NotificationRefused):
        return {}
    except SQLAlchemyError as error:
        return {"account": _OK, "order": f"unavailable ({type(error).__name__})"}
    return {
        "account": _OK,
        "order": _OK,
        "amount": _OK,
        "status": str(foreseen.payment.trade_status),
        "outcome": foreseen.outcome,
    }


def describe_checks(checks: Mapping[str, str]) -> dict[str, str]:
    """Returns the checks in words, by what they are about."""
    words = {
        "wrong_account": _("it is about somebody else's account: it settles nothing here"),
        "unknown": _("there is no such payment in the ledger"),
        "settled": _("it is news, and would be settled"),
        "recorded": _("it is news, and would be recorded"),
        "duplicate": _("the ledger knows it already"),
        "stale": _("it is older than what the ledger knows"),
    }
    return {name: words.get(value, value) for name, value in checks.items()}
