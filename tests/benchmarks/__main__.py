"""All benchmarks and a summary of their results: ``python -m tests.benchmarks``.

Exits with 1 if a target is missed.
"""

from __future__ import annotations

import sys

from . import (
    bill,
    growth,
    importing,
    memory,
    platform,
    recipe,
    serving,
    settling,
    signing,
)
from .verdicts import conclude

if __name__ == "__main__":
    signing.main()
    platform.main()
    importing.main()
    settling.main()
    recipe.main()
    serving.main()
    memory.main()
    bill.main()
    growth.main()
    sys.exit(conclude())
