"""What ``import flask_alipay`` adds to a process that has Flask and Flask-SQLAlchemy.

``python -m tests.benchmarks.importing``. The time is the processor's: a busy machine is none of it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from .verdicts import at_most, conclude

_PROBE = """
import resource, sys, time
import flask, flask_sqlalchemy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
import flask_alipay
took = (time.process_time() - start) * 1000
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
heavy = [name for name in ("requests", "segno", "defusedxml") if name in sys.modules]
print(took, grown, ",".join(heavy) or "none")
"""


def main(runs: int = 11) -> None:
    """Prints the medians of several fresh processes."""
    with tempfile.TemporaryDirectory() as compiled:
        _probe(compiled)
        answers = [_probe(compiled) for _ in range(runs)]
    took, grown = (statistics.median(float(answer[n]) for answer in answers) for n in (0, 1))
    heavy = answers[-1][2]
    at_most("import flask_alipay", took, 20, "ms")
    at_most("import flask_alipay, memory", grown, 10, "MiB")
    print(f"imported with it before they are needed: {heavy}")


def _probe(compiled: str) -> list[str]:
    """Asks a fresh process.

    :param compiled: a folder with bytecode, as an installed package has it.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", _PROBE]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return said.stdout.split()


if __name__ == "__main__":
    main()
    sys.exit(conclude())
