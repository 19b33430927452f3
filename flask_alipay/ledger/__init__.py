"""The ledger: what Alipay proved about payments is written down once, with what the shop does.

``ledger``
    :class:`Ledger`: one piece of news, one transaction
``moves``
    what a piece of news does to a payment; pure
``refunds``
    the rows of refunds
``journal``
    the trace that every piece of news leaves
``outages``
    what is said where the database is in trouble
``comparison``, ``bill_rows``
    what Alipay's bill and the ledger do not agree about
"""

from __future__ import annotations

from .ledger import Ledger as Ledger
from .settlement import Callback as Callback
from .settlement import Models as Models
from .settlement import Settlement as Settlement
