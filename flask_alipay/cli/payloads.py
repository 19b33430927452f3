"""Payloads in captures: notifications, returns and gateway responses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..protocol.parameter_names import NOTIFICATION_NAMES

Payload: TypeAlias = bytes | dict[str, str]

# Alipay sends less; the notification route has the same limit.
_MAX_PAYLOAD = 64 * 1024

_SIGN_FIELD = re.compile(rb"(?:^|[&?])(?:amp;)?sign=")


class UnreadablePayload(Exception):
    """There is no payload; the message states the problem and the next step."""


@dataclass(frozen=True)
class Capture:
    """A payload with its place in a file."""

    #: A form body or query string as it was sent, or parameters decoded by a program;
    #: for a response, its JSON.
    payload: Payload = field(repr=False)
    #: The place in the file, for messages: ``"entry 3"``; empty for the whole file.
    place: str = ""
    #: Further readings, if a printed map is ambiguous.
    others: tuple[Payload, ...] = field(default=(), repr=False)
    #: Whether it is a gateway response, or the result that Alipay's SDK gives to a phone app.
    is_response: bool = False

    def reading(self, verifies: Callable[[Payload], bool]) -> Payload:
        """Return the first reading that verifies, else the likeliest.

        :param verifies: checks one reading.
        :return: the payload.
        """
        if not self.others:
            return self.payload
        readings = (self.payload, *self.others)
        return next((payload for payload in readings if verifies(payload)), self.payload)

    @property
    def score(self) -> tuple[bool, int]:
        """A rank: signed or not, and the number of Alipay's parameters."""
        if self.is_response:
            return True, len(NOTIFICATION_NAMES)
        if isinstance(self.payload, bytes):
            fields = self.payload.split(b"&")
            names = {each.partition(b"=")[0].decode("latin-1") for each in fields}
            return bool(_SIGN_FIELD.search(self.payload)), len(names & NOTIFICATION_NAMES)
        return bool(self.payload.get("sign")), len(NOTIFICATION_NAMES & set(self.payload))


def limited(payload: Payload) -> Payload:
    """Return a payload of reasonable size.

    :param payload: the payload.
    :return: the same payload.
    :raises UnreadablePayload: if it is larger than any notification.
    """
    texts = (payload,) if isinstance(payload, bytes) else (*payload, *payload.values())
    if sum(map(len, texts)) > _MAX_PAYLOAD:
        raise UnreadablePayload(
            f"it is larger than {_MAX_PAYLOAD // 1024} KiB, more than any notification"
        )
    return payload
