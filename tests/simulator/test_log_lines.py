from __future__ import annotations

import io
import logging
import threading

import pytest

from flask_alipay.simulator.log_lines import LogLines


class Held(io.StringIO):
    """A stream that is being written to until it is let go."""

    def __init__(self):
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, text):
        self.begun.set()
        assert self.go_on.wait(20)
        return super().write(text)


@pytest.fixture
def log():
    def log(stream):
        logger = logging.Logger("somebody")
        logger.addHandler(LogLines(stream))
        return logger

    return log


def lines(stream):
    return [line.partition(" ")[2] for line in stream.getvalue().splitlines()]


def test_each_line_has_its_time(log):
    stream = io.StringIO()
    log(stream).info("hello %s", "there")
    assert stream.getvalue()[2::3][:2] == "::"
    assert lines(stream) == ["hello there"]


def test_nobody_waits_for_another_ones_line(log):
    stream = Held()
    logger = log(stream)
    first = threading.Thread(target=logger.info, args=("one",))
    first.start()
    assert stream.begun.wait(20)
    logger.info("two")  # returns, though the first is still being written
    logger.info("three")
    stream.go_on.set()
    first.join()
    assert lines(stream) == ["one", "two", "three"]


def test_a_record_that_cannot_be_written_breaks_nothing(log, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = io.StringIO()
    logger = log(stream)
    logger.info("%d", "no number")
    logger.info("on")
    assert lines(stream) == ["on"]


def test_what_a_filter_does_not_want_is_not_written(log):
    stream = io.StringIO()
    logger = log(stream)
    logger.handlers[0].addFilter(lambda record: "secret" not in record.getMessage())
    logger.info("secret")
    logger.info("word")
    assert lines(stream) == ["word"]
