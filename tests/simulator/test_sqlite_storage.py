"""The state file by itself: what is kept, when, and which files are left alone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.storage.sqlite import (
    APPLICATION,
    VERSION,
    SqliteStorage,
    StorageError,
    StorageLocked,
)
from flask_alipay.simulator.storage.storage import PersistentDict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def opened(path):
    """Opens the file, once more after it was closed."""
    files = []

    def opened(path=path):
        for file in files:
            file.close()
        files.append(SqliteStorage(path))
        return files[-1]

    yield opened
    for file in files:
        file.close()


def faults(file):
    return PersistentDict(file, "faults", Fault)


def kept(file):
    return [(key, fault.kind) for key, fault in faults(file).items()]


def stored(file):
    """What is in the file already."""
    return [key for key, _ in file.read("faults", Fault)]


def test_what_is_put_is_there_again_in_its_order(opened):
    things = faults(opened())
    for number in ("2", "1", "3"):
        things[number] = Fault("drop")
    things["2"] = Fault("slow")
    assert kept(opened()) == [("2", "slow"), ("1", "drop"), ("3", "drop")]


def test_an_incomplete_character_is_kept_as_well(opened):
    faults(opened())["1"] = Fault("drop", out_trade_no="茶\ud800")
    assert [fault.out_trade_no for fault in faults(opened()).values()] == ["茶\ud800"]


def test_what_is_dropped_is_not(opened):
    things = faults(opened())
    things["1"] = Fault("drop")
    things["2"] = Fault("drop")
    del things["1"]
    assert kept(opened()) == [("2", "drop")]


def test_a_file_that_is_killed_has_what_was_put(path, opened):
    program = f"""
import os, signal
from pathlib import Path
from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.storage.sqlite import SqliteStorage
from flask_alipay.simulator.storage.storage import PersistentDict
file = SqliteStorage(Path({str(path)!r}))
things = PersistentDict(file, "faults", Fault)
things["1"] = Fault("drop")
with file.transaction():
    things["2"] = Fault("drop")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    assert kept(opened()) == [("1", "drop")]


def test_what_is_put_together_is_kept_at_the_end(path, opened):
    file = opened()
    things = faults(file)
    with file.transaction():
        things["1"] = Fault("drop")
        with file.transaction():
            things["2"] = Fault("drop")
        assert stored(file) == []
    assert len(stored(file)) == 2


def test_what_was_done_before_something_broke_is_kept(opened):
    file = opened()
    things = faults(file)

    def break_down():
        with file.transaction():
            things["1"] = Fault("drop")
            raise KeyError

    with pytest.raises(KeyError):
        break_down()
    assert kept(opened()) == [("1", "drop")]


def test_another_thread_waits_for_its_turn(opened):
    file = opened()
    order = []

    def other():
        with file.transaction():
            order.append("other")

    with file.transaction():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def test_after_the_end_nothing_is_kept_and_nothing_breaks(opened):
    file = opened()
    things = faults(file)
    file.close()
    things["1"] = Fault("drop")
    file.close()
    assert kept(opened()) == []


def test_the_file_is_for_this_user_alone(path, opened):
    before = os.umask(0)
    try:
        faults(opened())["1"] = Fault("drop")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_a_file_that_others_may_read_is_closed_to_them(path, opened):
    path.touch(0o644)
    opened()
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_cannot_be_written_now_is_written_with_the_next(opened, monkeypatch):
    file = opened()
    things = faults(file)

    class Full:
        def __enter__(self):
            raise sqlite3.OperationalError("database or disk is full")

        def __exit__(self, *error):
            pass

    with monkeypatch.context() as full:
        full.setattr(file, "_connection", Full())
        with pytest.raises(StorageError, match=r"cannot be used \(database or disk is full\)"):
            things["1"] = Fault("drop")
    things["2"] = Fault("drop")
    assert kept(opened()) == [("1", "drop"), ("2", "drop")]


def refused(path, opened):
    """What is said of a file that cannot be used, which stays as it is."""
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        opened(path)
    assert path.read_bytes() == before
    return str(caught.value)


def test_a_text_is_left_alone(path, opened):
    path.write_text("dear diary")
    assert refused(path, opened) == (
        "the state file state.db is no state of a simulator: choose another file"
    )


def test_another_programs_database_is_left_alone(path, opened):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE diary (page)")
    other.close()
    assert "no state of a simulator" in refused(path, opened)


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version_is_left_alone(path, opened, version):
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA application_id = {APPLICATION}")
        other.execute(f"PRAGMA user_version = {version}")
        other.execute("CREATE TABLE documents (shape)")
    other.close()
    assert f"a state of version {version}" in refused(path, opened)


def test_a_damaged_file_is_left_alone(path, opened):
    things = faults(opened())
    for number in range(200):
        things[str(number)] = Fault("drop", out_trade_no="x" * 500)
    opened().close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    assert refused(path, opened) == "the state file state.db is damaged: choose another file"


@pytest.mark.parametrize("document", ["", "[]", '{"kind": 1}', "[" * 100_000])
def test_a_document_that_is_something_else_is_named_by_its_table(path, opened, document):
    faults(opened())["1"] = Fault("drop")
    file = opened()
    file._connection.execute("UPDATE documents SET document = ?", (document,))
    with pytest.raises(StorageError, match=r"another release \(in faults\)"):
        kept(opened())


_OPEN = """
import pathlib, sys
from flask_alipay.simulator.storage.sqlite import SqliteStorage
SqliteStorage(pathlib.Path(sys.argv[1]))
"""


def test_a_file_in_use_is_left_alone(path, opened):
    faults(opened())
    with pytest.raises(StorageLocked, match=r"state\.db is used by another simulator"):
        SqliteStorage(path)
    other = subprocess.run(
        [
            *(sys.executable, "-c"),
            _OPEN,
            str(path),
        ],
        capture_output=True,
        text=True,
    )
    assert "state.db is used by another simulator" in other.stderr


def test_a_missing_directory_is_reported(tmp_path, opened):
    with pytest.raises(StorageError, match=r"cannot be used \(No such file or directory\)"):
        opened(tmp_path / "nowhere" / "state.db")
