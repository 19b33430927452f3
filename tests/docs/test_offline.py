"""The page "Develop without Alipay": its commands run as they are shown."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..requirements import missing
from .reading import README, ROOT, code_blocks, page

TIMEOUT = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the README's shop, configured from the environment."""
    (block,) = (b for b in code_blocks(README) if "def create_app" in b)
    shop = re.sub(
        r"app\.config\.update\(ALIPAY_SIMULATOR.*", "app.config.from_prefixed_env()", block
    )
    assert shop != block
    (tmp_path / "tea.py").write_text(shop, encoding="utf-8")
    return tmp_path


class Shell:
    """Run the page's blocks in a folder, with free ports."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder, self.ports = folder, ports
        self._environ = {
            **{name: text for name, text in os.environ.items() if "ALIPAY" not in name},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "FLASK_RUN_PORT": str(ports["5000"]),
        }

    def start(self, block: str) -> subprocess.Popen[str]:
        for documented, port in self.ports.items():
            block = block.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{port}")
        if "simulate" in block:
            block = block.replace("simulate", f"simulate --port {self.ports['8090']}")
        return subprocess.Popen(
            ["bash", "-euc", block],
            cwd=self.folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def serving(self, block: str, words: str) -> Iterator[None]:
        server = self.start(block)
        assert server.stdout is not None
        output, reader = "", threading.Thread()
        rest: list[str] = []
        try:
            while words not in output:
                line = server.stdout.readline()
                assert line, output
                output += line
            # Later output must not fill the pipe.
            reader = threading.Thread(target=rest.extend, args=(server.stdout,))
            reader.start()
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(TIMEOUT)
            if reader.ident is not None:
                reader.join(TIMEOUT)
            server.stdout.close()
            print(output, *rest, sep="")  # pytest shows it if the test fails


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def open_(url: str, data: bytes | None = None) -> tuple[str, str]:
    with urllib.request.urlopen(url, data, timeout=TIMEOUT) as response:
        return response.url, response.read().decode()


def documents(text: str) -> list[Any]:
    """Return the JSON documents of an output, in order."""
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        document, end = decoder.raw_decode(text.strip())
        found.append(document)
        text = text.strip()[end:]
    return found


def responds(url: str) -> bool:
    with contextlib.suppress(OSError):
        open_(url)
        return True
    return False


def test_the_commands_of_the_page_have_the_effect_that_it_states(folder: Path) -> None:
    if shutil.which("curl") is None:
        missing("there is no curl")
    simulate, run, drive, fail, trigger, keep = code_blocks(page("offline.rst"), "bash")
    assert keep.strip().startswith(simulate.strip())  # the same server, with a file
    shell = Shell(folder, {"8090": free_port(), "5000": free_port()})
    shop = f"http://127.0.0.1:{shell.ports['5000']}/"
    with shell.serving(keep, "Control"), shell.serving(run, "Running on"):
        until = time.monotonic() + TIMEOUT
        while not responds(shop) and time.monotonic() < until:
            time.sleep(0.1)
        url, checkout = open_(shop, b"")
        (pay,) = set(re.findall(r'href="([^"]*/pay/[^"]*)"', checkout))
        open_(urllib.parse.urljoin(url, pay.replace("&amp;", "&")))
        printed, _ = shell.start(drive).communicate(timeout=TIMEOUT)
        failing, _ = shell.start(fail).communicate(timeout=TIMEOUT)
        triggering = shell.start(trigger)
        response, _ = triggering.communicate(timeout=TIMEOUT)
    with shell.serving(keep, "Control"):
        (kept,) = json.loads(open_(f"http://127.0.0.1:{shell.ports['8090']}/trades")[1])
    paid, refunded, delivered, clock, deliveries = documents(printed)
    assert (kept["out_trade_no"], kept["refunded_amount"]) == (paid["out_trade_no"], "1.00")
    assert paid["trade_status"] == "TRADE_SUCCESS"
    assert refunded["refunded_amount"] == "1.00"
    assert len(delivered["attempts"]) == 2
    assert set(clock) == {"now"}
    assert [delivery["heard"] for delivery in deliveries] == [True, True]
    kinds = [[fault["kind"] for fault in faults] for faults in documents(failing)]
    assert kinds == [["system-error-done"], ["system-error-done", "out-of-order"], []]
    assert (triggering.returncode, response.split()[-1]) == (0, "fail")
    documented = set(re.findall(r"``(\w+\.(?:pem|crt|json))``", page("offline.rst")))
    assert documented == {file.name for file in (folder / "alipay-simulator").iterdir()}
