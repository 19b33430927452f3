from __future__ import annotations

from datetime import timedelta

import pytest

from flask_alipay.simulator.hours import Hours
from flask_alipay.simulator.state import Nowhere


@pytest.fixture
def hours(clock):
    return Hours(clock, Nowhere())


def test_the_clock_is_set_to_the_latest_moment_that_is_known(hours, clock):
    begin = clock.now()
    hours.not_before([begin + timedelta(hours=2), begin + timedelta(hours=1)])
    assert clock.now() == begin + timedelta(hours=2)


@pytest.mark.parametrize("moments", [[], [timedelta(hours=-1)]])
def test_the_clock_is_never_set_back(hours, clock, moments):
    begin = clock.now()
    hours.not_before(begin + moment for moment in moments)
    assert clock.now() == begin
