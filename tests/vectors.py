"""Published and captured payloads, read from the folder that ``FLASK_ALIPAY_VECTORS`` names.

They are other people's, so they are not shipped: one JSON file each, with the payload, the public
material that goes with it, and in ``expected`` whether the signature is ``valid``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer

VARIABLE = "FLASK_ALIPAY_VECTORS"

Vector: TypeAlias = dict[str, Any]


@lru_cache(maxsize=1)
def all_vectors() -> tuple[Vector, ...]:
    """Return every vector in the folder; none if no folder is named."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return ()
    files = sorted(Path(folder).glob("*.json"))
    return tuple(json.loads(file.read_text(encoding="utf-8")) for file in files)


def with_vectors(
    *kinds: str, where: Callable[[Vector], object] = lambda vector: True
) -> pytest.MarkDecorator:
    """Run a test that takes ``vector`` once for each vector of these kinds."""
    chosen = [vector for vector in all_vectors() if vector["kind"] in kinds and where(vector)]
    cases = [pytest.param(vector, id=f"{vector['id']}-{vector['name']}") for vector in chosen]
    # Without any, one case is left: the fixture says there what is missing.
    return pytest.mark.parametrize(
        "vector", cases or [pytest.param(None, id="no-vectors")], indirect=True
    )


def signer_of(vector: Vector) -> Signer:
    """Return a signer with all the keys that were published with the vector."""
    if vector["sign_type"] == "MD5":
        return Md5Signer(vector["md5_key"])
    signer = {"RSA": RsaSigner, "RSA2": Rsa2Signer}[vector["sign_type"]]
    return signer(vector.get("test_private_key"), vector["public_key"])


def is_valid(vector: Vector) -> bool:
    return bool(vector["expected"] == "valid")
