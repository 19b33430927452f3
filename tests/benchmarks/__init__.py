"""Benchmarks, run by hand: ``python -m tests.benchmarks``. The suite never times anything."""
