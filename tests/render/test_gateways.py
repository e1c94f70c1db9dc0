"""LiteLLM's router and the embedded TensorZero gateway read the configurations and route by them."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.render.conftest import PLACEHOLDERS, run, write
from tests.render.plans import AFFORDABLE, PLANS, PREMIUM, dual_24gb, services_stack, single_24gb
from tests.render.stub_provider import StubProvider

from stackplan.plan import Plan
from stackplan.render import render_plan
from stackplan.values import replace

HERE = Path(__file__).parent
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "RUST_LOG": "off", **PLACEHOLDERS}


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    provider = StubProvider("local stub")
    yield provider
    provider.close()


@pytest.fixture
def paid() -> Iterator[StubProvider]:
    provider = StubProvider("affordable stub")
    yield provider
    provider.close()


def with_fallback_at(plan: Plan, port: int) -> Plan:
    """The plan whose affordable endpoint is a stub and whose local servers do not run."""
    return replace(plan, fallbacks=(replace(AFFORDABLE, base_url=f"http://127.0.0.1:{port}/v1/"), PREMIUM))


def readdress(text: str, port: int) -> str:
    """Every loopback address in a configuration moved to one stub."""
    return re.sub(r"http://127\.0\.0\.1:\d+", f"http://127.0.0.1:{port}", text)


def test_litellm_reads_every_role_of_every_plan_with_local_first(validators_python: Path, tmp_path: Path) -> None:
    for name, plan in PLANS.items():
        write(tmp_path / name, render_plan(plan, ["litellm"]))
    configs = sorted(tmp_path.rglob("*.yaml"))
    done = run(validators_python, HERE / "litellm_judge.py", *configs, **QUIET)  # one start of 4 s for all of them
    assert done.returncode == 0, done.stderr
    for config, groups in zip(configs, json.loads(done.stdout.splitlines()[-1]), strict=True):
        plan = PLANS[config.relative_to(tmp_path).parts[0]]
        assert groups.keys() == {role.role for role in plan.roles}
        for entries in groups.values():
            assert [entry["order"] for entry in entries] == sorted(entry["order"] for entry in entries)
            assert entries[0]["order"] == 1


def test_litellm_refuses_a_provider_that_does_not_exist(validators_python: Path, tmp_path: Path) -> None:
    text = render_plan(single_24gb(), ["litellm"])["litellm/config.yaml"].replace("ollama_chat/", "olama_chat/")
    config = write(tmp_path, {"config.yaml": text}) / "config.yaml"
    done = run(validators_python, HERE / "litellm_judge.py", config, **QUIET)
    assert done.returncode != 0
    assert "olama_chat" in done.stderr


def test_paid_endpoints_follow_in_their_order_and_only_behind_chat() -> None:
    config = yaml.safe_load(render_plan(single_24gb(), ["litellm"])["litellm/config.yaml"])
    entries = sorted(config["model_list"], key=lambda entry: entry["litellm_params"]["order"])
    ids = [entry["model_info"]["id"] for entry in entries]
    assert [one for one in ids if one.startswith("worker-")] == ["worker-local", "worker-affordable", "worker-premium"]
    assert [one for one in ids if one.startswith("embedding-")] == ["embedding-local"]


@pytest.mark.parametrize(
    "made", [services_stack, *(pytest.param(one, marks=pytest.mark.slow) for one in (single_24gb, dual_24gb))]
)
def test_litellm_calls_the_right_endpoint_for_every_mode(
    made, stub: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    plan = replace(made(), fallbacks=())
    config = tmp_path / "config.yaml"
    config.write_text(readdress(render_plan(plan, ["litellm"])["litellm/config.yaml"], stub.port))
    modes = {role.role: role.mode for role in plan.roles}
    done = run(validators_python, HERE / "litellm_calls.py", config, json.dumps(modes), **QUIET)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    expected = {"chat": "local stub", "embedding": "1 vectors", "rerank": "2 results"}
    assert answers == {role: expected.get(mode, "local stub") for role, mode in modes.items()}
    for path, body in stub.requests:
        if path == "/v1/audio/transcriptions":
            assert 'name="model"\r\n\r\nexample-org/faster-whisper-turbo' in body["form"]


def test_litellm_goes_to_the_affordable_endpoint_when_the_local_one_is_down(
    paid: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    plan = with_fallback_at(single_24gb(), paid.port)
    write(tmp_path, render_plan(plan, ["litellm"]))
    done = run(
        validators_python, HERE / "litellm_calls.py", tmp_path / "litellm/config.yaml", '{"worker": "chat"}', **QUIET
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"worker": "affordable stub"}


def test_no_local_server_is_sent_the_key_of_a_paid_one() -> None:
    plan = replace(single_24gb(), fallbacks=())
    for entry in yaml.safe_load(render_plan(plan, ["litellm"])["litellm/config.yaml"])["model_list"]:
        params = entry["litellm_params"]
        assert params["model"].startswith("ollama") or params["api_key"] == "not-needed"


def test_tensorzero_loads_and_falls_back_in_order_when_the_local_server_is_down(
    paid: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    plan = with_fallback_at(single_24gb(), paid.port)
    write(tmp_path, render_plan(plan, ["tensorzero"]))
    config = tmp_path / "tensorzero/tensorzero.toml"
    done = run(validators_python, HERE / "tensorzero_judge.py", config, "worker", "watchdog", **QUIET)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"worker": "affordable stub", "watchdog": "affordable stub"}


def test_tensorzero_prefers_the_local_server(
    stub: StubProvider, paid: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    moved = tuple(
        replace(one, port=stub.port if one.id == "worker-32b" else one.port) for one in single_24gb().instances
    )
    plan = with_fallback_at(replace(single_24gb(), instances=moved), paid.port)
    write(tmp_path, render_plan(plan, ["tensorzero"]))
    done = run(
        validators_python, HERE / "tensorzero_judge.py", tmp_path / "tensorzero/tensorzero.toml", "worker", **QUIET
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"worker": "local stub"}
    assert paid.requests == []


def test_tensorzero_loads_every_plan(plan: Plan, validators_python: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(plan, ["tensorzero"]))
    for config in sorted(tmp_path.rglob("*.toml")):
        done = run(validators_python, HERE / "tensorzero_judge.py", config, **QUIET)
        assert done.returncode == 0, done.stderr


def with_one_up(port: int, name: str) -> Plan:
    """The plan without remote endpoints, of which only one instance answers."""
    plan = replace(single_24gb(), fallbacks=())
    return replace(plan, instances=tuple(replace(one, port=port) if one.id == name else one for one in plan.instances))


def test_litellm_knows_tasks_by_name_and_lets_a_local_role_stand_in(
    stub: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    plan = with_one_up(stub.port, "coder-7b")
    write(tmp_path, render_plan(plan, ["litellm"]))
    asked = {"code": "chat", "worker": "chat", "general": "chat", "embedding": "embedding"}
    words = [HERE / "litellm_calls.py", tmp_path / "litellm/config.yaml", json.dumps(asked)]
    answers = json.loads(run(validators_python, *words, **QUIET).stdout.splitlines()[-1])
    assert [answers[name] for name in ("code", "worker", "general")] == ["local stub"] * 3
    assert "vectors" not in answers["embedding"]  # nobody stands in for an embedder
    assert {body["model"] for _, body in stub.requests} == {"stackplan-code"}


def test_tensorzero_knows_tasks_by_name_and_lets_a_local_role_stand_in(
    stub: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    write(tmp_path, render_plan(with_one_up(stub.port, "coder-7b"), ["tensorzero"]))
    words = [HERE / "tensorzero_judge.py", tmp_path / "tensorzero/tensorzero.toml", "code", "worker", "general"]
    done = run(validators_python, *words, **QUIET)
    assert set(json.loads(done.stdout.splitlines()[-1]).values()) == {"local stub"}, done.stderr


def silenced(port: int) -> Plan:
    """A llama.cpp worker and an Ollama watchdog that could think and shall not, and a math role that may."""
    plan = single_24gb()
    roles = tuple(replace(role, thinking="on" if role.role == "math" else "off") for role in plan.roles)
    kept = tuple(role for role in roles if role.role in ("worker", "watchdog", "math"))
    return replace(plan, fallbacks=(), roles=kept)


def test_litellm_tells_a_model_that_could_think_not_to(
    stub: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(readdress(render_plan(silenced(stub.port), ["litellm"])["litellm/config.yaml"], stub.port))
    roles = {"worker": "chat", "watchdog": "chat", "math": "chat"}
    done = run(validators_python, HERE / "litellm_calls.py", config, json.dumps(roles), **QUIET)
    assert set(json.loads(done.stdout.splitlines()[-1]).values()) == {"local stub"}, done.stdout
    bodies = {body["model"]: body for path, body in stub.requests if "chat" in path}
    assert bodies["worker-32b"]["chat_template_kwargs"] == {"enable_thinking": False}
    assert bodies["stackplan-watchdog"]["think"] is False
    assert "chat_template_kwargs" not in bodies["maths-7b"]


def test_tensorzero_tells_a_model_that_could_think_not_to(
    stub: StubProvider, validators_python: Path, tmp_path: Path
) -> None:
    text = readdress(render_plan(silenced(stub.port), ["tensorzero"])["tensorzero/tensorzero.toml"], stub.port)
    config = write(tmp_path, {"t.toml": text}) / "t.toml"
    done = run(validators_python, HERE / "tensorzero_judge.py", config, "worker", "watchdog", "math", **QUIET)
    assert done.returncode == 0, done.stderr
    bodies = {body["model"]: body for _, body in stub.requests}
    assert bodies["worker-32b"]["chat_template_kwargs"] == {"enable_thinking": False}
    assert bodies["stackplan-watchdog"]["reasoning_effort"] == "none"
    assert "chat_template_kwargs" not in bodies["maths-7b"]


def test_the_tensorzero_judge_refuses_an_unknown_key(validators_python: Path, tmp_path: Path) -> None:
    text = render_plan(single_24gb(), ["tensorzero"])["tensorzero/tensorzero.toml"].replace("api_base", "api_bass")
    config = write(tmp_path, {"t.toml": text}) / "t.toml"
    done = run(validators_python, HERE / "tensorzero_judge.py", config, **QUIET)
    assert done.returncode != 0
    assert "api_bass" in done.stderr


def test_docker_compose_reads_tensorzero_with_the_stack(compose_binary: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(single_24gb(), ["compose", "tensorzero"]))
    words = ["-f", "compose.yaml", "-f", "compose.nvidia.yaml", "-f", "compose.tensorzero.yaml", "--profile", "*"]
    done = run(compose_binary, *words, "config", "-q", cwd=tmp_path, **PLACEHOLDERS)
    assert (done.returncode, done.stderr) == (0, "")


def test_tensorzero_says_where_rerank_and_speech_are() -> None:
    text = render_plan(single_24gb(), ["tensorzero"])["tensorzero/tensorzero.toml"]
    assert "# reranker (rerank) is not served by TensorZero: ask http://127.0.0.1:8108" in text
    assert "weight" not in text
    assert "reranker" not in tomllib.loads(text)["models"]
