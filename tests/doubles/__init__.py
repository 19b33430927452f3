"""Test doubles that several folders share.

``shop``
    An app with the blueprint: its classes, orders, notifications and pages.
``app``
    An app with its own ledger classes, for commands and operator pages.
``models``
    Ledger classes without columns of the application.
``merchant``
    A merchant's settings and keys, and what Alipay signs for the merchant.
``gateways``
    A transport that gives a chosen response to each method, for operations and views.
``openapi``, ``openapi_v3``, ``mapi``
    A transport and signed responses for the clients of one gateway.
``local_server``
    An HTTP server in a thread, for gateways that are reached over the network.
``bills``
    Bill files.
"""
