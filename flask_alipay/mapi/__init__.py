"""The legacy gateway, ``mapi.alipay.com/gateway.do``: one method for each service.

:mod:`~flask_alipay.mapi.gateway` is the door, :mod:`~flask_alipay.mapi.direct_pay` the parameters
of instant payment, :mod:`~flask_alipay.mapi.banks` the banks that a buyer can choose on our page.
"""

from __future__ import annotations

from .banks import BANKS as BANKS
from .banks import Bank as Bank
from .gateway import MAPI_PUBLIC_KEY as MAPI_PUBLIC_KEY
from .gateway import PRODUCTION as PRODUCTION
from .gateway import MapiGateway as MapiGateway
