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

_MOST = 8  # copies: each writes to some hundred MiB of what it shares at first

_work: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []  # what copies find when they begin


def each(function: Callable[[Item], Result], items: Sequence[Item], cores: int = 0) -> Iterator[Result]:
    """``function`` of each item, in order; on several ``cores`` (0: all) where processes can be copied, else on one.

    Copying is safe on Linux only: elsewhere system libraries may keep threads (docs.python.org, multiprocessing).
    """
    count = min(len(items), cores or _cores(), _MOST)
    if count < 2 or not sys.platform.startswith("linux"):
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


def _one(number: int) -> Any:
    function, items = _work[-1]
    return function(items[number])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
