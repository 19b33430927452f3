"""Processes that begin with nothing, and find everything compiled as an installed app does."""

from __future__ import annotations

import os
import subprocess
import sys

from ..chaos.workers import ROOT


def run(*arguments: str, told: bytes = b"") -> bytes:
    """Run Python from the root of the checkout.

    :param told: standard input.
    :returns: standard output.
    """
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=told, stdout=subprocess.PIPE, check=True
    )
    return done.stdout
