"""The door: a Flask blueprint with everything behind it.

``extension``
    :class:`AlipayBlueprint`, what an app talks to
``state``
    what belongs to one app: configuration, tokens, the simulator
``tokens``
    the signed, expiring words in our URLs
``notify``
    what happens when Alipay calls
``pages``
    what the buyer sees
``embedded``
    the simulator inside the app
"""

from __future__ import annotations

from .blueprint import AlipayBlueprint as AlipayBlueprint
