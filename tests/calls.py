"""How much work something is, in calls: the same on every machine, where seconds are not."""

import sys
from collections.abc import Callable


def calls(run: Callable[[], object]) -> int:
    """How many functions are called while ``run`` runs, Python's own and the library's."""
    count = 0

    def seen(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count
