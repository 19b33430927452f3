"""Runs all benchmarks, and sums up what they found: ``python -m tests.benchmarks``.

Exits with 1 if anything is not reached.
"""

from __future__ import annotations

import sys

from . import bill, importing, platform, recipe, settling, signing
from .verdicts import conclude

if __name__ == "__main__":
    for benchmark in (signing, platform, importing, settling, recipe, bill):
        benchmark.main()
    sys.exit(conclude())
