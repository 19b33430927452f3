"""``simulate``: the simulator in its own process, from start to stop."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flask_alipay.cli import main
from flask_alipay.cli.sdk_settings import SDKS
from flask_alipay.cli.simulate_instructions import instructions
from flask_alipay.keys import load_private_key
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Md5Signer, Rsa2Signer, sign_content
from flask_alipay.simulator.merchant.files import MERCHANT, write_merchant
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant
from flask_alipay.simulator.storage.sqlite import SqliteStorage

from ..conftest import Keys


@dataclass
class Simulating:
    """A running simulator and its output."""

    process: subprocess.Popen[str]
    printed: str
    keys: Path

    @property
    def url(self) -> str:
        found = re.search(r"listens on (\S+)/ ", self.printed)
        assert found is not None
        return found[1]


@pytest.fixture
def folder(tmp_path: Path, keys: Keys) -> Path:
    """A folder with existing keys."""
    merchant = SimulatedMerchant(keys.merchant, keys.alipay, "0" * 32)
    write_merchant(tmp_path, merchant, gateway_url="old", mapi_gateway_url="old")
    return tmp_path


# A suite that runs in a shell's background hands an ignored SIGINT down.
_AS_IN_A_TERMINAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from flask_alipay.cli import main
main(prog_name="python -m flask_alipay")
"""


@contextlib.contextmanager
def simulate(folder: Path, *options: str, stderr: int = subprocess.PIPE) -> Iterator[Simulating]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _AS_IN_A_TERMINAL, "simulate"),
            *("--port", "0", "--keys", str(folder), "--retry-schedule", "1s", *options),
        ],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "LANGUAGE": "en"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    while "/pay\n" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    try:
        yield Simulating(process, printed, folder)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def simulating(folder: Path) -> Iterator[Simulating]:
    with simulate(folder) as simulating:
        yield simulating


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_serves_until_it_is_stopped(simulating: Simulating, number: int) -> None:
    with urllib.request.urlopen(f"{simulating.url}/trades", timeout=60) as response:
        assert json.load(response) == []
    simulating.process.send_signal(number)
    out, err = simulating.process.communicate(timeout=60)
    assert simulating.process.returncode == 0
    assert out.endswith("The simulator has stopped.\n")
    assert "this is a simulator of Alipay" in err
    assert "Traceback" not in err


def test_the_instructions_contain_no_secret_and_name_existing_files(
    simulating: Simulating,
) -> None:
    account: dict[str, Any] = json.loads((simulating.keys / "merchant.json").read_text())
    assert account["gateway_url"] == f"{simulating.url}/gateway.do"
    assert account["app_id"] in simulating.printed
    assert account["key"] not in simulating.printed
    named = re.findall(rf"{re.escape(str(simulating.keys))}/(\S+)", simulating.printed)
    assert len(set(named)) == 7
    assert all((simulating.keys / name).is_file() for name in named)


@pytest.mark.parametrize(
    ("chosen", "printed"),
    [
        ([], []),
        (["ruby", "go", "ruby"], ["ruby", "go"]),
        (["go", "all"], list(SDKS)),
    ],
)
def test_the_settings_for_the_chosen_sdks_are_printed(
    folder: Path, chosen: list[str], printed: list[str]
) -> None:
    options = [text for name in chosen for text in ("--sdk", name)]
    with simulate(folder, *options) as simulating:
        pass
    account = json.loads((folder / MERCHANT).read_text())
    codes = {
        name: sdk.settings(folder, f"{simulating.url}/gateway.do", account["app_id"])
        for name, sdk in SDKS.items()
    }
    assert sorted(printed) == sorted(name for name in SDKS if codes[name] in simulating.printed)
    places = [simulating.printed.index(codes[name]) for name in printed]
    assert places == sorted(places)
    assert account["key"] not in simulating.printed


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("node", r'`/a\`b\${c}d"e#\\f/${name}`'),
        ("php", r'"/a`b\${c}d\"e#\\f/$name"'),
        ("ruby", r'"/a`b${c}d\"e\#\\f/app_private_key.pem"'),
        ("go", r'"/a`b${c}d\"e#\\f/alipay_public_key.pem"'),
        ("java", r'"/a`b${c}d\"e#\\f"'),
        ("python", r'"/a`b${c}d\"e#\\f"'),
    ],
)
def test_special_characters_of_the_folder_are_escaped(name: str, written: str) -> None:
    folder = Path('/a`b${c}d"e#\\f')
    assert written in SDKS[name].settings(folder, "http://127.0.0.1:8090/gateway.do", "9021")


def test_the_instructions_are_in_chinese_for_a_chinese_terminal(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh")
    merchant = SimulatedMerchant(keys.merchant, keys.alipay, "0" * 32)
    text = instructions("http://127.0.0.1:8090", Path("/keys"), merchant, SDKS)
    text = text.replace(merchant.seller_email, "")
    for sdk in SDKS.values():
        code = sdk.settings(Path("/keys"), "http://127.0.0.1:8090/gateway.do", merchant.app_id)
        text = text.replace(f"{sdk.title}\n\n{code}", "")
    literal = r"https?://\S+|/keys/\S+|[A-Z_]{6,}\S*|Flask|AlipayBlueprint|PKCS#\d|RSA2?|MD5|AES"
    literal += r"|Ctrl\+C|curl|-X POST|SDK|--sdk NAME|\w+_\w+|partner|\bkey\b|all|" + "|".join(SDKS)
    assert re.findall(r"[A-Za-z]{2,}", re.sub(literal, "", text)) == []


def alone(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["simulate", *arguments], env={"LANGUAGE": "en"})


def test_a_used_port_is_an_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = alone("--keys", str(folder), "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"
    )


def test_an_unknown_address_is_an_error(folder: Path) -> None:
    result = alone("--keys", str(folder), "--host", "nowhere.invalid", "--port", "0")
    assert result.exit_code == 1
    assert "Cannot listen on nowhere.invalid" in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--speed", "0"),
        ("--speed", "nan"),
        ("--speed", "fast"),
        ("--retry-schedule", "4"),
        ("--retry-schedule", "4m,"),
        ("--retry-schedule", "-4m"),
        ("--retry-schedule", "99999999d"),
        ("--retry-schedule", ",".join(["1s"] * 51)),
        ("--port", "65536"),
    ],
)
def test_a_misuse_is_reported_and_starts_nothing(tmp_path: Path, wrong: tuple[str, str]) -> None:
    result = alone("--keys", str(tmp_path / "keys"), *wrong)
    assert result.exit_code == 2
    assert f"'{wrong[0]}'" in result.stderr
    assert not (tmp_path / "keys").exists()


def test_keys_in_the_folder_are_used_again(simulating: Simulating, keys: Keys) -> None:
    account = json.loads((simulating.keys / MERCHANT).read_text())
    assert account["key"] == "0" * 32
    private_key = load_private_key((simulating.keys / "app_private_key.pem").read_text())
    assert private_key.private_numbers() == keys.merchant.private_numbers()


def test_other_files_in_the_key_folder_are_not_changed(tmp_path: Path) -> None:
    (tmp_path / MERCHANT).write_text("[]")
    result = alone("--keys", str(tmp_path), "--port", "0")
    assert result.exit_code == 2
    assert "is missing" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == [MERCHANT]


def fetched(url: str, *, post: bool = False) -> Any:
    with urllib.request.urlopen(url, b"" if post else None, timeout=60) as response:
        return response.read()


def test_responses_name_the_host_of_the_request(folder: Path, keys: Keys) -> None:
    order = {
        "app_id": "9021000000000001",
        "method": "alipay.trade.precreate",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": format_china_time(datetime.now(timezone.utc)),
        "version": "1.0",
        "biz_content": '{"out_trade_no": "T1", "total_amount": "1.00", "subject": "Tea"}',
    }
    order["sign"] = Rsa2Signer(keys.merchant).sign(sign_content(order, exclude=("sign",)))
    with simulate(folder, "--host", "0.0.0.0", stderr=subprocess.DEVNULL) as simulating:
        assert simulating.url.startswith("http://127.0.0.1:")
        requested = urllib.request.Request(
            f"{simulating.url}/gateway.do?{urllib.parse.urlencode(order)}",
            headers={"Host": "phones.example:8090"},
        )
        with urllib.request.urlopen(requested, timeout=60) as response:
            code = json.load(response)["alipay_trade_precreate_response"]["qr_code"]
    assert code.startswith("http://phones.example:8090/cashier/")


def test_a_killed_simulator_has_lost_no_confirmed_trade(folder: Path, keys: Keys) -> None:
    state = ("--state", str(folder / "state.db"))
    signer = Md5Signer("0" * 32)
    answered: list[str] = []

    def buy(url: str, out_trade_no: str) -> None:
        params = {
            "service": "create_direct_pay_by_user",
            "partner": "2088000000000001",
            "_input_charset": "utf-8",
            "payment_type": "1",
            "out_trade_no": out_trade_no,
            "subject": "Tea",
            "total_fee": "88.88",
            "seller_id": "2088000000000001",
            "notify_url": "http://127.0.0.1:9/notify",
        }
        sign = signer.sign(sign_content(params))
        query = urllib.parse.urlencode(params | {"sign_type": "MD5", "sign": sign})
        fetched(f"{url}/gateway.do?{query}")
        fetched(f"{url}/trades/{out_trade_no}/pay", post=True)
        answered.append(out_trade_no)

    def buy_on(url: str, line: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            for number in itertools.count():
                buy(url, f"L{line}N{number}")

    with simulate(folder, *state, stderr=subprocess.DEVNULL) as first:
        lines = [threading.Thread(target=buy_on, args=(first.url, line)) for line in range(3)]
        for line in lines:
            line.start()
        while len(answered) < 20:
            assert any(line.is_alive() for line in lines)
            time.sleep(0.01)
        first.process.kill()
        for line in lines:
            line.join()
    with simulate(folder, *state, stderr=subprocess.DEVNULL) as second:
        trades = {t["out_trade_no"]: t for t in json.loads(fetched(f"{second.url}/trades"))}
        printed = {d["out_trade_no"]: d for d in json.loads(fetched(f"{second.url}/deliveries"))}
    assert set(answered) <= set(trades)
    assert {trades[number]["trade_status"] for number in answered} == {"TRADE_SUCCESS"}
    # Of what was paid, answered or not, the news is not lost either.
    assert {n for n, t in trades.items() if t["trade_status"] == "TRADE_SUCCESS"} == set(printed)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the logging of this process unchanged."""
    monkeypatch.setattr("flask_alipay.cli.simulate._log_to_stderr", lambda: None)


def test_another_file_in_place_of_the_state_is_not_changed(folder: Path, silent: None) -> None:
    diary = folder / "diary.txt"
    diary.write_text("dear diary")
    result = alone("--keys", str(folder), "--port", "0", "--state", str(diary))
    assert result.exit_code == 2
    assert "diary.txt is no state of a simulator" in result.stderr
    assert diary.read_text() == "dear diary"


def test_a_state_in_use_is_rejected(folder: Path, silent: None) -> None:
    with contextlib.closing(SqliteStorage(folder / "state.db")):
        result = alone("--keys", str(folder), "--port", "0", "--state", str(folder / "state.db"))
    assert result.exit_code == 1
    assert "state.db is used by another simulator" in result.stderr


def test_a_rejected_start_keeps_the_keys_of_the_running_simulator(
    folder: Path, silent: None
) -> None:
    before = (folder / MERCHANT).read_bytes()
    with contextlib.closing(SqliteStorage(folder / "state.db")):
        alone("--keys", str(folder), "--port", "0", "--state", str(folder / "state.db"))
    assert (folder / MERCHANT).read_bytes() == before


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path, silent: None) -> None:
    (tmp_path / "file").write_text("")
    folder, state = tmp_path / "file" / "keys", tmp_path / "state.db"
    result = alone("--keys", str(folder), "--port", "0", "--state", str(state))
    assert result.exit_code == 1
    assert result.stderr == "Error: Cannot write the keys: Not a directory.\n"
    SqliteStorage(state).close()  # nobody has it
