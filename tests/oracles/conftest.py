from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .standalone import Standalone


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """The simulator by itself, for all programs of the run; each has order numbers of its own."""
    with Standalone.running(tmp_path_factory.mktemp("alipay") / "keys") as running:
        yield running


@pytest.fixture(scope="session")
def mini_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """The simulator of a newer application, which knows its buyers by OpenIDs."""
    with Standalone.running(tmp_path_factory.mktemp("open-id") / "keys", "--open-id") as running:
        yield running


@pytest.fixture
def third_party(tmp_path: Path) -> Iterator[Standalone]:
    """The simulator of a third-party application that no merchant has authorised yet."""
    with Standalone.running(tmp_path / "keys", "--third-party") as running:
        yield running
