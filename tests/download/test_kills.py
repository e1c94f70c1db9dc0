"""A download killed at any byte continues: nothing that reached the disk is fetched again, nothing is lost."""

import json
import random
import shutil
import threading
import time
from collections.abc import Callable

import pytest
from tests.download.conftest import REPOSITORIES, WORKER, Site
from tests.download.hub_server import HubServer, sha256

FILE = "worker-Q4_K_M.gguf"
# What a kill may cost of what came: read from the network and not written to disk yet.
CHUNK_BYTES = 256 * 1024


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
    assert not site.partials()


def test_eight_kills_at_random_bytes_lose_nothing(site: Site, hub: HubServer) -> None:
    kill_often(site, hub, 8)


@pytest.mark.slow
def test_fifty_kills_at_random_bytes_lose_nothing(site: Site, hub: HubServer) -> None:
    kill_often(site, hub, 50)


def test_of_what_came_a_kill_loses_a_chunk_at_most(site: Site, hub: HubServer) -> None:
    """Told while the server is silent: what the network holds between the two is nobody's loss."""
    chance = random.Random(7)  # noqa: S311  (the same bytes every time)
    for _ in range(4):
        sent, there = hub.sent_bytes, on_disk(site)
        silent_at = sent + chance.randrange(CHUNK_BYTES + 1, len(WORKER) // 4)
        killed = threading.Event()

        def stop_at(_total: int, byte: int = silent_at, event: threading.Event = killed) -> None:
            if hub.sent_bytes >= byte:
                event.wait(60)

        hub.on_sent = stop_at
        process = site.start("download", "--tier", "hot")
        assert comes_to_hold(lambda byte=silent_at: hub.sent_bytes >= byte)  # type: ignore[misc]
        came = hub.sent_bytes - sent
        kept = comes_to_hold(lambda least=there + came - CHUNK_BYTES: on_disk(site) >= least)  # type: ignore[misc]
        process.kill()
        process.communicate()
        killed.set()
        assert kept, f"{came} bytes came and {on_disk(site) - there} were written: more than a chunk came for nothing"


def on_disk(site: Site) -> int:
    return sum(partial.stat().st_size for partial in site.partials())


def comes_to_hold(holds: Callable[[], bool], seconds: float = 30) -> bool:
    latest = time.monotonic() + seconds
    while not holds() and time.monotonic() < latest:
        time.sleep(0.01)
    return holds()


CONTENTS = {name: content for files in REPOSITORIES.values() for name, content in files.items()}
WHOLE = {FILE, "coder-Q4_K_M-00001-of-00002.gguf", "coder-Q4_K_M-00002-of-00002.gguf"}


def offered(site: Site) -> dict[str, bytes]:
    """What engines would find: files by name, without what is hidden."""
    found = (path for path in site.models.rglob("*.gguf") if not path.relative_to(site.models).parts[0].startswith("."))
    return {path.name: path.read_bytes() for path in found}


def assert_whole(site: Site) -> None:
    for name, content in offered(site).items():
        assert content == CONTENTS[name], f"{name} is offered, but not whole"


@pytest.mark.slow
def test_fifty_kills_at_any_moment_of_everything_leave_only_whole_files(site: Site, hub: HubServer) -> None:
    """Not only while bytes come: also while listing, checking, moving and locking, with several files under way."""
    hub.pause_seconds = 0.004
    chance = random.Random(3)  # noqa: S311  (the same moments every time, as far as a clock allows)
    begun = time.monotonic()
    assert site.run("download").returncode == 0
    seconds, sent = time.monotonic() - begun, 0  # of a whole download on this machine, as busy as it is
    for number in range(50):
        if number % 10 == 0:  # begin anew, or all would be there after a few
            shutil.rmtree(site.models, ignore_errors=True)
            shutil.rmtree(site.cache, ignore_errors=True)
            (site.deploy / "stackplan.lock").unlink(missing_ok=True)
        process = site.start("download")
        time.sleep(seconds * chance.uniform(0.2, 1.1))
        process.kill()
        process.communicate()
        assert_whole(site)
        sent = max(sent, len(offered(site)))
    assert site.run("download").returncode == 0
    assert offered(site).keys() == WHOLE
    assert_whole(site)
    assert not site.partials()
    assert sent > 0, "no kill came late enough to see a file"
    lock = json.loads((site.deploy / "stackplan.lock").read_text(encoding="utf-8"))
    known = {file["path"]: file["sha256"] for artifact in lock["artifacts"] for file in artifact["files"]}
    assert known == {name: sha256(CONTENTS[name]) for name in WHOLE}


def test_the_second_of_two_downloads_ends_well_when_the_first_is_killed(site: Site, hub: HubServer) -> None:
    hub.pause_seconds = 0.004
    reached = threading.Event()
    hub.on_sent = lambda total: reached.set() if total > 1_000_000 else None
    first = site.start("download")
    assert reached.wait(30)
    second = site.start("download")
    time.sleep(0.4)
    first.kill()
    first.communicate()
    _, told = second.communicate(timeout=60)
    assert (second.returncode, "Traceback" in told) == (0, False), told
    assert offered(site).keys() == WHOLE
    assert_whole(site)
    assert not site.partials()
    assert hub.sent_bytes <= sum(len(CONTENTS[name]) for name in WHOLE) + CHUNK_BYTES * len(WHOLE)
