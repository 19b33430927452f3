from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from flask_alipay.simulator import errands
from flask_alipay.simulator.errands import Errand, Messengers

LONG = 30  # seconds: nothing here takes as long as that


class Place:
    """Somewhere to go: whoever comes waits there until it opens."""

    def __init__(self, name):
        self.name = name
        self.opens, self.entered = threading.Event(), threading.Event()
        self.came = []

    def errand(self, what=None):
        def visit():
            self.entered.set()
            assert self.opens.wait(LONG)
            self.came.append(what)

        return Errand(self.name, visit)


@pytest.fixture
def places():
    places = [Place(f"place {number}") for number in range(5)]
    yield places
    for place in places:
        place.opens.set()


def threads():
    return [thread for thread in threading.enumerate() if "messenger" in thread.name]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Who has nothing to do leaves at once; nobody is left over from one test to the next."""
    monkeypatch.setattr(errands, "_PATIENCE", 0.05)
    yield
    for thread in threads():
        thread.join(LONG)


def test_an_errand_is_done_by_whoever_calls_it():
    assert Errand("here", lambda: 42)() == 42


def test_a_slow_place_keeps_only_its_own_waiting(places):
    slow, quick = places[:2]
    messengers, done = Messengers(), threading.Event()
    for _ in range(3):
        messengers.send(slow.errand())
    quick.opens.set()
    messengers.send(quick.errand())
    messengers.send(Errand(quick.name, done.set))
    assert done.wait(LONG)
    assert slow.came == []


def test_errands_to_one_place_are_done_one_at_a_time_in_their_order(places):
    messengers, done, place = Messengers(), threading.Event(), places[0]
    for number in range(20):
        messengers.send(place.errand(number))
    messengers.send(Errand(place.name, done.set))
    assert place.entered.wait(LONG)
    assert len(threads()) == 1
    place.opens.set()
    assert done.wait(LONG)
    assert place.came == list(range(20))


def test_a_few_threads_do_all_of_it(places):
    messengers, done = Messengers(most=3), threading.Event()
    for place in places:
        messengers.send(place.errand())
    assert all(place.entered.wait(LONG) for place in places[:3])
    assert len(threads()) == 3
    assert not places[3].entered.is_set()
    for place in places:
        place.opens.set()
        messengers.send(Errand(place.name, done.set))
    assert all(place.entered.wait(LONG) for place in places)


def test_the_threads_are_daemons_that_end_when_there_is_nothing_to_do():
    assert threads() == []
    messengers, seen = Messengers(), []
    assert threads() == []
    messengers.send(Errand("here", lambda: seen.append(threading.current_thread())))
    for thread in threads():
        thread.join(LONG)
    assert threads() == []
    assert [thread.daemon for thread in seen] == [True]
    done = threading.Event()
    messengers.send(Errand("here", done.set))
    assert done.wait(LONG)


def test_what_nobody_has_begun_is_taken_back_in_its_order(places):
    messengers, place = Messengers(most=1), places[0]
    messengers.send(place.errand())
    assert place.entered.wait(LONG)
    later = [Errand(name, lambda: None) for name in ("there", place.name, "there")]
    for errand in later:
        messengers.send(errand)
    assert messengers.take_back() == later
    assert messengers.take_back() == []


def test_an_errand_that_takes_for_ever_keeps_no_process_from_ending():
    program = """if True:
        import threading
        from flask_alipay.simulator.errands import Errand, Messengers
        begun = threading.Event()
        Messengers().send(Errand("nowhere", lambda: (begun.set(), threading.Event().wait())))
        begun.wait()
    """
    subprocess.run([sys.executable, "-c", program], timeout=LONG, check=True)


def test_where_no_thread_is_to_be_had_an_errand_waits_for_the_next(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    messengers, seen, done = Messengers(), [], threading.Event()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        messengers.send(Errand("here", lambda: seen.append("first")))
    messengers.send(Errand("here", done.set))
    assert done.wait(LONG)
    assert seen == ["first"]
