"""A buyer without a browser: follows the links and sends the forms that the pages offer."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse


class Buyer:
    """One buyer, with cookies of their own.

    :param app: the shop.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._client = app.test_client()

    def look(self, url: str) -> TestResponse:
        """Opens a page."""
        return self._client.get(url)

    def send(self, url: str, form: dict[str, str]) -> TestResponse:
        """Sends a form."""
        return self._client.post(url, data=form)

    def token(self, page: str = "/tea/dragon-well") -> str:
        """The hidden token of a page's form."""
        found = re.search(r'name="token" value="([^"]+)"', self.look(page).text)
        assert found is not None
        return found[1]

    def try_to_order(self, method: str = "alipay", **quantities: object) -> TestResponse:
        """Sends an order; underscores stand for the hyphens of the slugs."""
        items = {slug.replace("_", "-"): str(number) for slug, number in quantities.items()}
        return self.send("/orders", {"token": self.token(), "method": method, **items})

    def order(self, **quantities: object) -> str:
        """Places an order and returns the address of its page."""
        answer = self.try_to_order(**quantities)
        assert answer.status_code == 303, answer.text
        return urlsplit(answer.location).path

    def checkout(self, order: str) -> str:
        """Presses the order page's button and returns the address of the checkout."""
        answer = self.send(f"{order}/pay", {"token": self.token()})
        assert answer.status_code == 303, answer.text
        return urlsplit(answer.location).path

    def ways_to_pay(self, checkout: str) -> dict[str, str]:
        """What the checkout offers: the links by their words."""
        links = re.findall(
            r'<a\b[^>]*href="([^"]+)"[^>]*\bdata-pay>(.*?)</a>', self.look(checkout).text, re.S
        )
        return {
            " ".join(re.sub(r"<[^>]+>", " ", words).split()): unescape(url) for url, words in links
        }

    def cashier(self, order: str, way: str = "Alipay") -> str:
        """Goes to the simulated Alipay and returns the address of the cashier's page."""
        ways = self.ways_to_pay(self.checkout(order))
        (url,) = (url for words, url in ways.items() if way in words)
        answer = self.look(url)
        assert answer.status_code == 303
        answer = self.look(answer.location)
        assert answer.status_code in (302, 303), answer.text
        return urlsplit(answer.location).path

    def end(self, order: str, how: str, way: str = "Alipay") -> None:
        """Pays, closes or lets expire at the simulated Alipay."""
        answer = self.send(f"{self.cashier(order, way)}/{how}", {})
        assert answer.status_code < 400, answer.text

    def ship(self, order: str, carrier: str = "顺丰速运") -> TestResponse:
        """Presses the operator's button, logged in."""
        form = {"token": self.token(), "carrier": carrier, "parcel": "SF1234567890"}
        self.log_in()
        return self.send(f"/admin/parcels/{order.rsplit('/', 1)[1]}/ship", form)

    def log_in(self, password: str | None = None) -> TestResponse:
        """Logs in as the operator."""
        given = self._app.config["SHOP_ADMIN_PASSWORD"] if password is None else password
        form = {"token": self.token(), "name": "keeper", "password": given}
        return self.send("/login", form)

    def state(self, order: str) -> str:
        """How the order stands, as its page asks for it."""
        found: str = self.look(f"{order}/status").get_json()["state"]
        return found
