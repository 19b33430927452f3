"""The legacy gateway, ``mapi.alipay.com/gateway.do``: one method for each service.

:mod:`~flask_alipay.mapi.gateway` is the door, :mod:`~flask_alipay.mapi.direct_pay` the parameters
of instant payment.
"""

from __future__ import annotations

from .gateway import MAPI_PUBLIC_KEY as MAPI_PUBLIC_KEY
from .gateway import PRODUCTION as PRODUCTION
from .gateway import MapiGateway as MapiGateway
