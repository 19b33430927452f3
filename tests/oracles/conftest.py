from __future__ import annotations

from collections.abc import Iterator

import pytest

from .standalone import Standalone


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """The simulator by itself, for all programs of the run; each has order numbers of its own."""
    with Standalone.running(tmp_path_factory.mktemp("alipay") / "keys") as running:
        yield running
