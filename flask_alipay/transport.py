"""How a gateway is asked over HTTP. Timeouts are not failures: the outcome is unknown."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from .exceptions import OutcomeUnknown

if TYPE_CHECKING:
    import requests


class Transport(Protocol):
    """What a gateway needs in order to ask: implemented over HTTP, and by the simulator's host."""

    def get(self, url: str, params: Mapping[str, str]) -> bytes:
        """Returns the body of the answer.

        :raises OutcomeUnknown: if there is none, or not all of it, or not with status 200.
        """


class HttpTransport:
    """Asks with ``requests``: connections are kept alive, proxies come from its environment.

    :param timeout: seconds to wait for a connection, and for each piece of the answer.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._local = threading.local()

    def get(self, url: str, params: Mapping[str, str]) -> bytes:
        """Returns the body of the answer.

        :raises OutcomeUnknown: if there is none, or not all of it, or not with status 200.
        """
        import requests

        try:
            response = self._session().get(url, params=dict(params), timeout=self._timeout)
        except requests.RequestException as error:
            # The exception's text holds the URL and with it parameters: its name says enough.
            raise OutcomeUnknown(f"the gateway did not answer ({type(error).__name__})") from None
        if response.status_code != 200:
            raise OutcomeUnknown(f"the gateway answered with HTTP status {response.status_code}")
        return response.content

    def _session(self) -> requests.Session:
        """One session a thread: requests does not promise that sessions can be shared."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            import requests

            session = self._local.session = requests.Session()
        return session
