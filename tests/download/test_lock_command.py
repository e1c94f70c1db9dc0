"""``stackplan lock`` against a hub: what it learns, keeps, upgrades, and that rendered files follow."""

import json

from tests.download.conftest import SMALL, WORKER, Site, content
from tests.download.hub_server import Fault, HubServer, sha256

from stackplan.lock import read_lock
from stackplan.plan import plan_to_json


def lock(site: Site):
    return read_lock((site.deploy / "stackplan.lock").read_text())


def test_locking_learns_files_sizes_and_checksums_from_the_hub(site: Site, hub: HubServer) -> None:
    done = site.run("lock")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 artifacts pinned" in done.stdout
    coder = lock(site).artifact("coder:Q4_K_M")
    assert [file.path for file in coder.files] == [f"coder-Q4_K_M-0000{part}-of-00002.gguf" for part in (1, 2)]
    assert coder.files[0].sha256 == sha256(SMALL)
    assert coder.size_bytes == 700_000
    assert not hub.requests


def test_rendered_files_follow_the_lock_and_the_users_own_env_stays(site: Site) -> None:
    (site.deploy / ".env").write_text("LITELLM_MASTER_KEY=secret\n")
    (site.deploy / ".env").chmod(0o600)
    assert "coder-Q4_K_M-00001" not in (site.deploy / "compose.yaml").read_text()
    site.run("lock")
    assert "/coder-GGUF/coder-Q4_K_M-00001-of-00002.gguf" in (site.deploy / "compose.yaml").read_text()
    assert (site.deploy / "plan.json").read_text() == plan_to_json(lock(site).plan)
    assert (site.deploy / ".env").read_text() == "LITELLM_MASTER_KEY=secret\n"
    assert (site.deploy / ".env").stat().st_mode & 0o777 == 0o600


def test_a_file_edited_by_hand_is_not_overwritten(site: Site) -> None:
    preset = next((site.deploy / "llama.cpp").glob("coder*.ini"))
    preset.write_text(preset.read_text() + "; mine\n")
    site.run("lock")
    assert preset.read_text().endswith("; mine\n")


def test_locking_again_changes_nothing_and_asks_nobody(site: Site, hub: HubServer) -> None:
    site.run("lock")
    before, asked = (site.deploy / "stackplan.lock").read_bytes(), len(hub.listings)
    done = site.run("lock")
    assert "no change" in done.stderr
    assert (site.deploy / "stackplan.lock").read_bytes() == before
    assert len(hub.listings) == asked


def test_a_locked_revision_is_kept_until_an_upgrade_is_asked_for(site: Site, hub: HubServer) -> None:
    site.run("lock")
    old = lock(site).artifact("worker:Q4_K_M").revision
    hub.repositories["example-org/worker-GGUF"]["worker-Q4_K_M.gguf"] = fresh = content(2_999_000, 9)
    hub.contents[sha256(fresh)] = fresh
    site.run("lock")
    assert lock(site).artifact("worker:Q4_K_M").revision == old
    assert site.run("lock", "--upgrade").returncode == 0
    worker = lock(site).artifact("worker:Q4_K_M")
    assert worker.revision == hub.commit("example-org/worker-GGUF")
    assert worker.files[0].sha256 == sha256(fresh)


def test_after_an_upgrade_the_new_content_takes_the_old_ones_place(site: Site, hub: HubServer) -> None:
    site.run("download", "--tier", "hot")
    hub.repositories["example-org/worker-GGUF"]["worker-Q4_K_M.gguf"] = fresh = content(2_999_000, 9)
    hub.contents[sha256(fresh)] = fresh
    site.run("lock", "--upgrade")
    done = site.run("download", "--tier", "hot")
    assert done.returncode == 0, done.stderr
    assert site.model("example-org/worker-GGUF/worker-Q4_K_M.gguf") == fresh


def test_a_revision_that_vanished_upstream_asks_for_an_upgrade(site: Site, hub: HubServer) -> None:
    site.run("lock")
    hub.repositories["example-org/worker-GGUF"]["README.md"] = b"rewritten history"
    done = site.run("download", "--tier", "hot")
    assert done.returncode == 1
    assert "stackplan lock --upgrade" in done.stdout


def test_offline_keeps_what_is_known_and_says_what_is_not(site: Site, hub: HubServer) -> None:
    done = site.run("lock", "--offline")
    assert done.returncode == 0
    assert "0 of 2 artifacts pinned" in done.stdout
    assert "NOT PINNED coder:Q4_K_M" in done.stdout
    assert not hub.listings
    site.run("download")
    asked = len(hub.listings)
    (site.deploy / "stackplan.lock").unlink()
    again = site.run("lock", "--offline")
    assert "2 of 2 artifacts pinned" in again.stdout  # the cache itself knows
    assert lock(site).artifact("worker:Q4_K_M").files[0].sha256 == sha256(WORKER)
    assert len(hub.listings) == asked


def test_a_file_larger_than_planned_is_told(site: Site, hub: HubServer) -> None:
    hub.repositories["example-org/worker-GGUF"]["worker-Q4_K_M.gguf"] = content(4_000_000, 10)
    assert "LARGER     worker:Q4_K_M" in site.run("lock").stdout


def test_a_hub_that_fails_leaves_the_old_lock(site: Site, hub: HubServer) -> None:
    site.run("lock")
    before = lock(site)
    hub.forever["listing"] = Fault(status=500)
    done = site.run("lock", "--upgrade", STACKPLAN_TRIES="1")
    assert done.returncode == 1
    assert lock(site) == before


def test_a_damaged_lock_is_told_and_an_upgrade_writes_it_anew(site: Site) -> None:
    (site.deploy / "stackplan.lock").write_text("{}")
    done = site.run("lock")
    assert done.returncode == 1
    assert "lock-unreadable" in done.stderr
    assert "--upgrade" in done.stderr
    assert site.run("lock", "--upgrade").returncode == 0
    assert len(lock(site).artifacts) == 2


def test_json_says_the_same(site: Site) -> None:
    told = json.loads(site.run("lock", "--json").stdout)
    assert [one["unpinned"] for one in told["artifacts"]] == [[], []]


def test_a_hub_that_is_down_is_waited_for_once_and_not_for_every_model(site: Site, hub: HubServer) -> None:
    hub.forever["listing"] = Fault(status=503)
    done = site.run("lock", STACKPLAN_TRIES="4")
    assert done.returncode == 1
    assert done.stdout.count("NOT PINNED") == 2
    assert len(hub.listings) == 4 + 1
