"""Six bundled profiles from their own plans to every target, read by every real program that is at hand."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml
from tests.render.conftest import PLACEHOLDERS, VALIDATORS, run, write
from tests.render.test_llama_preset import answers, router

from stackplan.cli.world import Asked, read_world
from stackplan.pipeline import plan_world
from stackplan.plan import Plan
from stackplan.render import render_plan, target_names
from stackplan.render.overlays import compose_files
from stackplan.render.servers import is_macos

HERE = Path(__file__).parent
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "RUST_LOG": "off", **PLACEHOLDERS}
# Profile and stack: a CPU, one and two cards, unified memory with Metal and with CUDA, a server of much memory.
WORLDS = {
    "cpu-only": "everyday",
    "rtx-4090": "rag-services",
    "dual-rtx-3090": "everyday",
    "apple-m4-max-64gb": "everyday",
    "jetson-agx-orin-32gb": "everyday",
    "epyc-512gb": "research",
}

pytestmark = pytest.mark.slow


@cache
def planned(profile: str) -> Plan:
    plan = plan_world(read_world(Asked(profile=profile, stack=WORLDS[profile]))).plan
    assert plan is not None
    return plan


def targets(plan: Plan) -> list[str]:
    contained = {"compose", "quadlet", "open-webui"} if is_macos(plan) else set()
    return [name for name in target_names() if name not in contained]


@pytest.fixture(params=sorted(WORLDS))
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def deploy(profile: str, tmp_path: Path) -> Path:
    plan = planned(profile)
    return write(tmp_path, render_plan(plan, targets(plan)))


def test_docker_compose_reads_the_whole_stack(profile: str, deploy: Path, compose_binary: Path) -> None:
    plan = planned(profile)
    if is_macos(plan):
        assert not (deploy / "compose.yaml").exists()
        return
    files = [*compose_files(plan), "compose.open-webui.yaml", "compose.tensorzero.yaml"]
    words = [word for file in files for word in ("-f", file)]
    done = run(compose_binary, *words, "--profile", "*", "config", "-q", cwd=deploy, **PLACEHOLDERS)
    assert (done.returncode, done.stderr) == (0, "")


def test_both_gateways_read_every_role(profile: str, deploy: Path, validators_python: Path) -> None:
    roles = {role.role for role in planned(profile).roles}
    done = run(validators_python, HERE / "litellm_judge.py", deploy / "litellm/config.yaml", **QUIET)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[0].keys() == roles
    done = run(validators_python, HERE / "tensorzero_judge.py", deploy / "tensorzero/tensorzero.toml", **QUIET)
    assert done.returncode == 0, done.stderr


def test_scripts_units_and_scrapes_are_read_without_a_word(profile: str, deploy: Path, shellcheck: Path) -> None:
    assert run(shellcheck, *sorted(deploy.rglob("*.sh"))).stdout == ""
    promtool = VALIDATORS / "debian/usr/bin/promtool"
    scrape = deploy / "prometheus/prometheus.yml"
    if promtool.is_file() and scrape.is_file():
        assert run(promtool, "check", "config", "--syntax-only", scrape).returncode == 0
    if analyze := shutil.which("systemd-analyze"):
        units = sorted((deploy / "systemd").glob("stackplan-*"))
        for unit in units:
            unit.write_text(unit.read_text().replace("%h", str(deploy)))
        path = f"{deploy}/systemd:/lib/systemd/system"
        done = run(analyze, "verify", "--man=no", *units, SYSTEMD_UNIT_PATH=path)
        assert (done.returncode, done.stderr) == (0, "")


def test_llama_server_knows_every_word_of_every_preset(profile: str, deploy: Path, llama_server: Path) -> None:
    library_path = {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    for preset in sorted((deploy / "llama.cpp").glob("*.ini")):
        # Nothing is loaded: the files behind the plan do not exist, and a preset's keys are read at start.
        preset.write_text(preset.read_text().replace("load-on-startup = true", "load-on-startup = false"))
        process, port = router(llama_server, preset, library_path)
        try:
            assert answers(process, port), process.stdout.read() if process.stdout else ""
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_the_routing_table_answers_with_roles_of_the_plan(profile: str, deploy: Path) -> None:
    document = yaml.safe_load((deploy / "routing.yaml").read_text())
    roles = {role.role for role in planned(profile).roles}
    assert document["routes"]
    assert {row["role"] for row in document["routes"]} <= roles
