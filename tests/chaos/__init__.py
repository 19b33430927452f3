"""Failure injection: real workers on real databases, killed, disconnected and restarted.

``runner`` runs it, ``failures`` injects them, ``gateway`` with the modules that it imports and
``notifications`` act as Alipay, ``app`` and ``grants`` are what the shop does, ``deposits`` and
``subscriptions`` what is requested of it. ``invariants`` and these check the result: every payment
is settled exactly once. See ``__main__``.
"""
