"""Payloads in JSON: parameters, responses, HAR files, or any of them within other text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .payloads import Capture, Payload, UnreadablePayload, limited

# Parameters that distinguish notifications and returns from requests, which are signed as well.
_OF_NOTIFICATIONS = ("notify_id", "trade_no", "trade_status")

# An object or, with its quotes escaped, a string of one.
_START = re.compile(r'\{\s{0,20}"|"\s{0,20}\{\s{0,20}\\"')
_MAX_STARTS = 200
_MAX_DEPTH = 8

ReadText = Callable[[bytes], list[Capture]]


class NotJson(UnreadablePayload):
    """Text that only begins like JSON."""


def read_json(content: bytes, read_text: ReadText) -> Iterator[Capture]:
    """Find the payloads in a JSON document.

    :param content: of a file.
    :param read_text: finds payloads in a text within it.
    :return: the captures.
    :raises UnreadablePayload: if there are none.
    """
    document, text = _json(content)
    if isinstance(document, dict) and isinstance(document.get("log"), dict):
        yield from _from_har(document["log"])
    elif found := list(_signed_in(document, text, read_text)):
        yield from found
    elif isinstance(document, dict):
        yield Capture(limited(_params(document)))
    elif document and all(isinstance(item, dict) for item in document):
        for number, item in enumerate(document, 1):
            yield Capture(limited(_params(item)), f"item {number}")
    else:
        raise UnreadablePayload("it is a JSON list of other values than objects")


def json_within(text: str, read_text: ReadText) -> Iterator[Capture]:
    """Find signed payloads in the JSON within other text, such as a line of a log.

    :param text: of any kind.
    :param read_text: finds payloads in a text within it.
    :return: the captures.
    """
    place = 0
    for _ in range(_MAX_STARTS):
        start = _START.search(text, place)
        if start is None:
            return
        try:
            document, place = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError, UnreadablePayload):
            place = start.end()
            continue
        if isinstance(document, str):
            yield from json_within(document, read_text)
        else:
            yield from _signed_in(document, text[start.start() : place], read_text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadablePayload("it is JSON that repeats a name")
    return found


# Numbers stay text: for a signature 0.10 is not 0.1.
_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object
)


def _json(content: bytes) -> tuple[Any, str]:
    for charset in ("utf-8", "gb18030"):
        try:
            text = content.decode(charset)
            return _DECODER.decode(text), text
        except UnicodeDecodeError:
            continue
        except (ValueError, RecursionError):
            break
    raise NotJson(
        "it begins like JSON or a printed dict, but is neither: a part of it is missing or cannot "
        "be parsed"
    )


def _signed_in(
    document: Any, text: str, read_text: ReadText, depth: int = 0, place: str = ""
) -> Iterator[Capture]:
    """Walk through a document and yield everything in it that is signed."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(document, str):
        if "sign" in document:
            found = read_text(document.encode("utf-8", "surrogatepass"))
            yield from (capture for capture in found if capture.score[0])
        return
    if (payload := _payload(document)) is not None:
        yield Capture(limited(payload), place)
    elif isinstance(document, dict) and any(name.endswith("_response") for name in document):
        # Only the original text can be verified, not the parsed value.
        raw = text if depth == 0 else json.dumps(document, ensure_ascii=False)
        yield Capture(limited(raw.encode("utf-8")), place, is_response=True)
    elif isinstance(document, dict):
        for value in document.values():
            yield from _signed_in(value, text, read_text, depth + 1, place)
    elif isinstance(document, list):
        for number, item in enumerate(document, 1):
            within = place or (f"item {number}" if depth == 0 and document[1:] else "")
            yield from _signed_in(item, text, read_text, depth + 1, within)


def _payload(document: Any) -> Payload | None:
    """Return the signed parameters of an object or of a list of names and values; else ``None``."""
    if isinstance(document, list):
        return _named_values(document) or None
    if not isinstance(document, dict) or any(name.endswith("_response") for name in document):
        return None
    return _params(document) if document.get("sign") or _has_signed_params(document) else None


def _named_values(items: list[Any]) -> dict[str, str]:
    """Return the parameters in a list of ``{"name": …, "value": …}``, as in logs of proxies.

    Return an empty dict for any other list.
    """
    found: dict[str, str] = {}
    for item in items:
        name = item.get("name", item.get("key")) if isinstance(item, dict) else None
        if not isinstance(name, str) or "value" not in item or name in found:
            return {}
        found[name] = _text(name, item["value"])
    return found if found.get("sign") else {}


def _has_signed_params(document: Mapping[str, Any]) -> bool:
    inner = document.get("params")
    return isinstance(inner, dict) and bool(inner.get("sign"))


def _params(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a JSON object.

    Those in its ``params`` are included: ``--json`` prints them there.
    """
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
        return json.dumps(value, ensure_ascii=False)  # the diagnosis reports the list
    raise UnreadablePayload(
        f"it is JSON in which {name[:40]!r} is {_kind(value)}: Alipay sends text only; capture the "
        "parameters before a program converts them"
    )


def _kind(value: Any) -> str:
    names = {bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value), "not text")


def _from_har(log: Mapping[str, Any]) -> Iterator[Capture]:
    """Yield the notifications and returns in a browser's recording."""
    entries = log.get("entries")
    found = False
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        for payload in filter(_is_of_alipay, _har_payloads(entry)):
            found = True
            yield Capture(limited(payload), f"entry {number}")
    if not found:
        raise UnreadablePayload("it is a HAR file without a notification or return of Alipay's")


def _har_payloads(entry: Any) -> Iterator[Payload]:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict):
        return
    url, posted = request.get("url"), request.get("postData")
    if isinstance(url, str):
        yield query_of(url.encode("utf-8", "replace"))
    if not isinstance(posted, dict):
        return
    if isinstance(posted.get("text"), str) and posted["text"]:
        yield _har_text(posted)
    elif isinstance(posted.get("params"), list):
        pairs = [pair for pair in posted["params"] if isinstance(pair, dict)]
        yield {str(pair.get("name", "")): str(pair.get("value", "")) for pair in pairs}


def query_of(url: bytes) -> bytes:
    """Return the query of a URL; empty if it has none."""
    return url.split(b"#", 1)[0].partition(b"?")[2]


def _har_text(posted: Mapping[str, Any]) -> bytes:
    text = str(posted["text"]).encode("utf-8", "replace")
    if posted.get("encoding") != "base64":
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text


def _is_of_alipay(payload: Payload) -> bool:
    if isinstance(payload, bytes):
        names = {pair.partition(b"=")[0].decode("latin-1") for pair in payload.split(b"&")}
    else:
        names = set(payload)
    return "sign" in names and any(name in names for name in _OF_NOTIFICATIONS)
