"""The open platform: requests and Alipay's responses.

``gateway``, ``v3``
    entry points of versions 2 and 3
``call``, ``content``
    parsed requests, their context, and the fields of ``biz_content``
``signing``, ``encryption``
    Alipay's side of signatures and content encryption
``orders``, ``payments``, ``app_pay``, ``trades``, ``refunds``, ``settlements``,
``royalty_relations``, ``transfers``, ``accounts``, ``receipts``, ``bills``, ``certificates``,
``images``, ``complaints``, ``oauth``, ``preauthorizations``, ``captures``,
``agreements``, ``agreement_requests``, ``deductions``
    the methods
``request_parameters``, ``new_trades``, ``preauthorization_fields``
    common parameters, new trades, and fields of several responses
``notifications``
    notifications and returns
"""

from __future__ import annotations

from .gateway import OpenApi as OpenApi
from .preauthorization_fields import fund_changed as fund_changed
from .transfers import transfer_changed as transfer_changed
from .v3 import RestRequest as RestRequest
