"""The log of the simulator by itself, on a terminal or in a file."""

from __future__ import annotations

import logging
from collections import deque
from threading import Lock
from typing import TextIO


class LogLines(logging.Handler):
    """Writes lines to a stream. No thread waits for another one's line to be written.

    Who comes while another is writing leaves the line to that one, and goes on.

    :param stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: deque[str] = deque()
        self._writing = Lock()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def handle(self, record: logging.LogRecord) -> bool:
        """Takes a record, without the lock that other handlers need."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record's line, or has it written."""
        try:
            self._lines.append(self.format(record) + "\n")
            while self._lines and self._writing.acquire(blocking=False):
                try:
                    self._write()
                finally:
                    self._writing.release()
        except Exception:
            self.handleError(record)

    def _write(self) -> None:
        waiting = len(self._lines)  # only this thread takes any away
        self._stream.write("".join(self._lines.popleft() for _ in range(waiting)))
        self._stream.flush()
