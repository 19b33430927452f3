"""The open platform: what a merchant asks for, and what Alipay answers.

``cipher``, ``seal``
    signatures of Alipay's side, and answers that are signed
``content``
    ``biz_content``, and its fields one by one
``call``
    a call as the methods get it, and what they work with
``orders``, ``payments``, ``app``, ``trades``, ``refunds``, ``settlements``, ``transfers``,
``bills``, ``certificates``
    the methods
``news``
    notifications and returns
``rest``, ``gateway``
    the doors
"""

from __future__ import annotations

from .gateway import OpenApi as OpenApi
from .v3 import RestRequest as RestRequest
