"""Payloads out of whatever somebody captured: a form body, a URL, JSON, a raw HTTP request, a HAR.

The form is told by looking, and bytes stay bytes as long as they can: the charset is the payload's
own affair, see :mod:`flask_alipay.notification`.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias
from urllib.parse import urlencode

from .dumps import Pairs, read_dump
from .http_text import Request, requests_in

Payload: TypeAlias = bytes | dict[str, str]

#: More than any capture has; a HAR of a long session stays well below.
MAX_BYTES = 64 * 1024 * 1024

# More than Alipay ever sends; the notification route takes no more either.
_MAX_PAYLOAD = 64 * 1024

# The magic numbers of pcap, either way round, and of pcapng.
_PACKETS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x0a\x0d\x0d\x0a")
# A form in the middle of a line of a log.
_IN_A_LOG = re.compile(
    rb"(?<![\w.\-])[\w.\-]{1,64}=[^\s\"'&]*(?:&[\w.\-]{1,64}=[^\s\"'&]*)+", re.ASCII
)
_URL = re.compile(rb"(?:https?://|/)\S*\?\S+")
_NAME = re.compile(rb"[\w.\-\[\]%]{1,64}")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

# What tells Alipay's news from the requests that a browser brings to it: both are signed.
_NEWS = ("notify_id", "trade_no", "trade_status")

_NOTHING_KNOWN = (
    "it is neither a form body (name=value&...), nor a URL with a query, a JSON object, a raw HTTP "
    "request, a HAR file or a dict as Python or PHP print it"
)


class Unreadable(Exception):
    """There is no payload in it; the message says what was found and what to do."""


class _NotJson(Unreadable):
    """It only begins like JSON."""


@dataclass(frozen=True)
class Capture:
    """One payload and where it was found."""

    #: A form body or query string as it came over the wire, or parameters decoded by somebody else.
    payload: Payload = field(repr=False)
    #: Where in the file, for people: ``"entry 3"``; empty where it is the whole file.
    place: str = ""


def read_captures(content: bytes) -> list[Capture]:
    """Finds the payloads in the content of a file.

    :param content: the file's bytes.
    :raises Unreadable: if there are none.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    content = _without_byte_order_mark(content).strip()
    if not content:
        raise Unreadable("it is empty")
    if content[:4] in _PACKETS:
        raise Unreadable("it is a recording of packets: print it first, with tcpdump -A -r FILE")
    content = _unquoted(content)
    if content[:1] in (b"{", b"["):
        return list(_from_json_or_dump(content))
    requests = list(requests_in(content))
    if requests:
        return [
            Capture(_limited(_from_http(request)), f"request {number}" if requests[1:] else "")
            for number, request in enumerate(requests, 1)
        ]
    if b"\0" in content:
        raise Unreadable("it is binary, not the text of a request")
    return list(_from_text(content))


def _unquoted(content: bytes) -> bytes:
    """Without what a shell, curl or a log puts around a body."""
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
    """What a curl command posts, else its URL."""
    try:
        words = shlex.split(command.decode("utf-8", "surrogateescape"))
    except ValueError:
        raise Unreadable("it is a curl command with a quote that is not closed") from None
    options = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii")
    found = [after for word, after in pairwise(words) if word in options]
    found += [word for word in words if "?" in word and "://" in word]
    if not found:
        raise Unreadable("it is a curl command without --data and without a query")
    return found[0].encode("utf-8", "surrogateescape")


def _without_byte_order_mark(content: bytes) -> bytes:
    """Windows' shells write UTF-16; the bytes of a form are ASCII, so nothing is lost in UTF-8."""
    for mark, charset in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return content.decode(charset).removeprefix("\ufeff").encode("utf-8")
            except UnicodeDecodeError:
                raise Unreadable("it is binary, not the text of a request") from None
    return content


def _limited(payload: Payload) -> Payload:
    texts = (payload,) if isinstance(payload, bytes) else (*payload, *payload.values())
    if sum(map(len, texts)) > _MAX_PAYLOAD:
        raise Unreadable(f"it is larger than {_MAX_PAYLOAD // 1024} KiB: no notification is")
    return payload


def _from_lines(content: bytes) -> Iterator[Capture]:
    """One form body or URL (on several lines if a terminal wrapped it), or one on each line, as a
    log keeps them.
    """
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and all(b"sign=" in line for line in lines):
        for number, line in enumerate(lines, 1):
            yield Capture(_limited(_form(line)), f"line {number}")
    elif len(lines) == 1 or b"&" in content:
        yield Capture(_limited(_form(b"".join(lines))))
    else:
        raise Unreadable(_NOTHING_KNOWN)


def _form(line: bytes) -> bytes:
    line = line.strip(b"\"'")
    if _URL.fullmatch(line):
        line = _query(line)
    line = line.removeprefix(b"?")
    names = [pair.partition(b"=")[0] for pair in line.split(b"&") if b"=" in pair]
    likely = [name for name in names if _NAME.fullmatch(name)]
    if not names or names[0] not in likely or 2 * len(likely) < len(names):
        raise Unreadable(_NOTHING_KNOWN)
    return line


def _query(url: bytes) -> bytes:
    return url.split(b"#", 1)[0].partition(b"?")[2]


def _from_http(request: Request) -> bytes:
    """The query of a GET, else the body."""
    payload = _query(request.target) if request.method == b"GET" else request.body
    if b"=" not in payload:
        raise Unreadable(
            "the HTTP request has nothing in it to verify: a notification is in the body of a "
            "POST, after an empty line, and a return in the query of a GET"
        )
    return payload


def _from_text(content: bytes) -> Iterator[Capture]:
    """A form on its own, a dump with text around it, or a form in the lines of a log."""
    try:
        yield from list(_from_lines(content))
    except Unreadable:
        dump = read_dump(content)
        if dump is not None and len(dump) > 1:
            yield Capture(_limited(_joined_pairs(dump)))
            return
        forms = [form for form in _IN_A_LOG.findall(content) if b"sign=" in form]
        if not forms:
            raise
        for number, form in enumerate(forms, 1):
            yield Capture(_limited(form), f"form {number}" if len(forms) > 1 else "")


def _joined_pairs(pairs: Pairs) -> Payload:
    """Names to values; a name that is there twice is kept so, for the diagnosis to see."""
    params = dict(pairs)
    return params if len(params) == len(pairs) else urlencode(pairs).encode()


def _from_json_or_dump(content: bytes) -> Iterator[Capture]:
    try:
        yield from list(_from_json(content))
    except _NotJson:
        dump = read_dump(content)
        if not dump:
            raise
        yield Capture(_limited(_joined_pairs(dump)))


def _from_json(content: bytes) -> Iterator[Capture]:
    document = _json(content)
    if isinstance(document, dict) and isinstance(document.get("log"), dict):
        yield from _from_har(document["log"])
    elif isinstance(document, dict):
        yield Capture(_limited(_params(document)))
    elif document and all(isinstance(item, dict) for item in document):
        for number, item in enumerate(document, 1):
            yield Capture(_limited(_params(item)), f"item {number}")
    else:
        raise Unreadable("it is a JSON list of something else than objects")


def _json(content: bytes) -> Any:
    """Numbers stay the text that they were: 0.10 is not 0.1 to a signature."""
    for charset in ("utf-8", "gbk"):
        try:
            return json.loads(
                content.decode(charset),
                parse_int=str,
                parse_float=str,
                parse_constant=str,
                object_pairs_hook=_object,
            )
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError):
            break
    raise _NotJson(
        "it begins like JSON or a printed dict, but is none: something in it is cut off or cannot "
        "be read"
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("it is JSON that repeats a name")
    return found


def _params(found: Mapping[str, Any]) -> dict[str, str]:
    """A JSON object of parameters, or one with them in ``params``, as ``--json`` writes it."""
    inner = found.get("params")
    if isinstance(inner, dict):
        outer = {name: found[name] for name in ("sign", "sign_type") if name in found}
        found = {**outer, **inner}
    return {name: _text(name, value) for name, value in found.items()}


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return json.dumps(value, ensure_ascii=False)  # that it is a list is for the diagnosis
    raise Unreadable(
        f"it is JSON in which {name[:40]!r} is {_kind(value)}: Alipay sends text only; copy the "
        "parameters before anything turns them into something else"
    )


def _kind(value: Any) -> str:
    names = {bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value), "no text")


def _from_har(log: Mapping[str, Any]) -> Iterator[Capture]:
    """The entries of a browser's recording that hold news of Alipay's."""
    entries = log.get("entries")
    found = False
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        for payload in filter(_is_news, _har_payloads(entry)):
            found = True
            yield Capture(_limited(payload), f"entry {number}")
    if not found:
        raise Unreadable("it is a HAR file without any notification or return of Alipay's")


def _har_payloads(entry: Any) -> Iterator[Payload]:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict):
        return
    url, posted = request.get("url"), request.get("postData")
    if isinstance(url, str):
        yield _query(url.encode("utf-8"))
    if not isinstance(posted, dict):
        return
    if isinstance(posted.get("text"), str) and posted["text"]:
        yield _har_text(posted)
    elif isinstance(posted.get("params"), list):
        pairs = [pair for pair in posted["params"] if isinstance(pair, dict)]
        yield {str(pair.get("name", "")): str(pair.get("value", "")) for pair in pairs}


def _har_text(posted: Mapping[str, Any]) -> bytes:
    text = str(posted["text"]).encode("utf-8")
    if posted.get("encoding") != "base64":
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text


def _is_news(payload: Payload) -> bool:
    if isinstance(payload, bytes):
        names = {pair.partition(b"=")[0].decode("latin-1") for pair in payload.split(b"&")}
    else:
        names = set(payload)
    return "sign" in names and any(name in names for name in _NEWS)
