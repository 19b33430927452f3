"""Offline simulator of Alipay for development and tests. Its pages say so; no money moves.

``simulator``
    one merchant's simulator: protocols, trades, batches, deliveries
``merchant``
    the merchant's keys, certificates and settings
``oauth_tokens``
    codes and tokens of users and merchants
``agreements``, ``wallet``
    agreements with their messages, and what the buyer does with them
``trades``
    orders, trades, batches, exchange rates, expiry
``openapi``, ``mapi``, ``protocols``
    the protocols of the open platform and of the legacy gateways: parameters in, reply out
``replies``, ``error_codes``, ``grant_codes``, ``faults``
    replies as data, Alipay's codes, injected faults
``notifications``
    notifications and their delivery with retries
``messages``
    messages that a developer sends
``preauthorizations``
    frozen amounts, as payers and time change them
``turns``
    changes with the notifications that they cause
``storage``
    data beyond the process
``clock``, ``worker_pool``
    time, scheduled callbacks, and threads for slow tasks
``web``
    routes and pages, and the standalone HTTP server
"""

from __future__ import annotations

from .simulator import Simulator as Simulator
