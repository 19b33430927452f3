"""Runs all benchmarks and prints their ratios: ``python -m tests.benchmarks``."""

from __future__ import annotations

from . import bill, importing, platform, settling, signing

if __name__ == "__main__":
    signing.main()
    platform.main()
    importing.main()
    settling.main()
    bill.main()
