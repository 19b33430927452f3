"""Clients of Alipay's gateways.

:mod:`~flask_alipay.gateways.interface` is what operations know of them: the same few methods for
both protocols.
"""
