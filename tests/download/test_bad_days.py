"""Everything that goes wrong between a hub and a disk: each ends as documented, and nothing good is lost."""

import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from tests.download.conftest import SMALL, WORKER, Site
from tests.download.hub_server import Fault, HubServer, sha256

FILE = "worker-Q4_K_M.gguf"
HOT_FILE = f"example-org/worker-GGUF/{FILE}"
HOT = ("download", "--tier", "hot")


def only_failure(site: Site, *words: str, **environment: str) -> dict:
    """The one failure of a download that fails."""
    done = site.run(*(words or HOT), "--json", **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    (failure,) = json.loads(done.stdout)["failed"]
    return failure


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_hub_is_asked_again(site: Site, hub: HubServer, status: int) -> None:
    hub.faults[FILE] = [Fault(status=status), Fault(status=status, headers={"Retry-After": "0"})]
    hub.faults["listing"] = [Fault(status=status)]
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert str(status) in done.stderr
    assert site.model(HOT_FILE) == WORKER


def test_a_hub_that_stays_broken_is_given_up_after_the_tries(site: Site, hub: HubServer) -> None:
    hub.forever[FILE] = Fault(status=503)
    failure = only_failure(site, STACKPLAN_TRIES="3")
    assert failure["slug"] == "hub-broken"
    assert not hub.requests


def test_a_hub_that_asks_for_an_hour_is_not_waited_for(site: Site, hub: HubServer) -> None:
    hub.forever[FILE] = Fault(status=429, headers={"Retry-After": "3600"})
    assert only_failure(site)["slug"] == "hub-busy"


def test_silence_in_the_middle_continues_where_it_stopped(site: Site, hub: HubServer) -> None:
    hub.faults[FILE] = [Fault(cut_after=1_000_000, silent_seconds=5)]
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert hub.starts(FILE) == [0, 1_000_000]


def test_a_hub_that_never_answers_is_given_up(site: Site, hub: HubServer) -> None:
    hub.forever["listing"] = Fault(silent_seconds=5)
    assert only_failure(site, STACKPLAN_TRIES="2")["slug"] == "hub-silent"


def test_connections_that_break_again_and_again_cost_nothing_twice(site: Site, hub: HubServer) -> None:
    hub.forever[FILE] = Fault(cut_after=400_000)
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert hub.sent_bytes == len(WORKER)


def test_a_server_without_ranges_still_continues_what_is_there(site: Site, hub: HubServer) -> None:
    hub.faults[FILE] = [Fault(cut_after=1_000_000), Fault(ignore_range=True)]
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER


def test_wrong_content_is_fetched_once_more(site: Site, hub: HubServer) -> None:
    hub.faults[FILE] = [Fault(corrupt=True)]
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert len(list((site.models / ".stackplan/quarantine").rglob(f"{FILE}.*"))) == 1


def test_content_that_stays_wrong_is_put_aside_and_never_offered(site: Site, hub: HubServer) -> None:
    hub.promised[FILE] = WORKER[:-1] + b"?"
    failure = only_failure(site)
    assert failure["slug"] == "checksum-mismatch"
    assert not (site.models / HOT_FILE).exists()
    (kept,) = (site.models / ".stackplan/quarantine").rglob(f"{FILE}.*")
    assert kept.read_bytes() == WORKER
    assert str(kept) in failure["hint"]
    assert not site.partials()


def test_a_file_shorter_than_promised_is_no_file(site: Site, hub: HubServer) -> None:
    hub.promised[FILE] = WORKER + b"more"
    assert only_failure(site, STACKPLAN_TRIES="2")["slug"] == "file-truncated"
    assert not (site.models / HOT_FILE).exists()


def test_a_file_longer_than_promised_is_no_file(site: Site, hub: HubServer) -> None:
    hub.promised[FILE] = WORKER[:-10] + b"0123"
    assert only_failure(site)["slug"] == "checksum-mismatch"


def test_a_gated_model_says_how_to_get_access(site: Site, hub: HubServer) -> None:
    hub.gated.add("example-org/worker-GGUF")
    failure = only_failure(site)
    assert failure["slug"] == "gated"
    assert f"{hub.url}/example-org/worker-GGUF" in failure["hint"]
    assert "HF_TOKEN" in failure["hint"]


def test_a_token_opens_the_gate_and_is_not_shown_to_the_content_network(site: Site, hub: HubServer) -> None:
    hub.gated.add("example-org/worker-GGUF")
    done = site.run(*HOT, HF_TOKEN="hf_right")  # noqa: S106
    assert done.returncode == 0, done.stderr
    assert hub.requests
    assert not any(request.authorised for request in hub.requests)


def test_one_failure_does_not_keep_the_rest_from_arriving(site: Site, hub: HubServer) -> None:
    hub.gated.add("example-org/worker-GGUF")
    done = site.run("download")
    assert done.returncode == 1
    assert "gated" in done.stdout
    assert site.model("example-org/coder-GGUF/coder-Q4_K_M-00001-of-00002.gguf") == SMALL


def test_a_repository_that_is_gone_is_told_from_one_without_network(site: Site, hub: HubServer) -> None:
    del hub.repositories["example-org/worker-GGUF"]
    assert only_failure(site)["slug"] == "hub-forbidden"
    assert only_failure(site, HF_ENDPOINT="http://127.0.0.1:9", STACKPLAN_TRIES="1")["slug"] == "hub-unreachable"


def test_offline_uses_what_is_there_and_asks_nobody(site: Site, hub: HubServer) -> None:
    assert site.run(*HOT).returncode == 0
    shutil.rmtree(site.models)
    asked = len(hub.listings) + len(hub.requests)
    done = site.run(*HOT, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    failure = only_failure(site, "download", "--tier", "warm", HF_HUB_OFFLINE="1")
    assert failure["slug"] == "offline"
    assert len(hub.listings) + len(hub.requests) == asked


def test_a_file_damaged_on_disk_is_found_and_replaced(site: Site, hub: HubServer) -> None:
    assert site.run(*HOT).returncode == 0
    damaged = site.models / HOT_FILE
    damaged.write_bytes(b"!" + WORKER[1:])  # both names: the cache holds the same content
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert damaged.read_bytes() == WORKER
    assert len(list((site.models / ".stackplan/quarantine").rglob(f"{FILE}.*"))) == 1


def test_a_file_that_somebody_put_there_is_checked_and_used(site: Site, hub: HubServer) -> None:
    (site.models / HOT_FILE).parent.mkdir(parents=True)
    (site.models / HOT_FILE).write_bytes(WORKER)
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert not hub.requests


def test_what_another_program_fetched_is_not_fetched_again(site: Site, hub: HubServer) -> None:
    code = "from huggingface_hub import hf_hub_download as get; get('example-org/worker-GGUF', 'worker-Q4_K_M.gguf')"
    subprocess.run([os.sys.executable, "-c", code], env=site.environment(), check=True, capture_output=True)
    hub.requests.clear()
    done = site.run(*HOT)
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert not hub.requests


def test_names_that_lead_out_of_the_folders_are_never_written(site: Site, hub: HubServer) -> None:
    hub.repositories["example-org/coder-GGUF"] = {"../../../escaped-Q4_K_M.gguf": b"x" * 700_000}
    failure = only_failure(site, "download", "--tier", "warm")
    assert failure["slug"] == "file-not-in-repository"
    assert not list(site.folder.parent.rglob("escaped*"))


def test_two_downloads_at_once_fetch_every_file_once(site: Site, hub: HubServer) -> None:
    hub.pause_seconds = 0.004
    first, second = site.start("download"), site.start("download")
    told = [process.communicate(timeout=60) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert site.model(HOT_FILE) == WORKER
    assert hub.sent_bytes == sum(len(hub.contents[sha]) for sha in {path.name for path in blobs(site)})


def blobs(site: Site) -> list[Path]:
    return [path for path in site.cache.rglob("blobs/*") if path.is_file()]


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(site: Site, hub: HubServer) -> None:
    with small_disk(site.folder / "disk", 80) as disk:
        (disk / "filler").write_bytes(b"0" * (79 - 64) * 1024**2)
        done = site.run("download", HF_HOME=str(disk / "hf"), STACKPLAN_MODELS=str(disk / "models"))
    assert done.returncode == 1
    assert "disk-full" in done.stderr
    assert not hub.requests


def test_a_disk_that_fills_up_on_the_way_keeps_what_came(site: Site, hub: HubServer) -> None:
    with small_disk(site.folder / "disk", 72) as disk:
        places = {"HF_HOME": str(disk / "hf"), "STACKPLAN_MODELS": str(disk / "models")}
        filler = disk / "filler"
        hub.on_sent = lambda total: filler.write_bytes(b"0" * 70 * 1024**2) if total == 163_840 else None
        failure = only_failure(site, **places)
        assert failure["slug"] == "disk-full"
        assert len(list(disk.rglob("*.stackplan.incomplete"))) == 1
        filler.unlink()
        again = site.run(*HOT, **places)
        assert again.returncode == 0, again.stderr
        assert (disk / "models" / HOT_FILE).read_bytes() == WORKER
    assert hub.starts(FILE)[1] > 0


def test_a_read_only_cache_is_used_and_left_alone(site: Site, hub: HubServer) -> None:
    assert site.run(*HOT).returncode == 0
    shutil.rmtree(site.models)
    hub.requests.clear()
    with read_only(site.folder / "hf"):
        done = site.run("download")
        assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert not hub.starts(FILE)
    assert site.model("example-org/coder-GGUF/coder-Q4_K_M-00001-of-00002.gguf") == SMALL
    assert (site.models / ".stackplan/hub").is_dir()


def test_a_read_only_models_folder_that_is_complete_is_fine(site: Site) -> None:
    assert site.run(*HOT).returncode == 0
    with read_only(site.models):
        done = site.run(*HOT)
        assert done.returncode == 0, done.stderr
        more = site.run("download", "--tier", "warm")
    assert more.returncode == 1
    assert "cannot-write" in more.stdout + more.stderr or "cannot write" in more.stdout


class Mounted:
    """A mount that is there for a while; needs the right to mount."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.words = words

    def __enter__(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *self.words, str(self.folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
        return self.folder

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


def small_disk(folder: Path, mebibytes: int) -> Mounted:
    return Mounted(folder, "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs")


class read_only:  # noqa: N801  (reads as a word)
    """A folder that nobody can write, root included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        words = ["mount", "--bind", str(self.folder), str(self.folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            if os.geteuid() == 0:
                pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
            self._change(0o555)
            return
        subprocess.run(["mount", "-o", "remount,ro,bind", str(self.folder)], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
        self._change(0o755)

    def _change(self, mode: int) -> None:
        for path in (self.folder, *self.folder.rglob("*")):
            if path.is_dir():
                path.chmod(mode)


def test_the_hubs_promise_is_what_the_lock_says(site: Site) -> None:
    site.run(*HOT)
    lock = json.loads((site.deploy / "stackplan.lock").read_text())
    (worker,) = [one for one in lock["artifacts"] if one["id"] == "worker:Q4_K_M"]
    assert worker["files"] == [{"path": FILE, "size_bytes": len(WORKER), "sha256": sha256(WORKER), "git_sha1": ""}]


def test_models_on_another_disk_than_the_cache_are_kept_once_and_without_the_cache(site: Site, hub: HubServer) -> None:
    with small_disk(site.folder / "disk", 200) as disk:
        done = site.run(*HOT, STACKPLAN_MODELS=str(disk / "models"))
        assert done.returncode == 0, done.stderr
        file = disk / "models" / HOT_FILE
        assert file.read_bytes() == WORKER
        assert file.stat().st_nlink == 2
    assert not blobs(site)


def test_what_the_cache_of_another_disk_holds_is_copied_and_not_fetched(site: Site, hub: HubServer) -> None:
    site.run(*HOT)
    hub.requests.clear()
    with small_disk(site.folder / "disk", 200) as disk:
        done = site.run(*HOT, STACKPLAN_MODELS=str(disk / "models"))
        assert done.returncode == 0, done.stderr
        assert (disk / "models" / HOT_FILE).read_bytes() == WORKER
    assert not hub.requests


def test_a_user_who_stops_gets_130_and_continues_later(site: Site, hub: HubServer) -> None:
    came, stopped = threading.Event(), threading.Event()

    def silent_from_half(total: int) -> None:
        if total > 500_000:
            came.set()
            stopped.wait(30)

    hub.on_sent = silent_from_half
    process = site.start(*HOT)
    assert came.wait(30)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    stopped.set()
    assert (process.returncode, "Traceback" in told) == (130, False), told
    assert len(site.partials()) == 1
    assert site.run(*HOT).returncode == 0
    assert hub.sent_bytes < len(WORKER) + 1024**2
