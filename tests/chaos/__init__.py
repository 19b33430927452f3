"""Exactly once, under fire: real workers on real databases, killed, cut off and restarted.

``python -m tests.chaos --payments 10000 --database postgresql``, see ``__main__``.
"""
