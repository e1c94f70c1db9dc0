"""The verbs render, route and pin as people run them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.render.conftest import clean_environment, write
from tests.render.plans import PLANS

from stackplan.deploy import read_tree
from stackplan.lock import lock_text, locked
from stackplan.plan import plan_to_json
from stackplan.render import render_plan
from stackplan.values import replace


def stackplan(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stackplan", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write(tmp_path, {"plan.json": plan_to_json(PLANS["single-24gb"])})
    return tmp_path


def test_render_writes_the_targets_of_a_saved_plan(saved: Path) -> None:
    done = stackplan("render", "--plan", "plan.json", "--target", "litellm,routing", "--out", "deploy", cwd=saved)
    assert done.returncode == 0, done.stderr
    assert read_tree(saved / "deploy") == render_plan(PLANS["single-24gb"], ["litellm", "routing"])


def test_render_prints_json_and_writes_nothing(saved: Path) -> None:
    done = stackplan("render", "--plan", "plan.json", "--target", "routing", "--json", cwd=saved)
    assert json.loads(done.stdout) == render_plan(PLANS["single-24gb"], ["routing"])
    assert [path.name for path in saved.iterdir()] == ["plan.json"]


def test_without_a_folder_the_targets_are_renewed_beside_the_plan_and_the_rest_stays(saved: Path) -> None:
    stackplan("render", "--plan", "plan.json", "--target", "plan,routing", "--out", "deploy", cwd=saved)
    (saved / "deploy/routing.yaml").write_text("old\n")
    done = stackplan("render", "--target", "routing", cwd=saved)
    assert done.returncode == 0, done.stderr
    assert read_tree(saved / "deploy") == render_plan(PLANS["single-24gb"], ["plan", "routing"])


def test_a_folder_that_stackplan_did_not_write_is_left_alone(saved: Path) -> None:
    (saved / "weights.bin").write_bytes(bytes(range(256)))
    done = stackplan("render", "--plan", "plan.json", "--target", "routing", cwd=saved)
    assert done.returncode == 1
    assert "error[deploy-foreign]" in done.stderr
    assert sorted(path.name for path in saved.iterdir()) == ["plan.json", "weights.bin"]


def test_a_lock_beside_the_plan_gives_the_names_of_files(tmp_path: Path) -> None:
    plan = PLANS["dual-24gb"]
    unknown = next(one for one in plan.artifacts if one.model == "unlocked-8b")
    known = replace(unknown, files=("unlocked-8b-Q4_K_M.gguf",), revision="b" * 40)
    lock = locked(replace(plan, artifacts=tuple(known if one == unknown else one for one in plan.artifacts)))
    write(tmp_path, {"plan.json": plan_to_json(plan), "stackplan.lock": lock_text(lock)})
    done = stackplan("render", "--plan", "plan.json", "--target", "llama.cpp", "--json", cwd=tmp_path)
    assert (
        "model = models/example-org/unlocked-8b-GGUF/unlocked-8b-Q4_K_M.gguf"
        in json.loads(done.stdout)["llama.cpp/unlocked-8b.ini"]
    )


def test_scripts_can_be_run(saved: Path) -> None:
    stackplan("render", "--plan", "plan.json", "--target", "ollama", "--out", "deploy", cwd=saved)
    done = subprocess.run([saved / "deploy/ollama/pull.sh", "--dry-run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "would pull" in done.stderr


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"schema": 1}', "\x00"])
def test_a_file_that_is_no_plan_gets_one_line(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"plan.json": text})
    done = stackplan("render", "--plan", "plan.json", "--out", "deploy", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[plan-unreadable]: plan.json is not a saved plan")
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "deploy").exists()


def test_no_plan_and_unknown_target_name_the_next_step(saved: Path) -> None:
    assert "stackplan apply" in stackplan("render", cwd=saved).stderr
    done = stackplan("render", "--plan", "plan.json", "--target", "helm", "--out", "d", cwd=saved)
    assert done.returncode == 1
    assert "compose" in done.stderr


def test_apply_takes_targets_with_commas_the_users_own_among_them(tmp_path: Path) -> None:
    manifest = "outputs: [{template: list.txt.j2, path: inventory/list.txt}]\n"
    lines = "{% for role in roles %}{{ role.name }} {{ role.url }}\n{% endfor %}"
    write(tmp_path / "own/inventory", {"manifest.yaml": manifest, "list.txt.j2": lines})
    words = ["apply", "cpu-only", "--target", "litellm, routing,inventory", "--templates", "own", "--out", "deploy"]
    done = stackplan(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = read_tree(tmp_path / "deploy")
    assert files.keys() == {
        "plan.json", "stackplan.lock", "litellm/config.yaml", "litellm/config.compose.yaml", "routing.yaml",
        "inventory/list.txt",
    }  # fmt: skip
    assert "worker http://127.0.0.1:" in files["inventory/list.txt"]
    again = stackplan("render", "--target", "inventory", "--templates", "own", "--out", "other", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert read_tree(tmp_path / "other") == {"inventory/list.txt": files["inventory/list.txt"]}
    assert "error[unknown-target]" in stackplan("render", "--target", " ,", cwd=tmp_path).stderr


def test_route_says_where_and_why(saved: Path) -> None:
    done = stackplan("route", "--plan", "plan.json", "--task", "math", cwd=saved)
    assert done.stdout.startswith("math: math is made for math\n")
    done = stackplan("route", "--plan", "plan.json", "--agents", "4", "--json", cwd=saved)
    assert json.loads(done.stdout)["role"] == "worker"
    assert stackplan("route", "--plan", "plan.json", "--depth", "abyssal", cwd=saved).returncode == 1


def test_route_tells_every_step_of_a_service_and_why(saved: Path) -> None:
    done = stackplan("route", "--plan", "plan.json", "--service", "retrieval", cwd=saved)
    assert done.stdout.splitlines() == [
        "search -> embedding: embedding is made for search",
        "rank -> reranker: reranker is made for rank",
        "general -> worker: worker takes what no other role is made for",
    ]
    done = stackplan("route", "--plan", "plan.json", "--service", "media-transcription", cwd=saved)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[task-unserved]" in done.stderr


def test_pin_needs_a_compose_file(tmp_path: Path) -> None:
    done = stackplan("pin", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "error[no-compose]" in done.stderr


@pytest.fixture
def docker_config(compose_binary: Path, tmp_path: Path) -> str:
    """Docker's own program with the real compose as its plugin."""
    if shutil.which("docker") is None:
        pytest.skip("no docker program here")
    plugins = tmp_path / "docker/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(compose_binary)
    return str(tmp_path / "docker")


def test_pin_asks_docker_for_the_files_of_this_host_and_leaves_nothing_when_it_fails(
    tmp_path: Path, docker_config: str
) -> None:
    deploy = write(tmp_path / "deploy", render_plan(PLANS["single-24gb"]))
    environment = clean_environment(DOCKER_CONFIG=docker_config, DOCKER_HOST="unix:///nowhere.sock")
    command = [sys.executable, "-m", "stackplan", "pin", str(deploy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "error[pin-failed]: docker compose could not pin: failed to resolve digest" in done.stderr
    assert not (deploy / "compose.pinned.yaml").exists()


def test_pin_writes_the_pinned_stack_and_tells_its_files_as_json(tmp_path: Path, docker_config: str) -> None:
    digest = f"example.org/server@sha256:{'5' * 64}"  # what is pinned already needs no registry
    (tmp_path / "compose.yaml").write_text(f"services: {{one: {{image: '{digest}'}}}}\n", encoding="utf-8")
    environment = clean_environment(DOCKER_CONFIG=docker_config, DOCKER_HOST="unix:///nowhere.sock")
    command = [sys.executable, "-m", "stackplan", "pin", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    pinned = tmp_path / "compose.pinned.yaml"
    assert json.loads(done.stdout) == {"written": str(pinned), "files": ["compose.yaml", pinned.name]}
    assert digest in pinned.read_text(encoding="utf-8")


def test_pin_says_that_docker_lacks_its_compose(tmp_path: Path) -> None:
    environment = clean_environment(DOCKER_CONFIG=str(tmp_path / "empty"), HOME=str(tmp_path))
    if shutil.which("docker") is None:
        pytest.skip("no docker program here")
    version = ["docker", "compose", "version"]
    if subprocess.run(version, capture_output=True, check=False, env=environment).returncode == 0:
        pytest.skip("docker has its compose for every user here")
    (tmp_path / "compose.yaml").write_text("services: {}\n", encoding="utf-8")
    command = [sys.executable, "-m", "stackplan", "pin", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "error[no-docker]: this docker has no `docker compose`" in done.stderr
    assert "hint: install" in done.stderr
