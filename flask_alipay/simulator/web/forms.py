"""Received forms, decoded once in the charset that they declare.

Flask decodes queries and forms as UTF-8, which destroys GBK; the gateways use the raw bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ...protocol.charsets import canonical_charset, decode, encode

#: The most bytes of a request with a file: Alipay accepts images of 5 MiB.
MAX_UPLOAD = 6 * 1024 * 1024
#: The most bytes of a request's body, and of its query, that are read: a batch has a thousand
#: entries, each with a reason of 255 bytes that are sent as three.
MAX_BYTES = 1024 * 1024
# Far more than any method has.
_MAX_FIELDS = 200
_TOO_MANY = f"has more than {_MAX_FIELDS} parameters"


class InvalidForm(ValueError):
    """The request is not a form in its charset.

    :param why: for people; repeats nothing of the request.
    """


class RawForm:
    """The fields of query and body, percent-decoded to bytes, not yet to text.

    :param query: the raw query string.
    :param body: the raw body of a form; empty for a GET.
    :param files: the content of each uploaded file by the name of its field.
    :raises InvalidForm: if there are too many fields, or one is given twice with two values.
    """

    def __init__(
        self, query: bytes, body: bytes = b"", files: Mapping[str, bytes] | None = None
    ) -> None:
        self.files = files or {}
        pairs = [*_parse(query), *_parse(body)]
        if len(pairs) > _MAX_FIELDS:
            raise InvalidForm(_TOO_MANY)
        self._fields: dict[bytes, bytes] = {}
        for name, value in pairs:
            # The charset is usually in both, query and body: the same value twice is no harm.
            if self._fields.setdefault(name, value) != value:
                raise InvalidForm("has a parameter twice, with different values")

    def ascii_value(self, name: str) -> str | None:
        """Return an ASCII value, ``None`` if it is missing.

        Good for reading the charset itself and which method is called, before the rest.
        """
        value = self._fields.get(name.encode("ascii"))
        return None if value is None else value.decode("ascii", "replace")

    def decode(self, charset: str) -> dict[str, str]:
        """Return all fields as text.

        :param charset: one of Alipay's charsets.
        :raises InvalidParameter: if it is none of them.
        :raises InvalidForm: if the bytes are not text in it.
        """
        try:
            decoded = {
                decode(name, charset): decode(value, charset)
                for name, value in self._fields.items()
            }
        except UnicodeDecodeError:
            raise InvalidForm(
                f"is not text in {canonical_charset(charset)}, the charset it declares"
            ) from None
        if any("\0" in text for pair in decoded.items() for text in pair):
            raise InvalidForm("has a NUL character")
        return decoded


def _parse(form: bytes) -> list[tuple[bytes, bytes]]:
    """Split and percent-decode a form; Latin-1 stands for its bytes.

    :raises InvalidForm: if it has far too many fields, or ampersands.
    """
    try:
        pairs = parse_qsl(
            form.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=5 * _MAX_FIELDS,
        )
    except ValueError:
        raise InvalidForm(_TOO_MANY) from None
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def encode_form(params: Mapping[str, str], charset: str) -> str:
    """Return parameters as a form body or a query, percent-encoded in the charset."""
    encoded = [(encode(name, charset), encode(value, charset)) for name, value in params.items()]
    return urlencode(encoded, quote_via=quote, safe="")


def with_query(url: str, query: str) -> str:
    """Return the URL with additional query parameters after its own."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, query)))))
