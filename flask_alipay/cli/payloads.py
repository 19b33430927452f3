"""What a capture holds: a notification, a return, or a response of Alipay's gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..protocol.parameter_names import NOTIFICATION_NAMES

Payload: TypeAlias = bytes | dict[str, str]

# More than Alipay ever sends; the notification route accepts no more either.
_MAX_PAYLOAD = 64 * 1024

_SIGN_FIELD = re.compile(rb"(?:^|[&?])(?:amp;)?sign=")


class UnreadablePayload(Exception):
    """There is no payload in it; the message says what was found and what to do."""


@dataclass(frozen=True)
class Capture:
    """One payload and where it was found."""

    #: A form body or query string as it came over the wire, or parameters decoded by a program;
    #: of a response, its JSON.
    payload: Payload = field(repr=False)
    #: Where in the file, for people: ``"entry 3"``; empty if it is the whole file.
    place: str = ""
    #: Further ways to read it, if a print leaves open where a value ends.
    others: tuple[Payload, ...] = field(default=(), repr=False)
    #: Whether it is a response: of the gateway, or the result that Alipay's SDK gives to an app.
    is_response: bool = False

    def reading(self, verifies: Callable[[Payload], bool]) -> Payload:
        """Return the first reading that verifies, or the likeliest.

        :param verifies: whether one does.
        """
        if not self.others:
            return self.payload
        readings = (self.payload, *self.others)
        return next((payload for payload in readings if verifies(payload)), self.payload)

    @property
    def score(self) -> tuple[bool, int]:
        """Whether it is signed, and how many of Alipay's parameters are in it."""
        if self.is_response:
            return True, len(NOTIFICATION_NAMES)
        if isinstance(self.payload, bytes):
            fields = self.payload.split(b"&")
            names = {each.partition(b"=")[0].decode("latin-1") for each in fields}
            return bool(_SIGN_FIELD.search(self.payload)), len(names & NOTIFICATION_NAMES)
        return bool(self.payload.get("sign")), len(NOTIFICATION_NAMES & set(self.payload))


def limited(payload: Payload) -> Payload:
    """Return a payload of reasonable size.

    :raises Unreadable: if it is larger than any notification.
    """
    texts = (payload,) if isinstance(payload, bytes) else (*payload, *payload.values())
    if sum(map(len, texts)) > _MAX_PAYLOAD:
        raise UnreadablePayload(f"it is larger than {_MAX_PAYLOAD // 1024} KiB: no notification is")
    return payload
