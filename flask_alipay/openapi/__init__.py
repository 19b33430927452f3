"""The open platform, ``openapi.alipay.com/gateway.do``: one method for each ``alipay.trade.*``.

:mod:`~flask_alipay.openapi.gateway` is the door, :mod:`~flask_alipay.openapi.payments` the
parameters of the products that a buyer's browser brings to Alipay.
"""

from __future__ import annotations

from .gateway import PRODUCTION as PRODUCTION
from .gateway import SANDBOX as SANDBOX
from .gateway import OpenApiGateway as OpenApiGateway
