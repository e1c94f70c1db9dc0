"""Work on several cores gives what work on one gives, in the same order, and fails as it does."""

import os
import sys

import pytest

from stackplan.cli.forked import each, started

FORKS = sys.platform.startswith("linux")


def test_results_come_in_order_whoever_worked_them_out() -> None:
    factor = 3  # a copy of this process knows it
    assert list(each(lambda number: number * factor, range(20))) == [number * factor for number in range(20)]


@pytest.mark.skipif(not FORKS, reason="processes are copied on Linux only")
def test_several_cores_are_used_where_there_are_several() -> None:
    assert os.getpid() not in set(each(lambda _: os.getpid(), range(6), cores=3))
    assert set(each(lambda _: os.getpid(), range(6), cores=1)) == {os.getpid()}


def test_an_error_is_raised_where_its_result_would_be() -> None:
    results = each(lambda number: 6 // number, [3, 2, 0, 1], cores=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.skipif(not FORKS, reason="processes are copied on Linux only")
def test_a_copy_that_is_killed_leaves_its_work_to_this_process() -> None:
    own = os.getpid()

    def work(number: int) -> int:
        if os.getpid() != own and number == 2:
            os._exit(9)  # as a machine out of memory would end it
        return number

    assert list(each(work, range(5), cores=2)) == [0, 1, 2, 3, 4]


def test_what_was_started_is_there_when_it_is_asked_for() -> None:
    factor = 7
    waiting = started(lambda: factor * 6)
    assert waiting() == 42


def test_what_was_started_fails_when_it_is_asked_for() -> None:
    waiting = started(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        waiting()


def test_what_was_started_in_a_copy_that_is_killed_is_done_here() -> None:
    own = os.getpid()
    waiting = started(lambda: 42 if os.getpid() == own else os._exit(9))
    assert waiting() == 42
