"""Command for failure injection: ``python -m tests.chaos --payments 10000``.

Workers are killed, connections closed, the database is killed and restarted, callbacks raise; in
the end every payment has to be settled, with each effect exactly once. Exits with 1 if an invariant
is violated, with 2 if the machine lacks a required program.
"""

from __future__ import annotations

import argparse
import signal
import sys
from functools import partial

from .databases import DATABASES, Missing
from .figures import report
from .runner import Rig


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--payments", type=int, default=0, help="at least so many on each database")
    parser.add_argument("--notifications", type=int, default=0, help="likewise")
    parser.add_argument("--transfers", type=int, default=0, help="likewise")
    parser.add_argument("--authorizations", type=int, default=0, help="likewise")
    parser.add_argument("--agreements", type=int, default=0, help="charged for twelve months")
    parser.add_argument("--seconds", type=float, default=0.0, help="at least so long on each")
    parser.add_argument("--database", action="append", choices=list(DATABASES))
    parser.add_argument("--calm", action="store_true", help="no blows, and two sync workers alone")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wanted = {
        "payments": options.payments,
        "notifications": options.notifications,
        "transfers": options.transfers,
        "authorizations": options.authorizations,
        "agreements": options.agreements,
        "seconds": options.seconds,
    }
    if not any(wanted.values()):
        parser.error(f"say how many: {', '.join(f'--{name}' for name in wanted)}")
    if options.calm and (options.authorizations or options.agreements):
        parser.error("authorizations and agreements need reconciliation: leave out --calm")
    well = True
    for database in options.database or DATABASES:
        try:
            rig = Rig(database, **wanted, seed=options.seed, calm=options.calm)
            # The first signal finishes the pending payments; the second exits at once.
            signal.signal(signal.SIGTERM, partial(_wind_up, rig))
            signal.signal(signal.SIGINT, partial(_wind_up, rig))
            figures = rig.run()
        except Missing as error:
            print(f"{database}: {error}", file=sys.stderr)
            return 2
        report(database, figures)
        well = well and not figures.faults
    print("everything exactly once" if well else "NOT EVERYTHING WAS EXACTLY ONCE")
    return 0 if well else 1


def _wind_up(rig: Rig, number: int, frame: object) -> None:
    signal.signal(number, lambda *_: sys.exit(1))
    rig.wind_up()


if __name__ == "__main__":
    sys.exit(main())
