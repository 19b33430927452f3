"""Fixtures for the tests of a shop: an Alipay in the test, which says paid when the test wants it.

A module of its own beside the package, so that a run of pytest that asks for none of them does not
load the package, nor Flask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask_alipay.testing import AlipayServer, AlipaySimulator


@pytest.fixture
def alipay_simulator(request: pytest.FixtureRequest) -> AlipaySimulator:
    """The simulator inside the test's ``app``, where ``ALIPAY_SIMULATOR`` is on.

    Without such an app it is the one of :func:`alipay_server`, which an app in any language may be
    configured with.
    """
    from flask_alipay.testing import AlipaySimulator

    app = _app(request)
    embedded = AlipaySimulator.of(app) if app is not None else None
    if embedded is not None:
        return embedded
    server: AlipayServer = request.getfixturevalue("alipay_server")
    return server.simulator


@pytest.fixture(scope="session")
def alipay_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlipayServer]:
    """A simulator by itself, at an address of this machine, for the whole run."""
    from flask_alipay.testing import AlipayServer

    with AlipayServer.running(tmp_path_factory.mktemp("alipay")) as server:
        yield server


def _app(request: pytest.FixtureRequest) -> Any:
    try:
        return request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":  # it is there, but asks for something that is not
            raise
        return None
