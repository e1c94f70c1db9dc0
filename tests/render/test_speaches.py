"""Speaches takes what `stackplan download` fetched: the real hub client finds it in the mounts, and asks nobody."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from tests.render.conftest import run, write
from tests.render.plans import services_stack

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.compose_services import MODELS_SOURCE, SPEACHES_CACHE
from stackplan.values import replace

REPOSITORY, COMMIT = "example-org/faster-whisper-turbo", "b" * 40
CARD = "---\nlibrary_name: ctranslate2\npipeline_tag: automatic-speech-recognition\n---\n"
FILES = {"model.bin": "weights", "config.json": "{}", "tokenizer.json": "{}", "README.md": CARD}

# What Speaches 0.8.3 does at its start: list cached speech models by their cards, then take the snapshot of "main".
AS_SPEACHES = """
import sys
from huggingface_hub import ModelCard, scan_cache_dir, snapshot_download
(repo,) = scan_cache_dir(sys.argv[1]).repos
(revision,) = repo.revisions
card = next(file for file in revision.files if file.file_name == "README.md")
print(repo.repo_id, ModelCard.load(card.file_path).data.pipeline_tag)
print(snapshot_download(repo.repo_id, cache_dir=sys.argv[1], allow_patterns=["model.bin", "config.json"]))
"""


def locked() -> Plan:
    plan = services_stack()
    speech = next(one for one in plan.artifacts if one.repository == REPOSITORY)
    known = replace(speech, files=tuple(FILES), revision=COMMIT)
    return replace(plan, artifacts=tuple(known if one == speech else one for one in plan.artifacts))


def service(plan: Plan) -> dict:
    document = yaml.safe_load(render_plan(plan, ["compose"])["compose.yaml"])
    return next(body for body in document["services"].values() if "speaches" in body["image"])


def test_the_hubs_client_finds_the_download_in_the_mounts_and_asks_nobody(tmp_path: Path) -> None:
    """The mounts are made of copies; the client runs offline against an address where nobody answers."""
    plan, root = locked(), tmp_path / "container"
    deploy = write(tmp_path / "deploy", render_plan(plan, ["compose"]))
    models = write(tmp_path / "models", {f"{REPOSITORY}/{name}": text for name, text in FILES.items()})
    body = service(plan)
    for mount in body["volumes"]:
        source = Path(mount["source"].replace(MODELS_SOURCE, str(models)).replace("./", f"{deploy}/"))
        target = root / mount["target"].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    cache = root / SPEACHES_CACHE.lstrip("/")
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": body["environment"]["HF_HUB_OFFLINE"]}
    done = run(sys.executable, "-c", AS_SPEACHES, cache, **environment)
    assert done.returncode == 0, done.stderr
    named, folder = done.stdout.splitlines()
    assert named == f"{REPOSITORY} automatic-speech-recognition"
    assert (Path(folder) / "model.bin").read_text() == "weights"


def test_mounts_are_read_only_and_no_volume_is_left_to_fill() -> None:
    assert all(mount["type"] == "bind" and mount["read_only"] for mount in service(locked())["volumes"])


def test_before_the_lock_it_fetches_into_a_volume_of_its_own() -> None:
    body = service(services_stack())
    assert [mount["type"] for mount in body["volumes"]] == ["volume"]
    assert "HF_HUB_OFFLINE" not in body["environment"]


@pytest.mark.parametrize("target", ["quadlet", "systemd"])
def test_other_targets_run_it_offline_too(target: str) -> None:
    units = [text for path, text in render_plan(locked(), [target]).items() if "whisper" in path]
    assert any("HF_HUB_OFFLINE=1" in text for text in units)


def test_quadlet_mounts_the_same_places() -> None:
    unit = render_plan(locked(), ["quadlet"])["quadlet/stackplan-whisper-turbo.container"]
    snapshot = f"{SPEACHES_CACHE}/models--example-org--faster-whisper-turbo"
    assert f"Volume=%h/.local/share/stackplan/models/{REPOSITORY}:{snapshot}/snapshots/{COMMIT}:ro" in unit
    assert f"Volume=%h/.local/share/stackplan/deploy/speaches/whisper-turbo/refs/main:{snapshot}/refs/main:ro" in unit
