"""What makes instances faster reaches the real llama-server, and only where every role of the instance allows it."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from tests.render.conftest import clean_environment
from tests.render.plans import LLAMA_CPP, gguf, host, instance, plan, single_24gb
from tests.render.tiny_gguf import chat_model

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.render.llama_options import as_arguments, llama_options
from stackplan.runtime import Runtime
from stackplan.stack_yaml import load_stack
from stackplan.values import replace

CATALOG = load_catalog([bundled_folder("catalog")])
Start = Callable[..., tuple[int, Path]]


def tiny(**accelerated: object) -> Plan:
    model, draft = gguf("tiny", "F32", 0.001), gguf("tiny-draft", "F32", 0.001)
    served = instance(model, "llama.cpp", 8101, place=(), context_tokens=256, kv_type="f16", **accelerated)
    return plan("tiny", host("tiny", threads=4), (model, draft), ((served, ("worker",)),), (LLAMA_CPP,))


@pytest.fixture
def start(llama_server: Path, tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def run(made: Plan, *, experts: int = 0) -> tuple[int, Path]:
        for artifact in made.artifacts:
            chat_model(tmp_path / "models" / artifact.repository / artifact.files[0], experts=experts)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        listen = ["--host", "127.0.0.1", "--port", str(port), "--no-ui", "-v"]
        command = [str(llama_server), *as_arguments(llama_options(made, made.instances[0])), *listen]
        environment = clean_environment(LD_LIBRARY_PATH=os.environ.get("LD_LIBRARY_PATH", ""))
        log = tmp_path / "server.log"
        with log.open("wb") as file:
            processes.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file))
        return port, log

    yield run
    for process in processes:
        process.terminate()
        process.wait(timeout=30)


def ask(port: int, log: Path, prompt: str) -> dict:
    """The server's answer and what it says of it, once it listens."""
    end = time.monotonic() + 60
    body = json.dumps({"prompt": prompt, "n_predict": 40, "temperature": 0, "cache_prompt": False}).encode()
    while True:
        try:
            request = Request(f"http://127.0.0.1:{port}/completion", body, {"Content-Type": "application/json"})
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return dict(json.load(answer))
        except (URLError, OSError) as error:
            if time.monotonic() > end:
                raise AssertionError(log.read_text(errors="replace")[-2000:]) from error
            time.sleep(0.2)


def test_prompt_lookup_proposes_what_was_there_before_and_answers_the_same(start: Start) -> None:
    prompt = "the quick brown fox jumps over the lazy dog. " * 3
    plain = ask(*start(tiny()), prompt)
    port, log = start(tiny(lookup_tokens=12))
    looked_up = ask(port, log, prompt)
    assert "n_outputs_max         = 13\n" in log.read_text(errors="replace")  # the rows that the plan counts per slot
    assert looked_up["timings"]["draft_n"] > 0
    assert "draft_n" not in plain["timings"]
    assert looked_up["content"] == plain["content"]


def test_a_draft_model_proposes_and_answers_the_same(start: Start) -> None:
    plain = ask(*start(tiny()), "hello")
    drafted = ask(*start(tiny(draft_artifact="tiny-draft:F32", draft_tokens=4)), "hello")
    assert drafted["timings"]["draft_n"] > 0
    assert drafted["content"] == plain["content"]


def test_fewer_experts_answer_where_that_was_asked(start: Start) -> None:
    port, log = start(tiny(active_experts=1, experts_key="llama.expert_used_count"), experts=4)
    ask(port, log, "hello")
    lines = log.read_text(errors="replace").splitlines()
    said = [line.split("=")[-1].strip() for line in lines if "n_expert_used" in line]
    assert "1" in said
    assert "2" not in said


def test_the_profiles_threads_and_reading_mode_are_the_servers(start: Start) -> None:
    made = replace(tiny(), runtime=Runtime(threads=1, batch_threads=2, numa="isolate", map_files=False))
    port, log = start(made)
    ask(port, log, "hello")
    assert "n_threads = 1 (n_threads_batch = 2)" in log.read_text(errors="replace")


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        (Runtime(), {"threads": "8"}),
        (Runtime(threads=6, batch_threads=12), {"threads": "6", "threads-batch": "12"}),
        (Runtime(lock_memory=True), {"load-mode": "mmap+mlock"}),
        (Runtime(lock_memory=True, map_files=False), {"load-mode": "mlock"}),
        (Runtime(map_files=False), {"load-mode": "none"}),
    ],
)
def test_runtime_defaults_become_options(runtime: Runtime, expected: dict[str, str]) -> None:
    made = replace(single_24gb(), runtime=runtime)
    options = llama_options(made, made.instances[0])
    names = ("threads", "threads-batch", "load-mode")
    assert {name: options[name] for name in names if name in options} == {"threads": "8"} | expected


def test_numa_is_a_policy_of_instances_that_compute_on_the_cpu() -> None:
    made = replace(single_24gb(), runtime=Runtime(numa="numactl"))
    policies = {one.id: llama_options(made, one).get("numa") for one in made.instances if one.engine == "llama.cpp"}
    assert policies["worker-32b"] is None
    assert policies["giant-120b"] == "numactl"  # its experts are in host memory
    assert policies["embedder"] == "numactl"
    off = replace(made, runtime=Runtime(numa="off"))
    assert not any("numa" in llama_options(off, one) for one in off.instances)


def test_threads_of_the_profile_reach_ollama_too() -> None:
    made = replace(single_24gb(), runtime=Runtime(threads=6))
    files = render_plan(made, ["ollama"])
    assert "PARAMETER num_thread 6\n" in files["ollama/modelfiles/watchdog.Modelfile"]
    assert '"num_thread": 6' in files["ollama/pull.sh"]
    assert "num_thread = 6" in files["ollama/pull.ps1"]


def test_supervisors_let_the_engine_lock_memory() -> None:
    made = replace(single_24gb(), runtime=Runtime(lock_memory=True))
    files = render_plan(made, ["compose", "systemd", "quadlet"])
    assert "memlock: -1" in files["compose.yaml"]
    assert "LimitMEMLOCK=infinity" in files["systemd/stackplan-server-worker-32b.service"]
    assert "Ulimit=memlock=-1:-1" in files["quadlet/stackplan-worker-32b.container"]


def test_roles_say_with_a_reason_what_may_speed_them_up() -> None:
    roles = {role.id: role for role in CATALOG.roles}
    assert roles["code"].prompt_lookup
    assert not roles["watchdog"].prompt_lookup
    for role in CATALOG.roles:
        if role.prompt_lookup or role.expert_reduction:
            assert role.mode == "chat" or role.id == "draft"
            assert role.source


def test_every_embedder_that_makes_one_vector_says_how() -> None:
    """Without a pooling mode llama-server refuses /v1/embeddings where a file's header names none."""
    for model in CATALOG.models:
        if model.suits == ("embed",):
            assert model.pooling in ("mean", "cls", "last"), model.id


def test_a_stack_may_ask_for_fewer_experts_only_where_the_role_allows_it(tmp_path: Path) -> None:
    text = "title: T\nroles:\n  - role: {role}\n    active_experts: 2\n"
    path = tmp_path / "s.yaml"
    path.write_text(text.format(role="helper"))
    assert load_stack(path, CATALOG.roles).roles[0].active_experts == 2
    path.write_text(text.format(role="watchdog"))
    with pytest.raises(UserError, match=r"s\.yaml:4: roles\.0\.active_experts: the role 'watchdog' does not allow"):
        load_stack(path, CATALOG.roles)
