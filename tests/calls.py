"""How much work something is, in calls: the same on every machine, where seconds are not."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType

Seen = Callable[[FrameType, str, object], None]


def calls(run: Callable[[], object]) -> int:
    """How many functions are called while ``run`` runs, Python's own and the library's."""
    count = 0

    def seen(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    _watched(run, seen)
    return count


def frozen_dataclasses_made(run: Callable[[], object]) -> Counter[str]:
    """How many frozen dataclasses ``run`` makes, by name."""
    made = Counter[str]()

    def seen(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "__init__":
            kind = type(frame.f_locals.get("self"))
            told = getattr(kind, "__dataclass_params__", None)
            made[kind.__name__] += told is not None and told.frozen

    _watched(run, seen)
    return made


def _watched(run: Callable[[], object], seen: Seen) -> None:
    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
