"""A buyer without a browser: follow links and submit forms of the pages."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse


class Buyer:
    """One buyer, with their own cookies.

    :param app: the shop.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._client = app.test_client()

    def look(self, url: str) -> TestResponse:
        """Open a page."""
        return self._client.get(url)

    def send(self, url: str, form: dict[str, str]) -> TestResponse:
        """Submit a form."""
        return self._client.post(url, data=form)

    def token(self, page: str = "/tea/dragon-well") -> str:
        """Return the hidden token of a page's form."""
        found = re.search(r'name="token" value="([^"]+)"', self.look(page).text)
        assert found is not None
        return found[1]

    def try_to_order(self, method: str = "alipay", **quantities: object) -> TestResponse:
        """Submit an order; slugs have underscores instead of hyphens."""
        items = {slug.replace("_", "-"): str(number) for slug, number in quantities.items()}
        return self.send("/orders", {"token": self.token(), "method": method, **items})

    def order(self, **quantities: object) -> str:
        """Place an order, and return the path of its page."""
        response = self.try_to_order(**quantities)
        assert response.status_code == 303, response.text
        return urlsplit(response.location).path

    def checkout(self, order: str) -> str:
        """Press the button on the order's page, and return the path of the checkout."""
        response = self.send(f"{order}/pay", {"token": self.token()})
        assert response.status_code == 303, response.text
        return urlsplit(response.location).path

    def ways_to_pay(self, checkout: str) -> dict[str, str]:
        """Return the payment links of the checkout, by text."""
        links = re.findall(
            r'<a\b[^>]*href="([^"]+)"[^>]*\bdata-pay>(.*?)</a>', self.look(checkout).text, re.S
        )
        return {
            " ".join(re.sub(r"<[^>]+>", " ", words).split()): unescape(url) for url, words in links
        }

    def cashier(self, order: str, way: str = "Alipay") -> str:
        """Open the simulator, and return the path of the cashier page."""
        ways = self.ways_to_pay(self.checkout(order))
        (url,) = (url for words, url in ways.items() if way in words)
        response = self.look(url)
        assert response.status_code == 303
        response = self.look(response.location)
        assert response.status_code in (302, 303), response.text
        return urlsplit(response.location).path

    def end(self, order: str, how: str, way: str = "Alipay") -> None:
        """Pay, close or let expire at the simulator."""
        response = self.send(f"{self.cashier(order, way)}/{how}", {})
        assert response.status_code < 400, response.text

    def ship(self, order: str, carrier: str = "顺丰速运") -> TestResponse:
        """Log in as the operator, and press the button that ships an order."""
        form = {"token": self.token(), "carrier": carrier, "parcel": "SF1234567890"}
        self.log_in()
        return self.send(f"/admin/parcels/{order.rsplit('/', 1)[1]}/ship", form)

    def log_in(self, password: str | None = None) -> TestResponse:
        """Log in as the operator."""
        given = self._app.config["SHOP_ADMIN_PASSWORD"] if password is None else password
        form = {"token": self.token(), "name": "keeper", "password": given}
        return self.send("/login", form)

    def state(self, order: str) -> str:
        """Return the state of an order, which its page polls."""
        found: str = self.look(f"{order}/status").get_json()["state"]
        return found
