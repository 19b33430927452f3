from __future__ import annotations

import pytest

from .server import ORDER, Server


@pytest.fixture
def server(app, merchant):
    return Server(app, merchant)


@pytest.fixture
def certified(server):
    return server.certified


@pytest.fixture
def created(server, merchant):
    """A trade that waits for its buyer."""
    return server.call("create", {**ORDER, "buyer_id": merchant.account.buyer_id})


@pytest.fixture
def paid(server):
    """A trade that was paid at the till."""
    return server.call("pay", {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"})
