"""Readers of captured payloads: forms, URLs, JSON, raw requests, HAR files, printed maps.

Payloads stay bytes as long as possible, because a payload declares its own charset; see
:mod:`flask_alipay.protocol.notification`. If several readers find something, the result with a
signature and the most of Alipay's parameters is used. If the text has a signature that no reader
finds, the format is unknown.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import warnings
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from urllib.parse import urlencode

from ..protocol.parameter_names import NOTIFICATION_NAMES
from .dump_formats import NestedValue, Pairs, decoded, read_prints
from .json_text import NotJson, json_within, query_of, read_json
from .payloads import Capture, Payload, UnreadablePayload, limited
from .raw_http import Request, parse_requests

#: Far more than a HAR file of a long session has.
MAX_BYTES = 64 * 1024 * 1024

# Longer text is searched for forms only.
_MAX_TEXT = 1024 * 1024

# The magic numbers of pcap, in both byte orders, and of pcapng.
_PACKETS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x0a\x0d\x0d\x0a")
# A form within a line of a log.
_IN_A_LOG = re.compile(
    rb"(?<![\w.\-])[\w.\-]{1,64}=[^\s\"'&]*(?:&[\w.\-]{1,64}=[^\s\"'&]*)+", re.ASCII
)
_LABEL = re.compile(rb"[\w.\-]{1,64}=(?=(\w{1,64})=)", re.ASCII)
_URL = re.compile(rb"(?:https?://|/)\S*\?\S+")
_NAME = re.compile(rb"[\w.\-\[\]%]{1,64}")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# The name of the signature before a value, in any format.
_NAMES_SIGN = re.compile(rb"(?<![\w.\-])sign[\"'`\]\\]{0,4}\s{0,20}(?:=|:|,|\||%3D)", re.ASCII)

_NOTHING_KNOWN = (
    "its format is unknown: it is neither a form body (name=value&...), nor a URL with a query, "
    "JSON, a raw HTTP request, a HAR file or a printed map of Alipay's parameters; "
    "copy the raw body"
)


def read_captures(content: bytes) -> list[Capture]:
    """Find the payloads in the content of a file.

    :param content: the file's bytes.
    :return: at least one capture.
    :raises UnreadablePayload: if there are none, or their format is unknown.
    """
    if len(content) > MAX_BYTES:
        raise UnreadablePayload(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    content = _without_byte_order_mark(content).strip()
    if not content:
        raise UnreadablePayload("it is empty")
    if content[:4] in _PACKETS:
        raise UnreadablePayload(
            "it is a packet capture: convert it to text first with tcpdump -A -r FILE"
        )
    content = _unquoted(content)
    found = _read(content)
    if _NAMES_SIGN.search(content) and not any(capture.score[0] for capture in found):
        raise UnreadablePayload(_NOTHING_KNOWN)  # do not report a missing signature
    return found


def _read(content: bytes) -> list[Capture]:
    not_json: UnreadablePayload | None = None
    if content[:1] in (b"{", b"["):
        try:
            return list(read_json(content, _from_text))
        except NotJson as error:
            not_json = error
    requests = list(parse_requests(content))
    if requests:
        return [
            Capture(limited(_from_http(request)), f"request {number}" if requests[1:] else "")
            for number, request in enumerate(requests, 1)
        ]
    if b"\0" in content:
        raise UnreadablePayload("it is binary, not the text of a request")
    try:
        return _from_text(content)
    except UnreadablePayload as error:
        raise (not_json or error) from None


def _from_text(content: bytes) -> list[Capture]:
    """Return the captures of the reader that finds most.

    The readers are for a single form, forms in a log, JSON and printed maps. A single capture also
    gets the other readers' results as further readings.
    """
    readers = (_from_lines, _from_log, _from_json_within, _from_prints)
    findings: list[list[Capture]] = []
    errors: list[UnreadablePayload] = []
    for read in readers:
        try:
            findings.append(read(content))
        except UnreadablePayload as error:
            errors.append(error)
    findings = [found for found in findings if found]
    if not findings:
        raise errors[-1]  # the last error is more specific than "not a form"
    best = max(findings, key=lambda found: max(capture.score for capture in found))
    return [_with_readings(best[0], findings)] if len(best) == 1 else best


def _with_readings(capture: Capture, findings: list[list[Capture]]) -> Capture:
    """Add the other readers' results for the same text.

    A form that a program printed after decoding looks like an encoded form.
    """
    if capture.is_response:
        return capture
    others = (found[0] for found in findings if len(found) == 1 and not found[0].is_response)
    readings = [each for other in others for each in (other.payload, *other.others)]
    return replace(capture, others=(*capture.others, *readings))


def _unquoted(content: bytes) -> bytes:
    """Remove the quoting that a shell, curl or a log puts around a body."""
    if content[:5] == b"curl ":
        return _posted_by_curl(content)
    if content[:2] in (b"b'", b'b"'):
        with suppress(ValueError, SyntaxError, MemoryError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ast.literal_eval(content.decode("latin-1"))
            return found if isinstance(found, bytes) else content
    if content[:1] == b'"' and content[-1:] == b'"':
        with suppress(ValueError):
            found = json.loads(content)
            return found.encode("utf-8") if isinstance(found, str) else content
    return content


def _posted_by_curl(command: bytes) -> bytes:
    """Return the data that a curl command posts, else its URL."""
    try:
        words = shlex.split(command.decode("utf-8", "surrogateescape"))
    except ValueError:
        raise UnreadablePayload("it is a curl command with an unclosed quote") from None
    encoded = [after for word, after in pairwise(words) if word == "--data-urlencode"]
    options = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii")
    found = ["&".join(after for word, after in pairwise(words) if word in options)]
    found.append(urlencode([each.partition("=")[::2] for each in encoded]))
    found = ["&".join(filter(None, found))]
    found += [word for word in words if "?" in word and "://" in word]
    if not any(found):
        raise UnreadablePayload("it is a curl command without --data and without a query")
    return next(filter(None, found)).encode("utf-8", "surrogateescape")


def _without_byte_order_mark(content: bytes) -> bytes:
    """Return the content in UTF-8, without a byte order mark.

    Windows shells write UTF-16. A form is ASCII, so the conversion loses nothing.
    """
    for mark, charset in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return content.decode(charset).removeprefix("\ufeff").encode("utf-8")
            except UnicodeDecodeError:
                raise UnreadablePayload("it is binary, not the text of a request") from None
    return content


def _from_lines(content: bytes) -> list[Capture]:
    """Read one form body or URL (perhaps wrapped by a terminal), or one on each line of a log."""
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and all(b"sign=" in line for line in lines):
        return [
            Capture(limited(_form(line)), f"line {number}") for number, line in enumerate(lines, 1)
        ]
    if len(lines) == 1 or b"&" in content:
        return [Capture(limited(_form(b"".join(lines))))]
    raise UnreadablePayload(_NOTHING_KNOWN)


def _form(line: bytes) -> bytes:
    line = line.strip(b"\"'")
    if _URL.fullmatch(line):
        line = query_of(line)
    line = _without_label(line.removeprefix(b"?"))
    names = [pair.partition(b"=")[0] for pair in line.split(b"&") if b"=" in pair]
    likely = [name for name in names if _NAME.fullmatch(name)]
    if not names or names[0] not in likely or 2 * len(likely) < len(names):
        raise UnreadablePayload(_NOTHING_KNOWN)
    return line


def _without_label(form: bytes) -> bytes:
    """Return a form without the label of a log: ``body=out_trade_no=...``."""
    label = _LABEL.match(form)
    known = label is not None and label[1].decode("ascii") in NOTIFICATION_NAMES
    return form[label.start(1) :] if label is not None and known else form


def _from_http(request: Request) -> bytes:
    """Return the query of a GET request, else the body."""
    payload = query_of(request.target) if request.method == b"GET" else request.body
    if b"=" not in payload:
        raise UnreadablePayload(
            "the HTTP request has no parameters: a notification is in the body of a POST, after an "
            "empty line, and a return in the query of a GET"
        )
    return payload


def _from_log(content: bytes) -> list[Capture]:
    """Read forms within lines of a log."""
    forms = [_without_label(form) for form in _IN_A_LOG.findall(content) if b"sign=" in form]
    return [
        Capture(limited(form), f"form {number}" if len(forms) > 1 else "")
        for number, form in enumerate(forms, 1)
    ]


def _from_json_within(content: bytes) -> list[Capture]:
    """Read JSON within lines of a log."""
    if len(content) > _MAX_TEXT:
        return []
    return list(json_within(decoded(content), _from_text))


def _from_prints(content: bytes) -> list[Capture]:
    """Read printed maps, each with all its readings."""
    try:
        readings = read_prints(content)
    except NestedValue as error:
        raise UnreadablePayload(
            f"it is a printed map in which {str(error)[:40]!r} is not text: Alipay sends text "
            "only; capture the parameters before the program converts them"
        ) from None
    return [
        Capture(
            limited(_joined_pairs(likeliest)),
            f"print {number}" if readings[1:] else "",
            tuple(map(_joined_pairs, others)),
        )
        for number, (likeliest, *others) in enumerate(readings, 1)
    ]


def _joined_pairs(pairs: Pairs) -> Payload:
    """Convert pairs to a payload; keep a repeated name for the diagnosis."""
    params = dict(pairs)
    return params if len(params) == len(pairs) else urlencode(pairs).encode()
