"""Starts the example shop with the README's command and buys something in it, over HTTP.

Usage: python .ci/journey.py CLONE COMMAND; needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE = 300.0


def main(clone: str, command: str) -> None:
    """Runs the shop, pays an order, and stops the shop."""
    port = free_port()
    # A group of its own, so that everything the command started can be stopped.
    server = subprocess.Popen(
        ["bash", "-euc", command],
        cwd=clone,
        env={**os.environ, "FLASK_RUN_PORT": str(port)},
        start_new_session=True,
    )
    try:
        shop = f"http://127.0.0.1:{port}"
        await_shop(server, shop)
        buy(shop)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def await_shop(server: subprocess.Popen[bytes], shop: str) -> None:
    """Waits until the shop answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit(f"the command ended with {server.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(shop, timeout=5).close()
            return
        time.sleep(0.5)
    sys.exit("the shop did not answer")


class Browser:
    """As much of one as the journey needs: cookies, links, forms."""

    def __init__(self, shop: str) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.url = shop
        self.page = ""
        self.open(shop)

    def open(self, url: str, fields: dict[str, str] | None = None) -> None:
        """Goes to a page, or sends a form there."""
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        with self._opener.open(urllib.parse.urljoin(self.url, url), data, timeout=30) as answer:
            self.url, self.page = answer.url, answer.read().decode("utf-8")

    def link(self, pattern: str) -> str:
        """Returns the first link that matches."""
        return self.find(rf'href="([^"]*{pattern}[^"]*)"')

    def submit(self, pattern: str, **fields: str) -> None:
        """Sends the first form whose action matches, with what is in it as it comes."""
        action = self.find(rf'<form[^>]*action="([^"]*{pattern}[^"]*)"')
        form = self.page.split(f'action="{action}"', 1)[1].split("</form>", 1)[0]
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        chosen = re.findall(r'<input type="radio" name="([^"]+)" value="([^"]*)" checked', form)
        self.open(action.replace("&amp;", "&"), {**dict(hidden + chosen), **fields})

    def find(self, pattern: str) -> str:
        """Returns what the first group of a pattern finds in the page."""
        found = re.search(pattern, self.page)
        if found is None:
            sys.exit(f"{self.url} has no {pattern}")
        return found[1].replace("&amp;", "&")


def buy(shop: str) -> None:
    """Catalogue, order, checkout, cashier, payment, result, and the order again."""
    browser = Browser(shop)
    browser.open(browser.link("/tea/"))
    browser.submit("/orders", **{browser.find(r'<select name="([^"]+)"'): "1"})
    order = browser.url
    browser.submit("/pay")
    browser.open(browser.link("/alipay/pay/"))
    browser.submit("/pay")
    if "/alipay/result/" not in browser.url or "Payment received" not in browser.page:
        sys.exit(f"not paid: {browser.url}")
    browser.open(f"{order}/status")
    if '"paid"' not in browser.page:
        sys.exit(f"the order does not know: {browser.page}")
    print("catalogue, order, checkout, cashier, result: paid")


if __name__ == "__main__":
    main(*sys.argv[1:3])
