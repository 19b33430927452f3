"""Transitions of an agreement, as data: from its state and a report to an event. No database.

Two states share Alipay's status ``UNSIGN``: ``ENDED`` after a signature, which is final, since
Alipay gives a new number to each signature; and ``NEVER_SIGNED``, from which a signature still
counts.
"""

from __future__ import annotations

from typing import Final

from ..protocol.agreements import AgreementReport, AgreementStatus
from .transitions import read_table

#: The events, named as the callbacks are.
AGREEMENT_SIGNED: Final = "agreement_signed"
AGREEMENT_ENDED: Final = "agreement_ended"

#: States with the status ``UNSIGN``.
ENDED: Final = "ENDED"
NEVER_SIGNED: Final = "NEVER_SIGNED"

_TABLE = """
              TEMP       NORMAL            STOP              ENDED            NEVER_SIGNED
TEMP          duplicate  agreement_signed  agreement_signed  agreement_ended  recorded
NORMAL        stale      duplicate         recorded          agreement_ended  stale
STOP          stale      recorded          duplicate         agreement_ended  stale
ENDED         stale      stale             stale             duplicate        duplicate
NEVER_SIGNED  stale      agreement_signed  agreement_signed  agreement_ended  duplicate
"""

#: By the state in the ledger and that of a report: the event; ``recorded`` for a change without
#: event; ``duplicate`` or ``stale`` for no change of the status.
AGREEMENT_TRANSITIONS: Final = read_table(_TABLE)


def agreement_state(status: str, agreement_no: str | None) -> str:
    """Return a state: a row or column of the table.

    :param status: Alipay's status.
    :param agreement_no: Alipay's number, known since the signature.
    """
    if status != AgreementStatus.UNSIGN:
        return status
    return NEVER_SIGNED if agreement_no is None else ENDED


def agreement_cell(status: str, agreement_no: str | None, report: AgreementReport) -> str:
    """Return the effect of a report on an agreement.

    :param status: the status in the ledger.
    :param agreement_no: Alipay's number in the ledger.
    :param report: the report. One without Alipay's number was made before the signature: it does
        not end a signed agreement.
    """
    cell = AGREEMENT_TRANSITIONS[
        agreement_state(status, agreement_no),
        agreement_state(report.status, report.agreement_no),
    ]
    # A late message about the signature does not end a suspension; a query does.
    return "stale" if cell == "recorded" and report.notify_id is not None else cell
