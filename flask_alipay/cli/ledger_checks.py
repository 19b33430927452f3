"""Comparison of a verified notification with the ledger: account, order, amount and outcome.

A valid signature does not prove that a notification is about this shop's account, order and amount.
The ledger is read and not changed.
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

#: The checks in their order; the first that is not ``ok`` ends them.
CHECKS = ("account", "order", "amount", "outcome")

_OK = "ok"


def check_against_ledger(merchant: Merchant, params: Mapping[str, str]) -> dict[str, str]:
    """Check a verified notification against the ledger.

    :param merchant: the merchant.
    :param params: verified with the merchant's own keys.
    :return: ``ok`` or the problem, by the name of the check; ``outcome`` is the outcome of settling
        it: ``settled``, ``recorded``, ``duplicate`` or ``stale``. A message has only the first and
        the last check. Empty if it is no notification.
    """
    try:
        result = replay(merchant, params, journalled=True, dry_run=True)
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
    if result.payment is None:
        return {"account": _OK, "outcome": result.outcome}
    return {
        "account": _OK,
        "order": _OK,
        "amount": _OK,
        "status": str(result.payment.trade_status),
        "outcome": result.outcome,
    }


def describe_checks(checks: Mapping[str, str]) -> dict[str, str]:
    """Return the checks in words.

    :param checks: of :func:`check_against_ledger`.
    :return: texts in the reader's language, by the name of the check.
    """
    words = {
        "wrong_account": _("it is about another account and settles nothing here"),
        "unknown": _("the ledger has no such payment"),
        "settled": _("it is new and would be settled"),
        "recorded": _("it is new and would be recorded"),
        "duplicate": _("the ledger has recorded it already"),
        "stale": _("it is older than the ledger's status"),
    }
    return {name: words.get(value, value) for name, value in checks.items()}
