"""Statuses of pre-authorisations (资金预授权), and the kinds of messages about them.

Source: the models of ``alipay.fund.auth.*`` in Alipay's PHP SDK of version 3.
"""

from __future__ import annotations

from typing import Final


class AuthorizationStatus:
    """Alipay's statuses of an authorization order."""

    #: Created; the payer has not authorised it yet.
    INIT: Final = "INIT"
    #: The amount is frozen, and may be captured or released.
    AUTHORIZED: Final = "AUTHORIZED"
    #: Captured, and nothing is left frozen.
    FINISH: Final = "FINISH"
    #: Not authorised in time, cancelled, or all of it released.
    CLOSED: Final = "CLOSED"

    ALL: Final = (INIT, AUTHORIZED, FINISH, CLOSED)


#: The messages about a frozen, a released, and a cancelled amount.
FREEZE_MESSAGE: Final = "fund_auth_freeze"
UNFREEZE_MESSAGE: Final = "fund_auth_unfreeze"
CANCEL_MESSAGE: Final = "fund_auth_operation_cancel"
