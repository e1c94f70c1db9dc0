"""Work as time: what is counted adds up, and so much time is so much work."""

import pytest

from stackplan.meter import Meter, within


def test_what_was_done_adds_up() -> None:
    meter = Meter()
    assert meter.seconds == 0.0
    meter.add("rate", 10)
    alone = meter.seconds
    meter.add("column")
    meter.add("rate", 10)
    assert meter.seconds > 2 * alone > 0.0
    assert meter.counts == {"rate": 20, "column": 1}


def test_so_much_as_is_within_a_time_takes_that_time() -> None:
    meter = Meter()
    meter.add("searched", within(0.25, "searched"))
    assert meter.seconds == pytest.approx(0.25)


def test_nothing_is_within_time_that_is_over() -> None:
    assert within(-1.0, "ask") == 0.0
