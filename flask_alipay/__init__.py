"""Alipay payments in a Flask application, verified and recorded.

The names that an application needs are importable from here. Public modules:

``config``, ``settings``
    configuration from ``app.config``
``models``, ``signals``, ``exceptions``
    base classes of the ledger's tables, signals, exceptions
``signer``, ``keys``
    signatures, keys and certificates
``merchant``
    one registered merchant of an application
``testing``
    the simulator in the application's tests

Packages: ``protocol`` (rules of both gateways), ``gateways`` (clients), ``ledger`` (database),
``operations``, ``blueprint`` (routes and pages), ``admin`` (operator pages), ``diagnosis``
(explanations of bad signatures), ``cli`` (commands) and ``simulator``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _distribution as _distribution
from ._version import __version__ as __version__
from .blueprint import AlipayBlueprint as AlipayBlueprint
from .exceptions import AlipayError as AlipayError
from .exceptions import ConfigurationError as ConfigurationError
from .exceptions import GatewayError as GatewayError
from .exceptions import InvalidParameter as InvalidParameter
from .exceptions import NotificationRefused as NotificationRefused
from .models import AgreementMixin as AgreementMixin
from .models import AgreementStatus as AgreementStatus
from .models import AuthorizationMixin as AuthorizationMixin
from .models import AuthorizationStatus as AuthorizationStatus
from .models import NotificationMixin as NotificationMixin
from .models import PaymentMixin as PaymentMixin
from .models import RefundMixin as RefundMixin
from .models import TradeStatus as TradeStatus
from .models import TransferMixin as TransferMixin
from .models import TransferStatus as TransferStatus
from .signals import attention_needed as attention_needed
from .signals import notification_refused as notification_refused
from .signals import payment_failed as payment_failed
from .signals import payment_paid as payment_paid
from .signals import payment_refunded as payment_refunded

if TYPE_CHECKING:
    from .protocol.message import Message as Message


def __getattr__(name: str) -> Any:
    """Import a name that few applications need when it is first used."""
    if name == "Message":
        from .protocol.message import Message

        return Message
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
