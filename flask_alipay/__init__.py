"""Take Alipay payments in a Flask app, and know that they are real.

Here is everything that an app needs by name; the rooms behind it are described in each module.
"""

from __future__ import annotations

from ._version import __version__ as __version__
from .blueprint import AlipayBlueprint as AlipayBlueprint
from .exceptions import AlipayError as AlipayError
from .exceptions import ConfigurationError as ConfigurationError
from .exceptions import GatewayError as GatewayError
from .exceptions import InvalidParameter as InvalidParameter
from .exceptions import NotificationRefused as NotificationRefused
from .models import NotificationMixin as NotificationMixin
from .models import PaymentMixin as PaymentMixin
from .models import RefundMixin as RefundMixin
from .models import TradeStatus as TradeStatus
from .signals import attention_needed as attention_needed
from .signals import notification_refused as notification_refused
from .signals import payment_failed as payment_failed
from .signals import payment_paid as payment_paid
from .signals import payment_refunded as payment_refunded
