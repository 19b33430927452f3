"""A probe that ``doctor`` posts to the notification route, through the entire WSGI stack.

It cannot have Alipay's signature. The route recognizes it by an object in the WSGI environment,
which no HTTP request can set, and responds ``fail`` before it verifies or records anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: The key in the WSGI environment.
PROBE = "flask_alipay.blueprint.probe"


@dataclass
class Probe:
    """A probe and its result."""

    #: The posted form, as large as a notification.
    body: bytes = field(repr=False)
    #: The endpoint of the notification route that received it.
    endpoint: str | None = None
    #: The form as the route received it; empty if something else had read it before.
    received: bytes = field(default=b"", repr=False)

    @property
    def reached(self) -> bool:
        """``True`` if a notification route received it."""
        return self.endpoint is not None
