"""Starts the example shop with the README's command and buys something in it, over HTTP.

Usage: python .ci/journey.py CLONE COMMAND; needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SHOP = "http://127.0.0.1:5000"
PATIENCE = 300.0


def main(clone: str, command: str) -> None:
    """Runs the shop, pays an order, and stops the shop."""
    # A group of its own, so that everything the command started can be stopped.
    server = subprocess.Popen(  # noqa: S603 - the README's own words
        ["bash", "-euc", command],  # noqa: S607
        cwd=clone,
        start_new_session=True,
    )
    try:
        await_shop(server)
        buy()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def await_shop(server: subprocess.Popen[bytes]) -> None:
    """Waits until the shop answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit(f"the command ended with {server.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(SHOP, timeout=5).close()
            return
        time.sleep(0.5)
    sys.exit("the shop did not answer")


class Browser:
    """As much of one as the journey needs: cookies, links, forms."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.url = SHOP
        self.page = ""

    def open(self, url: str, fields: dict[str, str] | None = None) -> None:
        """Goes to a page, or sends a form there."""
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        with self._opener.open(urllib.parse.urljoin(self.url, url), data, timeout=30) as answer:
            self.url, self.page = answer.url, answer.read().decode("utf-8")

    def link(self, pattern: str) -> str:
        """Returns the first link that matches."""
        return self._first(rf'href="([^"]*{pattern}[^"]*)"')

    def submit(self, pattern: str, **fields: str) -> None:
        """Sends the first form whose action matches, with its hidden fields."""
        action = self._first(rf'<form[^>]*action="([^"]*{pattern}[^"]*)"')
        form = self.page.split(f'action="{action}"', 1)[1].split("</form>", 1)[0]
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        self.open(action.replace("&amp;", "&"), {**dict(hidden), **fields})

    def _first(self, pattern: str) -> str:
        found = re.search(pattern, self.page)
        if found is None:
            sys.exit(f"{self.url} has no {pattern}")
        return found[1].replace("&amp;", "&")


def buy() -> None:
    """Catalogue, order, checkout, cashier, payment, result."""
    browser = Browser()
    browser.open(SHOP)
    browser.open(browser.link("/tea/"))
    browser.submit("/order", quantity="1")
    if "/alipay/checkout/" not in browser.url:
        browser.open(browser.link("/alipay/checkout/"))
    browser.open(browser.link("/alipay/pay/"))
    browser.submit("/pay")
    if "/alipay/result/" not in browser.url or "Payment received" not in browser.page:
        sys.exit(f"not paid: {browser.url}")
    print("bought and paid:", urllib.parse.urlsplit(browser.url).path.split(".")[0][:20])


if __name__ == "__main__":
    main(*sys.argv[1:3])
