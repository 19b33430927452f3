"""Failure injection: real workers on real databases, killed, disconnected and restarted.

``runner`` runs it, ``failures`` injects them, ``gateway`` and ``notifications`` act as Alipay,
``invariants`` checks the result: every payment is settled exactly once. See ``__main__``.
"""
