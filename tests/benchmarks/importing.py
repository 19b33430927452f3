"""Cost of ``import flask_alipay`` in a process that has Flask and Flask-SQLAlchemy.

``python -m tests.benchmarks.importing``. The time is processor time, independent of other load.
"""

from __future__ import annotations

import statistics
import sys

from . import fresh
from .verdicts import at_most, conclude

_PROBE = """
import sys, time
import flask, flask_sqlalchemy
from tests.benchmarks.worker import size
before = size()["Rss"]
start = time.process_time()
import flask_alipay
took = (time.process_time() - start) * 1000
grown = size()["Rss"] - before
heavy = [name for name in ("requests", "waitress", "segno", "defusedxml") if name in sys.modules]
print(took, grown, ",".join(heavy) or "none")
"""


def main(runs: int = 11) -> None:
    """Prints the medians of several fresh processes."""
    # The first compiles.
    answers = [fresh.run("-c", _PROBE).decode().split() for _ in range(runs + 1)][1:]
    took, grown = (statistics.median(float(answer[n]) for answer in answers) for n in (0, 1))
    heavy = answers[-1][2]
    at_most("import flask_alipay", took, 20, "ms")
    at_most("import flask_alipay, memory", grown, 10, "MiB")
    print(f"imported with it before they are needed: {heavy}")


if __name__ == "__main__":
    main()
    sys.exit(conclude())
