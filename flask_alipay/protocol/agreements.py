"""Statuses of agreements (商家扣款), and the kinds of messages about them.

Source: the models of ``alipay.user.agreement.*`` in Alipay's PHP SDK of version 3.
"""

from __future__ import annotations

from typing import Final


class AgreementStatus:
    """Alipay's statuses of an agreement."""

    #: Created; the payer has not signed it yet.
    TEMP: Final = "TEMP"
    #: In force.
    NORMAL: Final = "NORMAL"
    #: Suspended: nothing may be deducted.
    STOP: Final = "STOP"
    #: Ended by the payer, by the merchant or by its time, or never signed.
    UNSIGN: Final = "UNSIGN"

    ALL: Final = (TEMP, NORMAL, STOP, UNSIGN)


#: The messages about a signed and an ended agreement.
SIGN_MESSAGE: Final = "dut_user_sign"
UNSIGN_MESSAGE: Final = "dut_user_unsign"
