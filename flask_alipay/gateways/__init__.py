"""Clients of Alipay's gateways.

:mod:`~flask_alipay.gateways.interface` is what operations call: the same few methods for both
protocols. ``mapi`` is the client of the legacy gateway, ``openapi`` that of the open platform.
``parameters`` declares the parameters of services, ``transport`` sends requests.
"""
