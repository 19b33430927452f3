"""The benchmarks run, and count right what they find. What they find is no test's business."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from ..conftest import Keys
from ..requirements import missing
from . import (
    bill,
    growth,
    importing,
    memory,
    platform,
    race,
    recipe,
    sdk,
    serving,
    settling,
    signing,
    simulator,
    verdicts,
)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was found in the test."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(verdicts, "_told", found)
    return found


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """The benchmarks' apps say nothing of what went well; those of other tests do."""
    logger = logging.getLogger("flask_alipay")
    level = logger.level
    yield
    logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_what_is_missed_is_said_and_told_by_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdicts.at_least("speed", 0.89, 0.90, "of the floor")
    verdicts.at_most("memory", 3.0, 4.0, "MiB")
    verdicts.for_the_record("weather", 1.0, "suns")
    assert verdicts.conclude() == 1
    assert [line.split() for line in lines(capsys)] == [
        ["speed", "0.89", "of", "the", "floor", "(at", "least", "0.90:", "MISSED)"],
        ["memory", "3.00", "MiB", "(at", "most", "4.00:", "reached)"],
        ["weather", "1.00", "suns"],
        ["MISSED:", "speed"],
        ["1", "reached,", "1", "MISSED,", "0", "not", "measured"],
    ]


def test_what_cannot_be_measured_is_neither_reached_nor_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdicts.at_most("memory", 4.0, 4.0, "MiB")
    verdicts.not_measured("speed", "there is no road")
    assert verdicts.conclude() == 0
    assert lines(capsys)[-2:] == [
        "not measured: speed",
        "1 reached, 0 MISSED, 1 not measured",
    ]


def test_a_database_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str]]
) -> None:
    nowhere = "postgresql+psycopg://postgres@127.0.0.1:1/postgres"
    monkeypatch.setenv("FLASK_ALIPAY_POSTGRESQL", nowhere)
    growth.main("postgresql")
    assert told == [("growth, postgresql", verdicts.NOT_MEASURED)]


def test_a_race_tells_how_much_slower_ours_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"wall": 0, "processor": 0}
    monkeypatch.setattr(race, "perf_counter_ns", lambda: clock["wall"])
    monkeypatch.setattr(race, "process_time_ns", lambda: clock["processor"])

    def working(wall: int, processor: int) -> Callable[[], None]:
        return lambda: clock.update(
            wall=clock["wall"] + wall, processor=clock["processor"] + processor
        )

    found = race.race(working(100, 40), working(50, 30), rounds=4, calls=3)
    assert found == (0.5, 0.75, 0.5)


def test_signing_runs(monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str]]) -> None:
    monkeypatch.setattr(signing, "ratio", once)
    signing.main()
    assert len(told) == 3


def test_an_answer_and_a_call_of_the_platform_run(
    monkeypatch: pytest.MonkeyPatch, keys: Keys, told: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(platform, "ratio", once)
    platform.answering(keys.alipay)
    platform.calling(keys.alipay, rounds=3)
    assert len(told) == 2


def test_the_first_notification_its_repetition_and_a_forgery_run(
    told: list[tuple[str, str]],
) -> None:
    settling.first_and_again("sqlite", rounds=1, calls=1)
    settling.forgeries(rounds=1, calls=1)
    assert len(told) == 2  # a duplicate is timed for the record


def test_the_recipe_settles_what_it_is_raced_with(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        alipay = recipe.client(sdk.load())
    except sdk.Missing as error:
        missing(str(error))
    recipe.first("sqlite", alipay, rounds=1, calls=1)
    assert len(told) == 1


def test_two_servers_are_loaded_in_turns(told: list[tuple[str, str]]) -> None:
    serving.serve("sqlite", rounds=1, calls=9)
    assert [what for what, _ in told] == ["gunicorn, rate, sqlite", "gunicorn, p99, sqlite"]


def test_a_small_and_a_large_ledger_do_the_same_work(told: list[tuple[str, str]]) -> None:
    growth.grow("sqlite", few=510, many=520, rounds=1, calls=1)
    assert len(told) == 4


def test_a_worker_is_weighed_beside_one_that_has_not_heard_of_the_package() -> None:
    without, ours = memory.both(1)
    assert "flask_alipay" in ours["modules"]
    assert "flask_alipay" not in without["modules"]
    assert memory.own(without) > 1


def test_an_import_is_measured(told: list[tuple[str, str]]) -> None:
    importing.main(runs=1)
    assert len(told) == 2


def test_a_bill_is_compared_in_a_process_of_its_own(told: list[tuple[str, str]]) -> None:
    bill.main(rows=11)
    assert len(told) == 1


def once(ours: Callable[[], object], floor: Callable[[], object], **_: int) -> float:
    """A race of one round, which nobody wins."""
    ours()
    floor()
    return 1.0


def test_the_simulator_is_loaded_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
    told: list[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(simulator, "MAX_TRADES", 5)
    monkeypatch.setattr(simulator, "TURNS", 1)
    monkeypatch.setattr(simulator, "WARM", 0.1)
    simulator.main("--seconds", "0.5", "--only", "page", "--state")
    ((lost, verdict),) = told
    assert lost.endswith("with --state: lost")
    assert verdict == verdicts.REACHED
    assert "with --state: a core of its own" in capsys.readouterr().out
