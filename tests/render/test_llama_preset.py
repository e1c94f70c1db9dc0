"""Preset files are read by llama-server itself; what it checks only at load is checked here."""

import configparser
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.render.conftest import clean_environment, write
from tests.render.plans import PLANS, cpu_only, dual_24gb, single_24gb

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.llama_options import as_arguments, llama_options
from stackplan.serving import Placement
from stackplan.values import replace


def presets(plan: Plan) -> dict[str, configparser.ConfigParser]:
    found = {}
    for path, text in render_plan(plan, ["llama.cpp"]).items():
        if path.endswith(".ini"):
            parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
            parser.read_string("[file]\n" + text)
            found[path] = parser
    return found


def test_hot_instances_are_apart_from_what_is_loaded_on_demand() -> None:
    found = presets(single_24gb())
    assert found["llama.cpp/worker-32b.ini"].sections() == ["file", "*", "worker-32b"]
    assert found["llama.cpp/worker-32b.ini"]["*"]["load-on-startup"] == "true"
    assert found["llama.cpp/warm-gpu0.ini"].sections() == ["file", "*", "eye-4b", "maths-7b"]
    assert found["llama.cpp/warm-gpu0.ini"]["*"]["load-on-startup"] == "false"


def test_every_value_that_memory_depends_on_is_explicit(plan: Plan) -> None:
    for parser in presets(plan).values():
        for name in parser.sections()[2:]:
            section, one = parser[name], plan.instance(name)
            assert section["fit"] == "off"
            assert section["no-kv-unified"] == "true"
            assert int(section["ctx-size"]) == one.total_context_tokens
            assert int(section["parallel"]) == one.slots
            assert section["cache-type-k"] == section["cache-type-v"] == one.kv_type
            assert int(section["ubatch-size"]) == one.micro_batch_tokens
            assert "n-gpu-layers" in section
            assert "cache-ram" in section


def test_the_cpu_serves_alone_where_the_plan_says_so() -> None:
    section = presets(cpu_only())["llama.cpp/chat-4b.ini"]["chat-4b"]
    assert (section["device"], section["n-gpu-layers"], section["numa"]) == ("none", "0", "distribute")


def test_a_model_over_two_cards_is_split_as_planned() -> None:
    assert presets(dual_24gb())["llama.cpp/big-70b.ini"]["big-70b"]["tensor-split"] == "0.45,0.55"


def test_shares_follow_the_hosts_order_of_cards() -> None:
    plan = dual_24gb()
    turned = replace(plan.instances[0], placement=Placement(("gpu1", "gpu0"), split=(0.55, 0.45)))
    found = presets(replace(plan, instances=(turned, *plan.instances[1:])))
    assert found["llama.cpp/big-70b.ini"]["big-70b"]["tensor-split"] == "0.45,0.55"


def test_drafts_projectors_and_expert_layers_are_told() -> None:
    found = presets(single_24gb())
    worker = found["llama.cpp/worker-32b.ini"]["worker-32b"]
    assert worker["spec-type"] == "draft-simple"
    assert worker["spec-draft-n-max"] == "8"
    assert found["llama.cpp/warm-gpu0.ini"]["eye-4b"]["mmproj"].endswith("mmproj-eye-4b-f16.gguf")
    assert found["llama.cpp/giant-120b.ini"]["giant-120b"]["n-cpu-moe"] == "30"


def test_a_file_whose_name_is_not_known_yet_comes_from_its_repository() -> None:
    section = presets(dual_24gb())["llama.cpp/unlocked-8b.ini"]["unlocked-8b"]
    assert section["hf-repo"] == "example-org/unlocked-8b-GGUF:Q4_K_M"
    assert "model" not in section


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def library_path() -> dict[str, str]:
    return {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}


def router(llama_server: Path, preset: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    words = [llama_server, "--models-preset", preset, "--models-max", "9", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [str(word) for word in words],
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=preset.parent,
    )
    return process, port


def answers(process: subprocess.Popen[str], port: int) -> bool:
    for _ in range(100):
        if process.poll() is not None:
            return False
        try:
            with urlopen(f"http://127.0.0.1:{port}/models", timeout=1) as reply:
                return reply.status == 200
        except (URLError, OSError):
            time.sleep(0.1)
    return False


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_llama_server_knows_every_key(
    name: str, llama_server: Path, library_path: dict[str, str], started: list, tmp_path: Path
) -> None:
    files = {path: text for path, text in render_plan(PLANS[name], ["llama.cpp"]).items() if path.endswith(".ini")}
    for path, rendered in files.items():
        # Nothing is loaded: the files behind the plan do not exist, and a preset's keys are read at start.
        text = rendered.replace("load-on-startup = true", "load-on-startup = false")
        process, port = router(llama_server, write(tmp_path, {path: text}) / path, library_path)
        started.append(process)
        assert answers(process, port), process.stdout.read() if process.stdout else ""


def test_llama_server_refuses_a_misspelt_key(
    llama_server: Path, library_path: dict[str, str], started: list, tmp_path: Path
) -> None:
    text = render_plan(cpu_only(), ["llama.cpp"])["llama.cpp/chat-4b.ini"].replace("ctx-size", "ctx-sizee")
    process, port = router(llama_server, write(tmp_path, {"x.ini": text}) / "x.ini", library_path)
    started.append(process)
    assert not answers(process, port)
    assert "ctx-sizee" in (process.stdout.read() if process.stdout else "")


@pytest.mark.parametrize("name", sorted(PLANS))
def test_llama_server_parses_every_command_line(name: str, llama_server: Path, library_path: dict[str, str]) -> None:
    """A file that does not exist is the first complaint, so every option before it was understood."""
    plan = PLANS[name]
    for one in plan.instances:
        if one.engine != "llama.cpp" or not plan.artifact(one.artifact).files:
            continue
        words = [str(llama_server), "--port", str(free_port()), *as_arguments(llama_options(plan, one))]
        environment = clean_environment(**library_path)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "error: invalid argument" not in done.stderr
        assert "error while handling argument" not in done.stderr
        assert "No such file" in done.stderr or "failed to open" in done.stderr, done.stderr
