"""Figures of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Figures of a run."""

    payments: int = 0
    bad_payments: int = 0
    refunds: int = 0
    transfers: int = 0
    paid_transfers: int = 0
    authorizations: int = 0
    captures: int = 0
    releases: int = 0
    agreements: int = 0
    deductions: int = 0
    ended_agreements: int = 0
    rejected: int = 0
    deliveries: int = 0
    notifications: int = 0
    gateway_requests: int = 0
    killed: int = 0
    killed_reconciling: int = 0
    cut: int = 0
    crashed: int = 0
    seconds: float = 0.0
    responses: Counter[str] = field(default_factory=Counter)
    #: Violated invariants.
    faults: list[str] = field(default_factory=list)


def report(database: str, figures: Figures) -> None:
    """Print the figures of a run."""
    responses = ", ".join(
        f"{count} {response}" for response, count in figures.responses.most_common(4)
    )
    print(
        f"{database}: {figures.payments} payments, "
        f"{figures.bad_payments} more with invalid notifications alone, "
        f"{figures.notifications} notifications ({responses}), {figures.refunds} refunds, "
        f"{figures.paid_transfers} of {figures.transfers} transfers paid, "
        f"{figures.authorizations} amounts frozen, {figures.captures} captures, "
        f"{figures.releases} releases, {figures.agreements} agreements signed and "
        f"{figures.ended_agreements} ended, {figures.deductions} months charged, "
        f"{figures.rejected} captures and deductions rejected, "
        f"{figures.gateway_requests} requests to the gateway in {figures.seconds:.0f} s; "
        f"{figures.killed} workers and {figures.killed_reconciling} reconcilers killed, "
        f"{figures.cut} connections cut, the database killed {figures.crashed} times",
        flush=True,
    )
    for fault in figures.faults:
        print(f"{database}: {fault}", flush=True)
