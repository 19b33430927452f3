"""``python -m flask_alipay simulate``, as somebody starts it who writes in another language."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from flask_alipay.simulator.merchant.files import read_merchant
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant

PATIENCE = 60
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Standalone:
    """A simulator in a process of its own."""

    #: Without a slash at the end.
    url: str
    #: Where its keys are.
    keys: Path

    @classmethod
    @contextmanager
    def running(cls, keys: Path, *options: str) -> Iterator[Standalone]:
        """Serves one until the end of the block.

        :param keys: a folder that it makes.
        :param options: of the command, beyond its port and folder.
        """
        command = (*(sys.executable, "-m", "flask_alipay", "simulate"), "--port", "0")
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        # Its log is long, and nobody reads a pipe.
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                [*command, "--keys", str(keys), *options],
                env=environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            try:
                yield cls(_address(process), keys)
                assert process.poll() is None, "it has ended by itself"
                log.seek(0)
                assert "Traceback" not in (output := log.read()), output
            finally:
                process.kill()
                process.communicate()

    @property
    def gateway(self) -> str:
        return f"{self.url}/gateway.do"

    @property
    def merchant(self) -> SimulatedMerchant:
        found = read_merchant(self.keys)
        assert found is not None
        return found

    def describe(self, path: str, **output: Any) -> Any:
        """Has the control do something."""
        answer = requests.post(f"{self.url}{path}", json=output, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def bring(self, form: str) -> str:
        """Sends a page's form as the buyer's browser does; returns the page that comes of it."""
        action, fields = read_form(form)
        came = requests.post(urljoin(self.url, action), data=fields, timeout=PATIENCE)
        assert came.status_code == 200, came.text
        assert "/cashier/" in came.url, came.text
        return came.text


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = ""
    while (found := re.search(r"(http://\S+)/ ", printed)) is None:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    # What else it prints at its start is short enough for the pipe.
    return found[1]


def read_form(page: str) -> tuple[str, dict[str, str]]:
    """The address that a form is sent to, and its fields, as a browser reads them."""
    (action,) = re.findall(r"""action=(["'])(.*?)\1""", page)
    fields = re.findall(r"""name=(["'])([^"']*)\1 value=(["'])(.*?)\3""", page)
    return _plain(action[1]), {name: _plain(value) for _, name, _, value in fields}


def _plain(value: str) -> str:
    """An attribute as a browser reads it: ``&times`` in an address is no multiplication sign."""
    return re.sub(r"&(?:#\w+|\w+);", lambda found: html.unescape(found[0]), value)


def lines(output: str) -> dict[str, dict[str, Any]]:
    """What a program said, line by line, by the step that each line is about."""
    steps: dict[str, dict[str, Any]] = {}
    for line in output.splitlines():
        step = json.loads(line)
        name = step.pop("step")
        assert name not in steps
        steps[name] = step
    return steps


def run(program: list[str | Path], **environ: str) -> dict[str, dict[str, Any]]:
    """Runs a program and returns its steps.

    :param program: with its arguments.
    :param environ: beside this process's own.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        done = subprocess.run(
            program,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=folder,
            # A proxy of the machine's has nothing to do between two of its own processes.
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environ},
            timeout=5 * PATIENCE,
        )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return lines(done.stdout)
