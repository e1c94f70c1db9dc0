"""The pull script runs against a server with Ollama's manners; shells and Modelfiles are read by their linters."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.render.conftest import run, write
from tests.render.fake_ollama import FakeOllama
from tests.render.plans import dual_24gb, single_24gb

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.values import replace

HERE = Path(__file__).parent
SMALL, EMBED = "small:3b", "embed-text:v1.5"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    fake = FakeOllama({SMALL, EMBED})
    yield fake
    fake.close()


def on_port(port: int, **of_artifacts: int) -> Plan:
    """The two-card plan, whose Ollama models share one server, with that server at ``port``."""
    plan = dual_24gb()
    ports = {"small-3b": port, "embed-tag": 65535}
    moved = tuple(replace(one, port=ports.get(one.id, one.port)) for one in plan.instances)
    artifacts = tuple(replace(one, **of_artifacts) for one in plan.artifacts)
    return replace(plan, instances=moved, artifacts=artifacts)


def pull(plan: Plan, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    write(folder, render_plan(plan, ["ollama"]))
    return run("bash", folder / "ollama/pull.sh", *arguments, STACKPLAN_RETRY_SECONDS="0")


def test_models_are_pulled_created_with_their_context_and_hot_ones_pinned(server: FakeOllama, tmp_path: Path) -> None:
    done = pull(on_port(server.port), tmp_path)
    assert done.returncode == 0, done.stderr
    assert server.models == {SMALL, EMBED, "stackplan-watchdog:latest", "stackplan-embedding:latest"}
    created = dict(zip(server.paths(), [body for _, body in server.requests], strict=True))["/api/create"]
    assert created["parameters"]["num_ctx"] == 2048
    loads = [(path, body) for path, body in server.requests if path in ("/api/generate", "/api/embed")]
    assert [path for path, _ in loads] == ["/api/generate", "/api/embed"]
    assert all(body["keep_alive"] == -1 for _, body in loads)


def test_a_second_run_pulls_nothing(server: FakeOllama, tmp_path: Path) -> None:
    pull(on_port(server.port), tmp_path)
    server.requests.clear()
    assert pull(on_port(server.port), tmp_path).returncode == 0
    assert "/api/pull" not in server.paths()


def test_an_error_inside_a_successful_answer_is_tried_again(tmp_path: Path) -> None:
    server = FakeOllama({SMALL, EMBED}, failures=2)
    done = pull(on_port(server.port), tmp_path)
    server.close()
    assert done.returncode == 0, done.stderr
    assert "max retries exceeded" in done.stderr
    assert server.paths().count("/api/pull") == 4


def test_a_model_that_does_not_exist_fails_the_run_and_not_the_others(tmp_path: Path) -> None:
    server = FakeOllama({EMBED})
    done = pull(on_port(server.port), tmp_path)
    server.close()
    assert done.returncode == 1
    assert "FAILED to pull small:3b" in done.stderr
    assert EMBED in server.models


def test_no_server_is_said_before_anything_starts(server: FakeOllama, tmp_path: Path) -> None:
    port = server.port
    server.close()
    done = pull(on_port(port), tmp_path)
    assert done.returncode == 2
    assert "no Ollama server" in done.stderr


def test_too_little_disk_stops_before_the_first_byte(server: FakeOllama, tmp_path: Path) -> None:
    done = pull(on_port(server.port, file_bytes=10**16), tmp_path)
    assert done.returncode == 2
    assert "KiB free" in done.stderr
    assert server.requests == []


def test_a_dry_run_asks_no_server(tmp_path: Path) -> None:
    done = pull(single_24gb(), tmp_path, "--dry-run")
    assert done.returncode == 0
    assert done.stderr.count("would pull") == 2


def test_a_tier_limits_what_is_pulled(tmp_path: Path) -> None:
    done = pull(single_24gb(), tmp_path, "--dry-run", "--tier", "warm")
    assert "coder:7b-instruct" in done.stderr
    assert "guard3:1b" not in done.stderr
    assert pull(single_24gb(), tmp_path, "--tier", "tepid").returncode == 2


def test_shellcheck_has_nothing_to_say(deploy: Path, shellcheck: Path) -> None:
    scripts = sorted(deploy.rglob("*.sh"))
    if not scripts:
        return  # a stack of vLLM and TEI needs no script
    done = run(shellcheck, *scripts)
    assert done.stdout == ""


@pytest.fixture(scope="session")
def powershell(validators_python: Path) -> Path:
    if run(validators_python, "-c", "import tree_sitter_language_pack").returncode:
        pytest.skip("no PowerShell grammar: tree-sitter-language-pack 0.10 is not in .venv-validators")
    return validators_python


def test_a_powershell_grammar_reads_the_script(plan: Plan, powershell: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(plan, ["ollama"]))
    done = run(powershell, HERE / "powershell_judge.py", *sorted(tmp_path.rglob("*.ps1")))
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_the_powershell_grammar_refuses_a_broken_script(powershell: Path, tmp_path: Path) -> None:
    text = render_plan(single_24gb(), ["ollama"])["ollama/pull.ps1"].replace(
        "foreach ($row in $rows) {", "foreach ($row in {"
    )
    write(tmp_path, {"x.ps1": text})
    assert run(powershell, HERE / "powershell_judge.py", tmp_path / "x.ps1").returncode == 1


def test_roles_of_one_instance_have_equal_modelfiles() -> None:
    plan = dual_24gb()
    twin = replace(plan.roles[1], role="second-watchdog")
    files = render_plan(replace(plan, roles=(*plan.roles, twin)), ["ollama"])
    assert files["ollama/modelfiles/watchdog.Modelfile"] == files["ollama/modelfiles/second-watchdog.Modelfile"]
    assert "PARAMETER num_ctx 16384" in files["ollama/modelfiles/watchdog.Modelfile"]


def test_the_environment_decides_what_costs_memory() -> None:
    text = render_plan(single_24gb(), ["ollama"])["ollama/guard-1b.env"]
    for line in ("OLLAMA_NUM_PARALLEL=4", "OLLAMA_KV_CACHE_TYPE=q8_0", "OLLAMA_CONTEXT_LENGTH=4096"):
        assert line in text.splitlines()
