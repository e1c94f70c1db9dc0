"""Independent work on every core: each piece in a copy of this process, which knows all that it knows."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 8  # copies: each takes some 40 MiB that it does not share (explain, 2026-11)

_work: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []  # what copies find when they begin


def each(function: Callable[[Item], Result], items: Sequence[Item], cores: int = 0) -> Iterator[Result]:
    """``function`` of each item, in order; on several ``cores`` (0: all) where processes can be copied, else on one."""
    count = min(len(items), _copies(cores))
    if count < 2:
        yield from map(function, items)
        return
    done = 0
    _work.append((function, items))
    try:
        with ProcessPoolExecutor(count, multiprocessing.get_context("fork")) as pool:
            for result in pool.map(_one, range(len(items))):
                yield result
                done += 1
    except (BrokenProcessPool, OSError):  # no memory for copies: it goes without
        yield from map(function, items[done:])
    finally:
        _work.pop()


def started(function: Callable[[], Result]) -> Callable[[], Result]:
    """Begin ``function`` in a copy of this process; who calls what is returned waits for the result.

    Where there is one core only, or processes cannot be copied, it begins then.
    """
    if _copies() < 2:
        return function
    _work.append((lambda _: function(), (None,)))
    try:
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
        future = pool.submit(_one, 0)
    except OSError:
        return function
    finally:
        _work.pop()

    def result() -> Result:
        try:
            answer: Result = future.result()
        except BrokenProcessPool:
            return function()
        finally:
            pool.shutdown()
        return answer

    return result


def _one(number: int) -> Any:
    function, items = _work[-1]
    return function(items[number])


def _copies(cores: int = 0) -> int:
    """How many copies may work on so many cores (0: all); with one the work is done here.

    Copying is safe on Linux only: elsewhere system libraries may keep threads (docs.python.org, multiprocessing).
    """
    if not sys.platform.startswith("linux"):
        return 1
    return min(cores or len(os.sched_getaffinity(0)), _MOST)
