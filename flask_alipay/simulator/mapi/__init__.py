"""The legacy gateway (MAPI): parameters in, reply out.

``gateway``
    entry point: service, merchant and signature of a request
``call``, ``signing``, ``xml``
    parsed requests, signatures, XML responses
``orders``, ``payments``
    orders and payments
``trades``, ``refunds``, ``transfers``, ``account``
    queries and operations after the payment
``forex``, ``overseas``, ``qrcodes``
    cross-border products and QR codes
``mobile``, ``wap_rest``, ``wap_order``
    payments in apps, and the legacy WAP gateway
``notifications``, ``batch_notifications``
    notifications and returns
"""

from __future__ import annotations

from .gateway import Mapi as Mapi
from .notifications import closed_unpaid as closed_unpaid
from .wap_rest import WapRestService as WapRestService
