"""Requests that are not sent as usual: with files or, in version 3, by another HTTP method or path.

A multipart body carries files beside the request's texts. In both versions the signature covers the
texts and not the files. Sources: Alipay's SDK for Node.js (``AlipaySdk.exec`` and
``AlipaySdk.curl``) and its PHP SDK of version 3 (``GenericExecuteApi``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.charsets import check_encodable, encode_form
from ...protocol.validation import check_choice, check_pattern, check_text
from ..transport import OpenApiTransport

#: Files by the name of their field: the file's name, whose ending tells its kind, and its content.
Files: TypeAlias = Mapping[str, tuple[str, bytes]]

# The common parameters stand in the URL, the method's own in the body, as in Alipay's SDKs.
_IN_URL: Final = frozenset(
    {
        "app_id",
        "method",
        "format",
        "charset",
        "sign_type",
        "sign",
        "timestamp",
        "version",
        "notify_url",
        "return_url",
        "auth_token",
        "app_auth_token",
        "app_cert_sn",
        "alipay_root_cert_sn",
        "encrypt_type",
    }
)

#: The HTTP methods of version 3, in the same PHP SDK. The first two send their fields in the query.
WITHOUT_BODY: Final = ("GET", "DELETE")
HTTP_METHODS: Final = (*WITHOUT_BODY, "POST", "PUT", "PATCH")

_PATH: Final = r"/v3(?:/(?:[A-Za-z0-9_\-]+|\{[A-Za-z0-9_]+\}))+"
_VARIABLE: Final = re.compile(r"\{([A-Za-z0-9_]+)\}")


class Sending(NamedTuple):
    """The way in which a request is sent, if it is not the usual one of its method."""

    #: In version 3, the HTTP method.
    http_method: str | None = None
    #: In version 3, the path, with ``{name}`` for the value of a field.
    path: str | None = None
    #: The files to upload.
    files: Files | None = None

    def check(self, fields: Mapping[str, Any]) -> None:
        """Check it before anything is sent, whatever the version.

        :param fields: the other parameters of the request.
        :raises InvalidParameter: names the invalid parameter.
        """
        if self.http_method is not None:
            check_choice("http_method", self.http_method, HTTP_METHODS)
        if self.path is not None:
            check_pattern("path", self.path, _PATH, "a path of version 3, like /v3/alipay/x/{id}")
            for name in _VARIABLE.findall(self.path):
                value = fields.get(name)
                if not isinstance(value, (str, int)) or str(value) in ("", ".", ".."):
                    raise InvalidParameter(name, "must have a value for the path")
        if self.files is not None:
            _check_files(self.files, fields)
            self.check_body(self.http_method)

    def check_body(self, http_method: str | None) -> None:
        """Check that the HTTP method can send the files, if there are any.

        :param http_method: the caller's or, if known, the usual one of the request's method.
        :raises InvalidParameter: otherwise.
        """
        if self.files and http_method in WITHOUT_BODY:
            raise InvalidParameter("files", f"cannot be sent by {http_method}")


AS_USUAL: Final = Sending()


class TextPart(NamedTuple):
    """A text of a multipart body."""

    name: str
    text: str
    #: Its media type; without one, Alipay's gateway reads it in the request's charset.
    media_type: str | None = None


def _check_files(files: Files, others: Mapping[str, Any]) -> None:
    """Check the caller's files.

    :param others: the other parameters of the request, which must have other names.
    :raises InvalidParameter: names the file's field.
    """
    if not isinstance(files, Mapping):
        raise InvalidParameter("files", "must be a mapping of names to files")
    for name, file in files.items():
        check_pattern("files", name, r"[A-Za-z0-9_]{1,64}", "names of fields, like image_content")
        if name in others:
            raise InvalidParameter(name, "is the name of a file and of another parameter")
        if not isinstance(file, tuple) or len(file) != 2 or not isinstance(file[1], bytes):
            raise InvalidParameter(name, "must be a pair of the file's name and its bytes")
        check_text(name, file[0], max_length=255)
        if not file[1]:
            raise InvalidParameter(name, "is an empty file")


def fill_path(path: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a checked path with the values of its variables, and the other fields."""
    names = _VARIABLE.findall(path)
    filled = _VARIABLE.sub(lambda found: quote(str(fields[found[1]]), safe=""), path)
    return filled, {name: value for name, value in fields.items() if name not in names}


def multipart(texts: Iterable[TextPart], files: Files, charset: str) -> tuple[bytes, str]:
    """Return a multipart body and its ``Content-Type``.

    :param texts: the texts.
    :param files: the checked files.
    :param charset: the charset of the texts.
    :raises InvalidParameter: if a text has a character that the charset lacks.
    """
    from urllib3.fields import RequestField, guess_content_type  # rarely used
    from urllib3.filepost import encode_multipart_formdata

    parts = []
    for name, text, media_type in texts:
        part = RequestField(name, check_encodable(name, text, charset))
        part.make_multipart(content_type=media_type)
        parts.append(part)
    for name, (filename, content) in files.items():
        part = RequestField(name, content, filename)
        part.make_multipart(content_type=guess_content_type(filename))
        parts.append(part)
    return encode_multipart_formdata(parts)


def upload(
    transport: OpenApiTransport,
    gateway_url: str,
    params: Mapping[str, str],
    charset: str,
    files: Files,
) -> bytes:
    """Post a signed request of version 2 together with files, and return the response's body.

    :param gateway_url: the gateway's URL.
    :param params: the signed parameters.
    :param charset: the charset in which they are signed.
    :param files: the checked files.
    :raises OutcomeUnknown: if no complete response with status 200 arrives.
    """
    query = {name: text for name, text in params.items() if name in _IN_URL}
    texts = (TextPart(name, text) for name, text in params.items() if name not in _IN_URL)
    body, content_type = multipart(texts, files, charset)
    url = f"{gateway_url}?{encode_form(query, charset).decode('ascii')}"
    response = transport.request("POST", url, body, {"Content-Type": content_type})
    if response.status != 200:
        raise OutcomeUnknown(f"the gateway responded with HTTP status {response.status}")
    return response.body
