"""Mixins for the ledger's tables.

``mixins``
    the columns and constraints of each table
``authorization``, ``agreement``
    those of pre-authorisations and of agreements on deductions
``columns``
    types of columns
``attributes``
    rules of the columns' attributes
"""

from __future__ import annotations

from .agreement import AgreementMixin as AgreementMixin
from .agreement import AgreementStatus as AgreementStatus
from .authorization import AuthorizationMixin as AuthorizationMixin
from .authorization import AuthorizationStatus as AuthorizationStatus
from .mixins import NotificationMixin as NotificationMixin
from .mixins import PaymentMixin as PaymentMixin
from .mixins import RefundMixin as RefundMixin
from .mixins import TradeStatus as TradeStatus
from .mixins import TransferMixin as TransferMixin
from .mixins import TransferStatus as TransferStatus
from .mixins import utc_now as utc_now
