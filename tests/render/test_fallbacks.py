"""Remote endpoints: declared in a stack or a profile, checked there, asked in their order by the real gateways."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.render.conftest import PLACEHOLDERS, run, write
from tests.render.plans import single_24gb
from tests.render.stub_provider import StubProvider

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from stackplan.fallbacks import planned_fallbacks
from stackplan.plan import Plan
from stackplan.profile_yaml import check_endpoints, read_profile
from stackplan.remote import RemoteEndpoint
from stackplan.render import render_plan, target_names
from stackplan.render.endpoints import fallbacks
from stackplan.stack_yaml import load_stack
from stackplan.values import replace

HERE = Path(__file__).parent
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "RUST_LOG": "off", **PLACEHOLDERS}
ROLES = load_catalog([bundled_folder("catalog")]).roles

STACK = """title: A stack with two remote endpoints
roles:
  - role: worker
  - role: embedding
fallbacks:
  - name: large
    model: vendor/large-model
    url: https://api.large.test/v1
    key_variable: LARGE_API_KEY
    class: premium
    roles: [worker]
  - name: cheap
    model: vendor/small-model
    url: https://api.cheap.test/v1
    key_variable: CHEAP_API_KEY
    input_cost_per_million: 0.1
    output_cost_per_million: 0.4
    monthly_budget: 5
"""
PROFILE = "schema: 1\nhost:\n  ram: {capacity: 16GiB}\n"


def endpoint(name: str, port: int, price_class: str = "affordable", **more: object) -> RemoteEndpoint:
    key = {"affordable": "AFFORDABLE_API_KEY", "premium": "PREMIUM_API_KEY"}[price_class]
    return RemoteEndpoint(name, "remote-model", f"http://127.0.0.1:{port}/v1", key, price_class, **more)  # type: ignore[arg-type]


def with_endpoints(*endpoints: RemoteEndpoint) -> Plan:
    """A plan whose local servers do not run, and what shall stand in for them."""
    return replace(single_24gb(), fallbacks=planned_fallbacks(endpoints))


@pytest.fixture
def stubs() -> Iterator[tuple[StubProvider, StubProvider]]:
    pair = StubProvider("affordable"), StubProvider("premium")
    yield pair
    for stub in pair:
        stub.close()


def test_a_stack_declares_endpoints_and_affordable_ones_are_asked_first(tmp_path: Path) -> None:
    stack = load_stack(write(tmp_path, {"s.yaml": STACK}) / "s.yaml", ROLES)
    planned = planned_fallbacks(stack.fallbacks)
    assert [(one.name, one.order, one.role, one.price_class) for one in planned] == [
        ("cheap", 2, "", "affordable"),
        ("large", 3, "worker", "premium"),
    ]
    assert (planned[0].key_variable, planned[0].monthly_budget) == ("CHEAP_API_KEY", 5)


def test_nothing_remote_is_there_unless_it_was_declared() -> None:
    for path in sorted(bundled_folder("profiles").glob("stacks/*.yaml")):
        assert load_stack(path, ROLES).fallbacks == ()
    text = json.dumps(render_plan(replace(single_24gb(), fallbacks=()), ["litellm", "tensorzero", "env", "routing"]))
    assert "https://" not in text


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        ("    class: premium", "    class: dear", "fallbacks.0.class"),
        ("    url: https://api.large.test/v1", "    url: http://api.large.test/v1", "must be https"),
        ("    url: https://api.large.test/v1", "    url: https://me:secret@api.large.test/v1", "fallbacks.0.url"),
        ("    key_variable: LARGE_API_KEY", "    key_variable: sk-abc", "fallbacks.0.key_variable"),
        ("    roles: [worker]", "    roles: [wroker]", "the stack has no role 'wroker'"),
        ("    model: vendor/large-model", "    model: $(id)", "fallbacks.0.model"),
        ("  - name: large", "  - name: cheap", "two fallbacks are called 'cheap'"),
        ("  - name: large", "  - name: local", "'local' is the name of the local model"),
        ("    monthly_budget: 5", "    monthly_budget: 0", "fallbacks.1.monthly_budget"),
        ("    input_cost_per_million: 0.1", "    # free?", "a monthly_budget needs"),
        ("    model: vendor/large-model", "    model: x\n    api_key: sk-1", "fallbacks.0.api_key"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(line: str, wrong: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"s.yaml": STACK.replace(line, wrong)}) / "s.yaml"
    with pytest.raises(UserError, match=r"s\.yaml:\d+: ") as refusal:
        load_stack(path, ROLES)
    assert said in refusal.value.message


def test_a_profile_declares_them_too_and_is_held_to_the_roles_that_exist(tmp_path: Path) -> None:
    entry = '  - {name: cheap, model: m, url: "https://a.test/v1", key_variable: K, roles: [wroker]}\n'
    path = write(tmp_path, {"p.yaml": f"{PROFILE}fallbacks:\n{entry}"}) / "p.yaml"
    stack = load_stack(write(tmp_path, {"s.yaml": STACK}) / "s.yaml", ROLES)
    with pytest.raises(UserError, match=r"p\.yaml:5: fallbacks\.0\.name: the stack s declares a fallback 'cheap' too"):
        check_endpoints(read_profile(path), stack, ROLES)
    with pytest.raises(UserError, match=r"p\.yaml:5: fallbacks\.0\.roles\.0: there is no role 'wroker'"):
        check_endpoints(read_profile(path), replace(stack, fallbacks=()), ROLES)


def test_an_endpoint_without_roles_stands_in_for_text_only() -> None:
    plan = with_endpoints(endpoint("any", 1), endpoint("eyes", 2, roles=("vision",)))
    seeing = tuple(replace(role, inputs=("text", "image")) if role.role == "vision" else role for role in plan.roles)
    names = {role.role: [one.name for one in fallbacks(plan, role)] for role in replace(plan, roles=seeing).roles}
    assert names["worker"] == ["any"]
    assert names["vision"] == ["eyes"]
    assert names["embedding"] == names["reranker"] == []


def test_every_member_of_a_pool_has_the_fallback_of_its_role() -> None:
    plan = with_endpoints(endpoint("any", 1, roles=("front-door",)))
    member = replace(plan.roles[1], role="front-door-2", pool="front-door")
    assert [one.name for one in fallbacks(plan, member)] == ["any"]


@pytest.mark.slow
def test_litellm_asks_affordable_before_premium_and_goes_on_when_it_is_down(
    stubs: tuple[StubProvider, StubProvider], validators_python: Path, tmp_path: Path
) -> None:
    """The local server is down, the second endpoint is down, the third answers: the order is kept to the end."""
    affordable, premium = stubs
    dear = endpoint("dear", premium.port, "premium")
    write(tmp_path, render_plan(with_endpoints(dear, endpoint("cheap", affordable.port)), ["litellm"]))
    words = [HERE / "litellm_sequence.py", tmp_path / "litellm/config.yaml", "worker"]
    done = run(validators_python, *words, "3", **QUIET)
    assert json.loads(done.stdout.splitlines()[-1]) == ["affordable"] * 3, done.stderr
    assert premium.requests == []
    affordable.close()
    done = run(validators_python, *words, "1", **QUIET)
    assert json.loads(done.stdout.splitlines()[-1]) == ["premium"], done.stderr


def test_litellm_leaves_an_endpoint_whose_budget_is_spent(
    stubs: tuple[StubProvider, StubProvider], validators_python: Path, tmp_path: Path
) -> None:
    """A stub's answer has two tokens; at a dollar each, a budget of one dollar is spent by the first."""
    affordable, premium = stubs
    prices = {"input_cost_per_million": 1e6, "output_cost_per_million": 1e6, "monthly_budget": 1.0}
    cheap = endpoint("cheap", affordable.port, roles=("worker",), **prices)
    plan = with_endpoints(cheap, endpoint("dear", premium.port, "premium"))
    write(tmp_path, render_plan(plan, ["litellm"]))
    words = [HERE / "litellm_sequence.py", tmp_path / "litellm/config.yaml", "worker"]
    done = run(validators_python, *words, "3", **QUIET)
    assert json.loads(done.stdout.splitlines()[-1]) == ["affordable", "premium", "premium"], done.stderr


def test_a_budget_is_for_all_roles_together() -> None:
    plan = with_endpoints(endpoint("cheap", 1, monthly_budget=6.0, input_cost_per_million=1.0))
    config = yaml.safe_load(render_plan(plan, ["litellm"])["litellm/config.yaml"])
    budgets = [entry["litellm_params"].get("max_budget") for entry in config["model_list"]]
    shares = [budget for budget in budgets if budget is not None]
    assert len(shares) > 1
    assert sum(shares) == pytest.approx(6.0)


def test_tensorzero_goes_on_to_the_premium_endpoint_when_two_are_down(
    stubs: tuple[StubProvider, StubProvider], validators_python: Path, tmp_path: Path
) -> None:
    affordable, premium = stubs
    affordable.close()
    prices = {"input_cost_per_million": 0.1, "output_cost_per_million": 0.4, "monthly_budget": 5.0}
    plan = with_endpoints(endpoint("cheap", affordable.port, **prices), endpoint("dear", premium.port, "premium"))
    write(tmp_path, render_plan(plan, ["tensorzero"]))
    config = tmp_path / "tensorzero/tensorzero.toml"
    done = run(validators_python, HERE / "tensorzero_judge.py", config, "worker", **QUIET)
    assert json.loads(done.stdout.splitlines()[-1]) == {"worker": "premium"}, done.stderr
    assert "budgets are not kept here" in config.read_text()


def test_tensorzero_loads_a_remote_endpoint_behind_an_embedding_role(validators_python: Path, tmp_path: Path) -> None:
    write(tmp_path, render_plan(with_endpoints(endpoint("other", 1, roles=("embedding",))), ["tensorzero"]))
    config = tmp_path / "tensorzero/tensorzero.toml"
    done = run(validators_python, HERE / "tensorzero_judge.py", config, **QUIET)
    assert done.returncode == 0, done.stderr
    assert 'routing = [\n    "local",\n    "other",\n]' in config.read_text()


def test_files_name_the_variables_of_keys_and_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFORDABLE_API_KEY", "sk-marker-0123456789")
    files = render_plan(with_endpoints(endpoint("cheap", 1), endpoint("dear", 2, "premium")), target_names())
    assert {"AFFORDABLE_API_KEY=", "PREMIUM_API_KEY="} <= set(files[".env.example"].splitlines())
    assert "os.environ/AFFORDABLE_API_KEY" in files["litellm/config.yaml"]
    assert "env::AFFORDABLE_API_KEY" in files["tensorzero/tensorzero.toml"]
    assert not any("sk-marker" in text for text in files.values())
