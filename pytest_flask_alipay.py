"""Pytest fixtures for an application's tests: a simulated Alipay that tests control.

This module is not part of the package, so that test runs without these fixtures import neither the
package nor Flask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask_alipay.testing import AlipayServer, AlipaySimulator


@pytest.fixture
def alipay_simulator(request: pytest.FixtureRequest) -> AlipaySimulator:
    """Return the simulator of the test's ``app`` if ``ALIPAY_SIMULATOR`` is on.

    Without such an app, return that of :func:`alipay_server`, for which an app in any language can
    be configured.
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
    """Run a simulator with its own HTTP server on this machine, for the whole test run."""
    from flask_alipay.testing import AlipayServer

    with AlipayServer.running(tmp_path_factory.mktemp("alipay")) as server:
        yield server


def _app(request: pytest.FixtureRequest) -> Any:
    try:
        return request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":  # the fixture exists, but requests a missing one
            raise
        return None
