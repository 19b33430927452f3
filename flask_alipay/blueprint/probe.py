"""A probe that ``doctor`` posts to the notification route, through the app's whole WSGI stack.

It cannot carry Alipay's signature. The route recognises it by an object in the WSGI environment,
which no request over HTTP can put there, and answers ``fail`` before it verifies or records
anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The key in the WSGI environment.
PROBE = "flask_alipay.blueprint.probe"


@dataclass
class Probe:
    """What became of the probe."""

    #: The form that is posted, as large as a notification.
    body: bytes = field(repr=False)
    #: The endpoint of the notification route that received it.
    endpoint: str | None = None
    #: The form as the route received it; empty if something else had read it before.
    received: bytes = field(default=b"", repr=False)

    @property
    def reached(self) -> bool:
        """Whether a notification route received it."""
        return self.endpoint is not None


def probe_in(environ: dict[str, Any]) -> Probe | None:
    """Return the probe of a request, or ``None`` for any other request."""
    found = environ.get(PROBE)
    return found if isinstance(found, Probe) else None
