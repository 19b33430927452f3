"""Lower bound: the simulator's work for a trade without its function: requests, signatures, a shop.

``python -m tests.benchmarks.load.floor SHOP_PORT SIGNATURES``
"""

from __future__ import annotations

import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer

_SHOP_PORT, _SIGNATURES = int(sys.argv[1]), int(sys.argv[2])
_signer = Rsa2Signer(generate_private_key())
_MESSAGE = b"name=value&" * 60


class _Floor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(303)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/gateway.do"):
            if _SIGNATURES > 1:
                _signer.sign(_MESSAGE)
            self._answer(200)
            return
        if _SIGNATURES:
            _signer.sign(_MESSAGE)
        _tell(f"out_trade_no={self.path.split('/')[2]}&{'x' * 900}")
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "300")
        self.end_headers()
        self.wfile.write(b"x" * 300)

    def log_message(self, *args: object) -> None:
        pass


_lines = threading.local()


def _tell(body: str) -> None:
    if not hasattr(_lines, "shop"):
        _lines.shop = http.client.HTTPConnection("127.0.0.1", _SHOP_PORT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    _lines.shop.request("POST", "/notify", body, headers)
    assert _lines.shop.getresponse().read() == b"success"


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Floor)
    print(f"listens on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
