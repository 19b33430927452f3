"""Parameters in printed maps of any programming language, found by Alipay's parameter names.

A printed map is a series of entries in one style: quotes around the name, a separator, the value.
The style of most of Alipay's names is the map's; an entry in another style, such as the JSON within
``fund_bill_list``, is part of a value. Nothing is evaluated. A number stays text: for a signature
0.10 is not 0.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple, TypeAlias

from ..protocol.parameter_names import NOTIFICATION_NAMES

Pairs: TypeAlias = list[tuple[str, str]]

# Far more than a printed notification has.
_MAX_CHARS = 256 * 1024
_MAX_ENTRIES = 5000
# Six unknown names make 64 readings.
_MAX_UNKNOWN = 6

_ENTRY = re.compile(
    r"(?<![\w\\%/.\"'`-])(?P<open>[\[(]?(?:[bu](?=[\"']))?[\"'`:]?)(?P<name>[A-Za-z_][\w.\-]{0,63})"
    r"(?P<close>[\"'`]?\]?)(?P<sep>[ \t]{0,40}(?:=>|->|[=:,|│\t])[ \t]{0,40}(?:\n[ \t]{0,40})?)",
    re.ASCII,
)
# A type, a length or a constructor before a text.
_TYPE = re.compile(r"(?:[bu](?=[\"'])|string\(\d+\) |\[\]string\{|[A-Za-z_][\w.]{0,40}\((?=[\"']))")
_LITERAL = re.compile(
    r"(?P<q>[\"'`])(?P<text>(?:[^\\\"'`]|\\.|(?!(?P=q))[\"'`])*)(?P=q)", re.DOTALL
)
_CONTINUED = re.compile(r"[ \t]{0,40}(?:\+\s{0,80}|\n[ \t]{0,80})(?=[\"'`])")
_AFTER_LITERAL = re.compile(r"[\s)\]}]*(?:[,;|]|\Z|\n|[\])}])")
_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"} | {mark: mark for mark in "\\'\"`#$"}
_NAME_AND_SPACE = re.compile(r"^(\w{2,40})([ \t]{1,40})(?![=:|>])", re.ASCII | re.MULTILINE)
_NO_SIGN = re.compile(r"[:{}<>,]")
_NOTHING = frozenset(("NULL", "null", "nil", "None", "undefined", "<nil>"))
_NESTED = re.compile(r"(?:\[|\{|\(|[A-Za-z_]\w{0,20}\s?\()\s*")
# Types that wrap each value in a list.
_OF_LISTS = re.compile(r"QueryDict|MultiDict|url\.Values|map\[string\]\[\]string|MultiValueMap")
_MARKS = (",", ";", "|", "│", "&")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}


class _Entry(NamedTuple):
    #: The start of its line or, within a line, of its name.
    start: int
    #: The start of its value.
    end: int
    name: str
    #: The text before it: a separator, an opening bracket, a space or a line end.
    lead: str
    style: tuple[str, str, str]


class NestedValue(Exception):
    """A value in a printed map is an object or a list; the message names the parameter."""


def read_prints(content: bytes) -> list[list[Pairs]]:
    """Read the printed maps in a text.

    :param content: of a file; text around the maps is skipped.
    :return: for each map its possible readings, the likeliest first.
    :raises NestedValue: if a value is an object or a list.
    """
    if len(content) > _MAX_CHARS:
        return []
    text = decoded(content)
    for each in (text, _NAME_AND_SPACE.sub(_with_colon, text)):
        entries = _entries(each)
        style = _style(entries)
        if style is not None:
            alike = [entry for entry in entries if _has_style(entry, style)]
            prints = _prints(each, _in_line(each, alike))
            found = [_readings(each, entries) for entries in prints]
            return [readings for readings in found if _is_likely(readings)]
    return []


def _is_likely(readings: list[Pairs]) -> bool:
    """Check that the value of ``sign`` could be a signature, intact or damaged."""
    return not any(name == "sign" and _NO_SIGN.search(text) for name, text in readings[0])


def _with_colon(match: re.Match[str]) -> str:
    """Insert a colon after one of Alipay's names that is followed by a space."""
    return f"{match[1]}:{match[2]}" if match[1] in NOTIFICATION_NAMES else match[0]


def _readings(text: str, entries: list[_Entry]) -> list[Pairs]:
    """Return all readings of the entries.

    A shop's own parameter looks like words within a value: each unknown name may be either.
    """
    unknown = [entry for entry in entries if entry.name not in NOTIFICATION_NAMES]
    counts = range(len(unknown) + 1) if len(unknown) <= _MAX_UNKNOWN else (0, len(unknown))
    found: list[Pairs] = []
    for count in counts:
        for values in combinations(unknown, count):
            within = set(values)
            chosen = [entry for entry in entries if entry not in within]
            if chosen:
                found.append(_pairs(text, chosen))
    return found


def decoded(content: bytes) -> str:
    """Decode bytes as UTF-8, else as GB18030; return an empty text if neither fits."""
    for charset in ("utf-8", "gb18030"):
        try:
            return content.decode(charset).replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
    return ""


def _entries(text: str) -> list[_Entry]:
    found: list[_Entry] = []
    for match in _ENTRY.finditer(text):
        if len(found) == _MAX_ENTRIES:
            return []
        style = match["open"], match["close"], match["sep"].strip() or match["sep"][:1]
        lead = _lead(text, match.start())
        found.append(_Entry(match.start(), match.end(), match["name"], lead, style))
    return found


def _lead(text: str, start: int) -> str:
    before = text[max(0, start - 200) : start]
    mark = before.rstrip()[-1:]
    if mark in (*_MARKS, "{", "[", "(", "<"):
        return mark
    if "\n" in before[len(before.rstrip()) :] or not before:
        return "\n"
    return " " if before[-1:].isspace() else mark


def _style(entries: list[_Entry]) -> tuple[str, str, str] | None:
    """Return the style of most of Alipay's names; one without ``sign`` only if none has it."""
    names: dict[tuple[str, str, str], set[str]] = {}
    for entry in entries:
        names.setdefault(entry.style, set()).add(entry.name)
    signed_by = {entry.style[2] for entry in entries if entry.name == "sign"}
    ranked = max(
        (
            ((s[2] in signed_by, len(found & NOTIFICATION_NAMES), len(found)), s)
            for s, found in names.items()
        ),
        default=((False, 0, 0), None),
    )
    (signed, known, count), style = ranked
    return style if known and (signed or known > 1) and count > 1 else None


def _has_style(entry: _Entry, style: tuple[str, str, str]) -> bool:
    """Check whether an entry has the map's style.

    The list's bracket may touch the first name, and some languages quote only names with an
    underscore.
    """
    opening, close, separator = entry.style
    if opening in (style[0], f"[{style[0]}", f"({style[0]}"):
        return (close, separator) == style[1:]
    return entry.name in NOTIFICATION_NAMES and (opening, close, separator) == ("", "", style[2])


def _in_line(text: str, entries: list[_Entry]) -> list[_Entry]:
    """Return the entries at the map's usual positions and outside another entry's quotes."""
    usual = _usual_lead(entries)
    found: list[_Entry] = []
    after = 0
    for entry in entries:
        known = entry.name in NOTIFICATION_NAMES
        spaced = usual in (" ", "\n") and text[entry.start - 1 : entry.start].isspace()
        fits = entry.lead == usual or entry.lead in _BRACKETS or (known and (spaced or not found))
        if entry.start < after or not fits:
            continue
        found.append(entry)
        after = _end_of_literal(text, entry.end)
    return _by_lines(text, found) or found


def _by_lines(text: str, entries: list[_Entry]) -> list[_Entry]:
    """Return each line's first entry, preferably of Alipay's; empty if the map has no lines."""
    lines: dict[int, _Entry] = {}
    known = 0
    for entry in entries:
        start = text.rfind("\n", 0, entry.start) + 1
        first = lines.setdefault(start, entry._replace(start=start))
        if entry.name in NOTIFICATION_NAMES:
            known += 1
            if first.name not in NOTIFICATION_NAMES:
                lines[start] = entry._replace(start=start)
    found = [entry for entry in lines.values() if entry.name in NOTIFICATION_NAMES]
    return list(lines.values()) if len(found) == known > 1 else []


def _usual_lead(entries: list[_Entry]) -> str:
    """Return the usual separator before an entry; only the first has a bracket before it."""
    between = [entry for entry in entries if entry.lead not in _BRACKETS]
    known = [entry for entry in between if entry.name in NOTIFICATION_NAMES]
    leads = Counter(entry.lead for entry in known or between or entries)
    return leads.most_common(1)[0][0]


def _end_of_literal(text: str, start: int) -> int:
    """Return the end of the quoted text that starts here; ``start`` if there is none."""
    typed = _TYPE.match(text, start)
    end = _literals(text, typed.end() if typed else start)[1]
    return start if end < 0 or not _AFTER_LITERAL.match(text, end) else end


def _literals(text: str, start: int) -> tuple[str, int]:
    """Join the adjacent string literals into which a language splits a long text.

    :return: the text within the quotes, and its end; a negative end if there is none.
    """
    found, end = [], -1
    literal = _LITERAL.match(text, start)
    while literal is not None:
        found.append(literal["text"])
        end = literal.end()
        continued = _CONTINUED.match(text, end)
        literal = _LITERAL.match(text, continued.end()) if continued else None
    return "".join(found), end


def _prints(text: str, entries: list[_Entry]) -> Iterator[list[_Entry]]:
    """Yield one list of entries for each map: a repeated name on a later line starts a new map."""
    found: list[_Entry] = []
    names: set[str] = set()
    for entry in entries:
        again = entry.name in names and "sign" in names
        if again and "\n" in text[found[-1].end : entry.start + 1]:
            yield found
            found, names = [], set()
        found.append(entry)
        names.add(entry.name)
    if found:
        yield found


def _pairs(text: str, entries: list[_Entry]) -> Pairs:
    raw = [text[entry.end : after.start] for entry, after in pairwise(entries)]
    raw.append(_last(text, entries))
    closing = "" if entries[-1].style[0][:1] not in _BRACKETS else _closing(entries)
    values = [_without_mark(value, entries, closing) for value in raw[:-1]]
    values.append(_without_closing(raw[-1], closing) if entries[1:] else raw[-1])
    for entry, value in zip(entries[:-1], values, strict=False):
        if _NESTED.fullmatch(value):
            raise NestedValue(entry.name)
    if _wrapped_in_lists(text, entries, values):
        values = [value.strip()[1:-1] for value in values]
    return [(entry.name, _value(value)) for entry, value in zip(entries, values, strict=True)]


def _closing(entries: list[_Entry]) -> str:
    mark = entries[-1].style[0][:1]
    # PHP closes the bracket before the separator.
    return "" if entries[-1].style[1].endswith("]") else _BRACKETS[mark]


def _without_mark(value: str, entries: list[_Entry], closing: str) -> str:
    """Return a value without the separator after it."""
    value = value.strip(" \t\n") if "\n" in value else value.rstrip(" \t")
    mark = entries[-1].lead
    if mark in _MARKS or (mark == "\n" and value[-2:-1] in "\"'`)]}" and value):
        value = value.removesuffix(mark if mark != "\n" else ",").rstrip()
    return _without_closing(value, closing)


def _without_closing(value: str, closing: str) -> str:
    value = value.strip()
    return value.removesuffix(closing).rstrip() if closing else value


def _last(text: str, entries: list[_Entry]) -> str:
    """Return the value of the last entry: a quoted text, or the rest of the map or line."""
    entry, first = entries[-1], entries[0]
    end = _end_of_literal(text, entry.end)
    if end > entry.end:
        return text[entry.end : end]
    line_end = text.find("\n", entry.end)
    value = text[entry.end : line_end if line_end >= 0 else len(text)]
    before = text[: first.start].rstrip()[-1:] or first.style[0][:1]
    opened = before if before in _BRACKETS else ""
    depth = 0
    for place, mark in enumerate(value):
        depth += (mark == opened) - (mark == _BRACKETS.get(opened))
        if depth < 0:
            return value[:place]
    return value.rstrip(" \t|│") if entry.lead in ("|", "│") else value


def _wrapped_in_lists(text: str, entries: list[_Entry], values: list[str]) -> bool:
    """Check whether each value is a list of one, as in a map to lists."""
    if not all(value.strip()[:1] == "[" and value.strip()[-1:] == "]" for value in values):
        return False
    quoted = any(value.strip()[1:2] in ("'", '"') for value in values)
    return not quoted or bool(_OF_LISTS.search(text[: entries[0].end]))


def _value(raw: str) -> str:
    """Return a value without quotes and type, with escapes decoded."""
    value = raw.strip()
    typed = _TYPE.match(value)
    kind = typed[0] if typed else ""
    value = value[len(kind) :]
    if value[:1] not in ("'", '"', "`") or len(value) < 2:
        return "" if value in _NOTHING else value
    if kind.startswith("string("):  # PHP's var_dump escapes nothing
        return value[1 : value.rfind('"')]
    text, end = _literals(value, 0)
    if end < 0 or not _AFTER_LITERAL.match(value, end):
        if value[-1] != value[0]:
            return value
        return value[1:-1].replace("''", "'") if value[0] == "'" else value[1:-1]
    return _unescaped(text, kind)


def _unescaped(text: str, kind: str) -> str:
    """Decode escapes; keep an unknown one as it is."""
    if "\\" not in text:
        return text
    found = _ESCAPE.sub(lambda match: _character(match[1], match[0]), text)
    if kind != "b":
        return found
    try:
        return decoded(found.encode("latin-1"))
    except UnicodeEncodeError:
        return found


def _character(escape: str, whole: str) -> str:
    if escape[0] in "ux" and len(escape) > 1:
        number = int(escape[1:].strip("{}"), 16)
        return chr(number) if number <= 0x10FFFF and not 0xD800 <= number < 0xE000 else whole
    return _ESCAPED.get(escape, whole)
