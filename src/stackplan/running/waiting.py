"""Waiting with an end: for a condition, and for servers to answer."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable

_PAUSE_SECONDS = 0.2
_PROBE_SECONDS = 3


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def answers(address: str) -> bool:
    """Whether a server on this machine answers 200; a proxy that the environment names is not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_PROBE_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
