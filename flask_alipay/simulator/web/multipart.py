"""Multipart forms, which some libraries send, and which every file needs.

Alipay's gateway accepts them like URL-encoded ones. Texts are in the charset that the request
declares; files are not signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from .forms import InvalidForm

MULTIPART: Final = "multipart/form-data"

_MAX_PARTS = 500


class Parts(NamedTuple):
    """The parts of a multipart form."""

    fields: tuple[tuple[bytes, bytes], ...]
    #: The content of each file by the name of its field.
    files: Mapping[str, bytes]

    @property
    def form(self) -> bytes:
        """The fields as an ``application/x-www-form-urlencoded`` form."""
        return urlencode(self.fields).encode("ascii")


def parse_multipart(body: bytes, boundary: str) -> Parts:
    """Split a multipart form.

    :param body: whole.
    :param boundary: what stands between the parts, from the request's ``Content-Type``.
    :raises InvalidForm: if it has no boundary, does not end, or has parts that are none.
    """
    if not boundary:
        raise InvalidForm("has no boundary between its parts")
    try:
        return _parts(body, boundary.encode("latin-1"))
    except (ValueError, RequestEntityTooLarge):  # what the decoder raises
        raise InvalidForm("is no form in parts, or breaks off") from None


def _parts(body: bytes, boundary: bytes) -> Parts:
    decoder = MultipartDecoder(boundary, max_parts=_MAX_PARTS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    fields: list[tuple[bytes, bytes]] = []
    files: dict[str, bytes] = {}
    part: Field | File | None = None
    content = b""
    while True:
        event = decoder.next_event()
        if isinstance(event, Data):
            content += event.data
            continue
        if isinstance(part, Field):
            fields.append(((part.name or "").encode("utf-8"), content))
        elif isinstance(part, File):
            files[part.name or ""] = content
        if isinstance(event, Epilogue):
            return Parts(tuple(fields), files)
        part, content = event if isinstance(event, (Field, File)) else None, b""
