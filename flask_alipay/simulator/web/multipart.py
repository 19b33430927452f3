"""Conversion of multipart forms, which some libraries send, to URL-encoded ones.

Alipay's gateway accepts both. Parts are in the charset that the request declares; files are not
signed, and no method here accepts one.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, MultipartDecoder

from .forms import InvalidForm

MULTIPART: Final = "multipart/form-data"

_MAX_PARTS = 500


def parse_multipart(body: bytes, boundary: str) -> bytes:
    """Convert a multipart form to an ``application/x-www-form-urlencoded`` one.

    :param body: whole.
    :param boundary: what stands between the parts, from the request's ``Content-Type``.
    :raises InvalidForm: if it has no boundary, does not end, or has parts that are none.
    """
    if not boundary:
        raise InvalidForm("has no boundary between its parts")
    try:
        fields = _fields(body, boundary.encode("latin-1"))
    except (ValueError, RequestEntityTooLarge):  # what the decoder raises
        raise InvalidForm("is no form in parts, or breaks off") from None
    return urlencode(fields).encode("ascii")


def _fields(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    decoder = MultipartDecoder(boundary, max_parts=_MAX_PARTS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    fields: list[tuple[bytes, bytes]] = []
    in_field = False
    while not isinstance(event := decoder.next_event(), Epilogue):
        if isinstance(event, Data):
            if in_field:
                name, text = fields.pop()
                fields.append((name, text + event.data))
            continue
        in_field = isinstance(event, Field)
        if isinstance(event, Field):
            fields.append(((event.name or "").encode("utf-8"), b""))
    return fields
