"""A download killed at any byte continues: nothing that reached the disk is fetched again, nothing is lost."""

import random
import threading

import pytest
from tests.download.conftest import WORKER, Site
from tests.download.hub_server import HubServer

FILE = "worker-Q4_K_M.gguf"
# What a killed client leaves unread in the kernel's buffers of both sides; "a chunk" of the promise.
CHUNK_BYTES = 1024**2


def killed_at(site: Site, hub: HubServer, byte: int) -> int:
    """Run a download and kill it when the server has sent ``byte`` more bytes; what is on disk then."""
    reached = threading.Event()
    target = hub.sent_bytes + byte
    hub.on_sent = lambda _total: reached.set() if hub.sent_bytes >= target else None
    process = site.start("download", "--tier", "hot")
    while process.poll() is None and not reached.wait(0.005):
        pass
    process.kill()
    process.communicate()
    partials = site.partials()
    return partials[0].stat().st_size if partials else 0


def kill_often(site: Site, hub: HubServer, times: int) -> None:
    hub.pause_seconds = 0.002
    chance = random.Random(7)  # noqa: S311  (the same bytes every time)
    there = 0
    for _ in range(times):
        before = len(hub.requests)
        now = killed_at(site, hub, chance.randrange(1, len(WORKER) // times))
        assert now >= there, "a kill lost bytes that were on disk"
        assert all(request.start >= there for request in hub.requests[before:]), "bytes on disk were fetched again"
        there = now
    hub.on_sent = lambda _total: None
    hub.pause_seconds = 0
    done = site.run("download", "--tier", "hot")
    assert done.returncode == 0, done.stderr
    assert site.model(f"example-org/worker-GGUF/{FILE}") == WORKER
    assert hub.sent_bytes <= len(WORKER) + times * CHUNK_BYTES
    assert not site.partials()


def test_eight_kills_at_random_bytes_lose_nothing(site: Site, hub: HubServer) -> None:
    kill_often(site, hub, 8)


@pytest.mark.slow
def test_fifty_kills_at_random_bytes_lose_nothing(site: Site, hub: HubServer) -> None:
    kill_often(site, hub, 50)
