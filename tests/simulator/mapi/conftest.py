from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import sign_content


class Answer:
    """An XML answer, read as a merchant does who only has the guide."""

    def __init__(self, response):
        self.status = response.status_code
        self.content_type = response.content_type
        self.body = response.data
        head = re.match(rb'<\?xml version="1.0" encoding="([\w-]+)"\?>\s*', self.body)
        self.declared = head[1].decode("ascii")
        self.text = self.body[head.end() :].decode(python_codec(self.declared))
        self.root = ElementTree.fromstring(self.text)

    @property
    def error(self):
        assert self.root.findtext("is_success") == "F"
        return self.root.findtext("error")

    @property
    def accepted(self):
        return self.root.findtext("is_success") == "T"

    @property
    def node(self):
        assert self.accepted, self.root.findtext("error")
        (node,) = self.root.find("response")
        return node

    @property
    def fields(self):
        return {child.tag: child.text for child in self.node if len(child) == 0}

    def signed_by(self, signer):
        content = {
            child.tag: ElementTree.tostring(child, "unicode", short_empty_elements=False)
            if len(child)
            else child.text
            for child in self.node
        }
        assert self.root.findtext("sign_type") == signer.sign_type
        message = sign_content(content, charset=self.declared)
        return signer.verify(message, self.root.findtext("sign"))


@pytest.fixture
def server(app):
    """The merchant's server: asks over HTTP and reads what is answered."""
    client = app.test_client()

    def call(request, *, post=False):
        if post:
            path, _, query = request.url.partition("?")
            content_type = "application/x-www-form-urlencoded"
            return Answer(client.post(path, data=query, content_type=content_type))
        return Answer(client.get(request.url))

    return call


@pytest.fixture
def pay(buyer):
    """Orders in a browser and presses a button; returns where the browser is sent."""

    def pay(request, button="pay"):
        return buyer.press(buyer.cashier(request), button).location

    return pay


@pytest.fixture
def trade(simulator):
    def trade(out_trade_no="T1"):
        return simulator.trades.by_out_trade_no(out_trade_no)

    return trade


@pytest.fixture
def later(clock):
    """What follows an answer to the merchant's server has come."""

    def later():
        clock.advance(seconds=1)

    return later
