"""An offline Alipay, for developing and testing without one. It says so everywhere; no money moves.

The rooms, in the order in which they build on each other:

``storage``
    the data beyond the process, if it is stored
``worker_pool``, ``clock``
    threads for what takes long; the time, and callbacks that are due later
``wire``, ``urls``
    requests as raw bytes, decoded in their own charset
``orders``, ``funds``, ``trades``, ``batches``, ``rates``
    an order, what it is paid with, a trade's life as a table, batches of refunds and transfers,
    foreign money
``certificates``, ``merchant``, ``merchant_files``, ``merchant_settings``, ``codes``
    who is who, and what is said
``answers``, ``notify_ids``, ``alterations``
    what the protocols speak in, and what may become of it on the way
``faults``
    what is to go wrong
``openapi``, ``mapi`` (a storey of its own each)
    the protocols: parameters in, answer out
``expiry``
    trades whose time runs out
``dialects``
    the protocols together
``notifications.http_client``, ``delivery``, ``deliveries``
    requests to the shop; notifications, repeated until they are heard
``simulator``
    all of it together
``triggers``
    notifications with no trade behind them
``network``, ``visited``, ``responses``, ``faulty_answers``, ``gateways``, ``shown``, ``control``,
``pages``
    all of it on the web
``web.server``
    all of it by itself
"""

from __future__ import annotations

from .simulator import Simulator as Simulator
