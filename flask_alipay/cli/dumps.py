"""Parameters as programs print them: a dict of Python or a web framework, an array of PHP.

Nothing is evaluated: Python's text is parsed and only literals are read. Numbers stay the text that
they were, since 0.10 is not 0.1 to a signature.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

Pairs: TypeAlias = list[tuple[str, str]]

# Far more than a printed notification has.
_MAX_CHARS = 256 * 1024

# ImmutableMultiDict([...]), {...}, after whatever a log puts before it.
_PYTHON = re.compile(r"(?<!\w)(?:[A-Za-z_]\w*\()*[\[{(]", re.ASCII)
_TOKEN = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[\[\](){}]")
_MAX_STARTS = 8
_JAVA = re.compile(r"\{[A-Za-z_]\w*=", re.ASCII)
_NEXT_OF_JAVA = re.compile(r", (?=[A-Za-z_]\w*=)", re.ASCII)
# What wraps a list of values, and means one value for each name.
_WRAPPERS = {
    "CombinedMultiDict",
    "FormData",
    "ImmutableMultiDict",
    "MultiDict",
    "MultiDictProxy",
    "OrderedDict",
    "QueryParams",
    "dict",
    "dict_items",
}
_PRINT_R = re.compile(
    r"^[ \t]*\[([^\]\n]+)\] => (.*?)(?=\n[ \t]*\[[^\]\n]+\] => |\n[ \t]*\)\s*\Z|\Z)",
    re.MULTILINE | re.DOTALL,
)
_VAR_DUMP = re.compile(rb"\[\"([^\"]+)\"\]\s*=>\s*(?:string\((\d+)\) \"|(NULL))")
_VAR_EXPORT = re.compile(
    r"""(?P<q>['"])(?P<name>[^'"\n]+)(?P=q)\s*=>\s*(?:'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>NULL|null|nil|-?\d+(?:\.\d+)?))""",
    re.DOTALL,
)


def read_dump(content: bytes) -> Pairs | None:
    """Returns the names and values in a printed dict or array; ``None`` if it is none.

    :param content: of a file; text around the dump is passed over.
    """
    if len(content) > _MAX_CHARS:
        return None
    if b"string(" in content and (dumped := _var_dump(content)):
        return dumped
    text = _text(content)
    if "=>" in text:
        return _php(text) or None
    return _java(text) or _python(text)


def _text(content: bytes) -> str:
    for charset in ("utf-8", "gb18030"):
        try:
            return content.decode(charset).replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
    return ""


def _var_dump(content: bytes) -> Pairs:
    """PHP's ``var_dump`` tells how many bytes each value has."""
    found: Pairs = []
    at = 0
    while (match := _VAR_DUMP.search(content, at)) is not None:
        at = match.end() + int(match[2] or 0)
        found.append((_text(match[1]), _text(content[match.end() : at])))
    return found


def _php(text: str) -> Pairs:
    """PHP's ``print_r`` and ``var_export``; a hash of Ruby looks like the latter."""
    if "] => " in text:
        return [(name, value) for name, value in _PRINT_R.findall(text)]
    return [
        (match["name"], _unescaped(match["single"], match["double"], match["bare"]))
        for match in _VAR_EXPORT.finditer(text)
    ]


def _unescaped(single: str | None, double: str | None, bare: str | None) -> str:
    if single is not None:
        return re.sub(r"\\([\\'])", r"\1", single)
    if double is not None:
        return re.sub(r"\\([\\\"$])", r"\1", double)
    return "" if bare is None or not bare[:1].isdigit() else bare


def _python(text: str) -> Pairs | None:
    for start in islice(_PYTHON.finditer(text), _MAX_STARTS):
        source = _balanced(text, start.start())
        node = _parsed(source)
        if node is not None:
            several = text[: start.start()].endswith("<QueryDict: ")
            found = list(_items(node, source, several))
            if found:
                return found
    return None


def _java(text: str) -> Pairs | None:
    """A Java map prints ``{name=value, name=value}``."""
    inner = text.strip()
    if not _JAVA.match(inner) or inner[-1:] != "}":
        return None
    parts = [part.partition("=") for part in _NEXT_OF_JAVA.split(inner[1:-1])]
    return [(name, value) for name, mark, value in parts if mark] or None


def _balanced(text: str, start: int) -> str:
    """From a bracket to the one that closes it; text in quotes does not count."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        mark = token[0]
        depth += (mark in "([{") - (mark in ")]}") if len(mark) == 1 else 0
        if depth == 0 and mark in (")", "]", "}"):
            return text[start : token.end()]
    return ""


def _parsed(source: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings():  # of an escape that is none, and stays as it is
            warnings.simplefilter("ignore")
            return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _items(node: ast.expr, source: str, several: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
        if node.func.id in _WRAPPERS:
            yield from _items(node.args[-1], source, several=several or "Multi" in node.func.id)
    elif isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                for text in _values(value, source, several):
                    yield name.value, text
    elif isinstance(node, (ast.List, ast.Tuple)):
        for item in node.elts:
            yield from _items_of_list(item, source, several)


def _items_of_list(item: ast.expr, source: str, several: bool) -> Iterator[tuple[str, str]]:
    if isinstance(item, ast.Call):
        yield from _items(item, source, several)
    elif isinstance(item, ast.Tuple) and len(item.elts) == 2:
        name, value = item.elts
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            for text in _values(value, source, several):
                yield name.value, text


def _values(node: ast.expr, source: str, several: bool) -> Iterator[str]:
    """A text as it is, a number as it was written; a list stays one where it is no framework's."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bytes):
            yield _text(node.value)
        elif isinstance(node.value, str):
            yield node.value
        else:
            yield "" if node.value is None else ast.get_source_segment(source, node) or ""
    elif isinstance(node, (ast.List, ast.Tuple)) and several:
        for item in node.elts:
            yield from _values(item, source, several=False)
    elif isinstance(node, ast.Call) and node.args:
        yield from _values(node.args[0], source, several)
    else:
        yield ast.get_source_segment(source, node) or ""
