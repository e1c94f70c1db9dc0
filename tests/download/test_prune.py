"""``stackplan prune`` names what no lock needs, and touches nothing that is not stackplan's."""

import json

from tests.download.conftest import WORKER, Site, artifact, stack
from tests.download.hub_server import Fault, HubServer

HOT_FILE = "example-org/worker-GGUF/worker-Q4_K_M.gguf"
CODER = "example-org/coder-GGUF"


def without_coder(site: Site) -> None:
    site.render(stack(artifact("worker", len(WORKER), files=("worker-Q4_K_M.gguf",))))
    assert site.run("lock").returncode == 0


def test_nothing_is_listed_while_everything_is_needed(site: Site) -> None:
    site.run("download")
    done = site.run("prune")
    assert done.returncode == 0
    assert "everything here is needed" in done.stdout


def test_what_a_new_plan_no_longer_needs_is_listed_and_deleted_only_with_yes(site: Site) -> None:
    site.run("download")
    without_coder(site)
    listed = site.run("prune")
    assert f"{CODER}/coder-Q4_K_M-00001-of-00002.gguf" in listed.stdout
    assert (site.models / CODER).exists()
    site.run("prune", "--yes")
    assert not (site.models / CODER).exists()
    assert site.model(HOT_FILE) == WORKER


def test_the_users_own_files_and_the_shared_cache_are_left_alone(site: Site) -> None:
    site.run("download")
    own = site.models / "mine" / "model.gguf"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    without_coder(site)
    cached = sorted(site.cache.rglob("*"))
    site.run("prune", "--yes")
    assert own.read_bytes() == b"mine"
    assert sorted(site.cache.rglob("*")) == cached


def test_what_another_stack_needs_is_kept(site: Site) -> None:
    site.run("download")
    other = site.folder / "other"
    done = site.run("prune", "--plan", str(other / "plan.json"))
    assert "everything here is needed" in done.stdout


def test_quarantine_and_beginnings_that_nobody_needs_may_go(site: Site, hub: HubServer) -> None:
    hub.faults["worker-Q4_K_M.gguf"] = [Fault(corrupt=True)]
    hub.forever["coder-Q4_K_M-00001-of-00002.gguf"] = Fault(cut_after=1000)
    site.run("download", STACKPLAN_TRIES="1")
    assert len(site.partials()) == 1
    without_coder(site)
    told = json.loads(site.run("prune", "--json").stdout)
    reasons = {one["why"] for one in told["files"]}
    assert "wrong content, in quarantine" in reasons
    assert "a beginning that no lock needs" in reasons
    assert told["freed_bytes"] > len(WORKER)
    site.run("prune", "--yes")
    assert not site.partials()


def test_a_lock_that_cannot_be_read_stops_everything(site: Site) -> None:
    site.run("download")
    (site.deploy / "stackplan.lock").write_text("{}")
    done = site.run("prune", "--yes")
    assert done.returncode == 1
    assert site.model(HOT_FILE) == WORKER
