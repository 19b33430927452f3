"""One worker process: takes the notifications that it reads, and says how large it is then.

``python -m tests.benchmarks.worker`` reads a line of JSON, ``{"app", "config"}``, then a form body
a line. It imports nothing by itself that would count as the app's.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def deliver(app: App, body: bytes) -> bytes:
    """Hands a body over as a server does."""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/alipay/notify",
        "QUERY_STRING": "",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "shop.example",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    return b"".join(app(environ, lambda *head: None))


def size() -> dict[str, float]:
    """Returns what the system says about this process' memory, in MiB."""
    gc.collect()
    sizes: dict[str, float] = {}
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:  # noqa: PTH123
        for line in rollup:
            name, _, said = line.partition(":")
            if said.endswith("kB\n"):
                sizes[name] = int(said.split()[0]) / 1024
    return sizes


def main() -> None:
    """Reads, works, and prints."""
    told = json.loads(sys.stdin.buffer.readline())
    app = importlib.import_module(told["app"]).create_app(**told["config"])
    for line in sys.stdin.buffer:
        answer = deliver(app, line.strip())
        if answer != b"success":
            raise RuntimeError(f"answered {answer!r}")
    print(json.dumps({**size(), "modules": sorted(sys.modules)}))


if __name__ == "__main__":
    main()
