"""What a download fetches, where it puts it, and that everything rendered points there."""

import subprocess
import sys
from pathlib import Path

from tests.download.conftest import SMALL, WORKER, Site, usual_plan

from stackplan.download.places import Places
from stackplan.lock import LockedFile, locked
from stackplan.render.llama_options import artifact_path

HOT_FILE = "example-org/worker-GGUF/worker-Q4_K_M.gguf"
PART = "example-org/coder-GGUF/coder-Q4_K_M-00001-of-00002.gguf"


def test_a_dry_run_asks_no_server_and_writes_nothing(site: Site) -> None:
    before = sorted(site.folder.rglob("*"))
    done = site.run("download", "--dry-run", "--tier", "hot")
    assert done.returncode == 0
    assert HOT_FILE in done.stdout
    assert "coder" not in done.stdout
    assert not site.hub.requests
    assert not site.hub.listings
    assert sorted(site.folder.rglob("*")) == before


def test_everything_lands_where_the_rendered_files_look_for_it(site: Site) -> None:
    done = site.run("download")
    assert done.returncode == 0, done.stderr
    assert site.model(HOT_FILE) == WORKER
    assert site.model(PART) == SMALL
    preset = "".join(path.read_text() for path in (site.deploy / "llama.cpp").glob("*.ini"))
    for line in preset.splitlines():
        if line.startswith(("model =", "model=")):
            assert (site.folder / line.partition("=")[2].strip()).is_file()
    assert f"models/{PART}" in preset
    assert "hf-repo" not in preset


def test_the_models_folder_is_the_one_that_renderers_mean() -> None:
    lock = locked(usual_plan())
    planned, pinned = usual_plan().artifacts[0], lock.artifact("worker:Q4_K_M")
    path = planned.files[0]
    places = Places(Path("/data/models"), Path("/cache"))
    assert str(places.model_file(pinned, LockedFile(path))) == f"/data/{artifact_path(planned, path)}"


def test_a_second_run_fetches_nothing(site: Site) -> None:
    site.run("download")
    sent, listings = site.hub.sent_bytes, len(site.hub.listings)
    done = site.data("download")
    assert done["received_bytes"] == 0
    assert len(done["ready"]) == 3
    assert (site.hub.sent_bytes, len(site.hub.listings)) == (sent, listings)


def test_the_cache_is_the_hubs_own_so_that_other_programs_find_the_files(site: Site) -> None:
    site.run("download")
    code = (
        "from huggingface_hub import hf_hub_download as get;print(get('example-org/worker-GGUF', 'worker-Q4_K_M.gguf'))"
    )
    sent = site.hub.sent_bytes
    found = subprocess.run(
        [sys.executable, "-c", code], env=site.environment(), capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).read_bytes() == WORKER
    assert site.hub.sent_bytes == sent
