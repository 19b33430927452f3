"""A bounded file with the bodies of rejected notifications, for a later diagnosis.

Only used if the setting ``REJECTED_PATH`` names a file. The bodies contain buyer data and are not
verified: only the file's owner can read it, and nothing of it enters the database.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..models import utc_now

if TYPE_CHECKING:
    from ..exceptions import NotificationRefused

logger = logging.getLogger("flask_alipay")

#: The maximum size of the file; the oldest entries are dropped.
MAX_FILE = 1024 * 1024
#: The maximum size of a body that is kept: no notification of a trade is larger.
MAX_BODY = 64 * 1024

# The beginning of each entry.
_BEGINNING = b'{"received_at":'


@dataclass(frozen=True)
class RejectedRequest:
    """One rejected notification."""

    #: The time of its receipt, ISO 8601 in UTC.
    received_at: str
    #: The reason, one of those of :class:`~flask_alipay.exceptions.NotificationRefused`.
    reason: str
    body: bytes = field(repr=False)


def check_path(path: Path, static_folder: str | None) -> None:
    """Check that a file may be appended to and truncated, and is not served.

    :param path: the path of the file.
    :param static_folder: the application's static folder.
    :raises ValueError: if it has other content than :func:`keep` writes, or is a static file.
    """
    if static_folder and path.resolve().is_relative_to(Path(static_folder).resolve()):
        raise ValueError("must not be in the static folder, where anyone could read it")
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_BEGINNING))
    except OSError:
        return  # it does not exist yet, or a failed write will be logged
    if beginning and beginning != _BEGINNING:
        raise ValueError("names a file with other content: name one that does not exist")


def keep(path: Path, error: NotificationRefused, body: bytes) -> None:
    """Append a body to the file. A failure is logged; it does not change the response.

    :param path: the path of the file; it is created if it does not exist.
    :param error: the reason of the rejection.
    :param body: the raw body.
    """
    if not body or len(body) > MAX_BODY:
        return
    entry = {
        "received_at": utc_now().isoformat(timespec="seconds"),
        "reason": error.reason,
        "body": base64.b64encode(body).decode("ascii"),
    }
    try:
        _append(path, json.dumps(entry).encode("ascii") + b"\n")
    except OSError as problem:
        logger.warning("a rejected notification could not be kept (%s)", type(problem).__name__)


def kept(path: Path) -> list[RejectedRequest]:
    """Return the entries of the file, the oldest first; none if it does not exist.

    :raises OSError: if it cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return list(_entries(lines))


def _entries(lines: list[bytes]) -> Iterator[RejectedRequest]:
    for line in lines:
        try:
            entry = json.loads(line)
            body = base64.b64decode(entry["body"], validate=True)
            yield RejectedRequest(str(entry["received_at"]), str(entry["reason"]), body)
        except (ValueError, TypeError, KeyError):
            continue  # an incomplete line, if the machine stopped during a write


def _append(path: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "r+b") as file, _locked(file.fileno()):
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), 0o600)
        size = file.seek(0, os.SEEK_END)
        if size + len(line) > MAX_FILE:
            file.seek(size - MAX_FILE // 2 if size > MAX_FILE // 2 else 0)
            file.readline()  # the rest of a dropped line
            newest = file.read()
            file.seek(0)
            file.write(newest)
            file.truncate()
        file.write(line)


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Lock the file against the application's other processes, if the system supports it."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
