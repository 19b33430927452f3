"""The legacy gateway, MAPI: parameters in, answer out.

``call``, ``seal``, ``xml``
    what the rooms share: a read request, signatures, answers in XML
``orders``, ``payments``, ``news``
    ordering and paying, and what the merchant is told of it
``trades``, ``refunds``, ``transfers``, ``account``
    what the merchant asks for afterwards
``forex``, ``overseas``, ``qrcodes``
    the cross-border products and the codes to scan
``mobile``, ``wap_rest``
    the app's payment and the older gateway for phones, each with a door of its own
``gateway``
    the door: which service, whose call, whose signature
"""

from __future__ import annotations

from .gateway import Mapi as Mapi
from .notifications import closed_unpaid as closed_unpaid
from .wap_rest import WapRestService as WapRestService
