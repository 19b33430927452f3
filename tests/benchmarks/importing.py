"""What ``import flask_alipay`` adds to a process that has Flask and Flask-SQLAlchemy.

``python -m tests.benchmarks.importing``
"""

from __future__ import annotations

import statistics
import subprocess
import sys

_PROBE = """
import resource, sys, time
import flask, flask_sqlalchemy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
import flask_alipay
took = (time.perf_counter() - start) * 1000
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
heavy = [name for name in ("requests", "segno", "defusedxml") if name in sys.modules]
print(took, grown, ",".join(heavy) or "none")
"""


def main(runs: int = 11) -> None:
    """Prints the medians of several fresh processes."""
    times, sizes, heavy = [], [], ""
    for _ in range(runs):
        answer = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True
        ).stdout.split()
        times.append(float(answer[0]))
        sizes.append(float(answer[1]))
        heavy = answer[2]
    took, grown = statistics.median(times), statistics.median(sizes)
    print(f"import flask_alipay: {took:.1f} ms (at most 20), {grown:.1f} MiB (at most 10)")
    print(f"imported with it before they are needed: {heavy}")


if __name__ == "__main__":
    main()
