"""llama-swap ignores unknown keys and names; no binary of it is at hand, so every reference is checked here."""

import re
import shlex
from dataclasses import replace

import yaml
from tests.render.plans import dual_24gb, services_stack, single_24gb

from stackplan.plan import Plan
from stackplan.render import render_plan

# Keys and limits of config-schema.json, llama-swap v250 (2026-08). It ignores what it does not know.
TOP_KEYS = {"healthCheckTimeout", "startPort", "models", "routing", "hooks"}
MODEL_KEYS = {"cmd", "ttl", "aliases", "env"}
VARIABLE = re.compile(r"[a-zA-Z0-9]{1,8}")


def config(plan: Plan) -> dict:
    return yaml.safe_load(render_plan(plan, ["llama-swap"])["llama-swap/config.yaml"])


def has_llama(plan: Plan) -> bool:
    return any(one.engine == "llama.cpp" for one in plan.instances)


def combinations(expression: str) -> set[frozenset[str]]:
    """Every full combination that an expression of & | ( ) allows."""
    tokens = re.findall(r"[a-zA-Z0-9]+|[&|()]", expression)

    def either(at: int) -> tuple[set[frozenset[str]], int]:
        found, at = both(at)
        while at < len(tokens) and tokens[at] == "|":
            more, at = both(at + 1)
            found = found | more
        return found, at

    def both(at: int) -> tuple[set[frozenset[str]], int]:
        found, at = one(at)
        while at < len(tokens) and tokens[at] == "&":
            more, at = one(at + 1)
            found = {left | right for left in found for right in more}
        return found, at

    def one(at: int) -> tuple[set[frozenset[str]], int]:
        if tokens[at] == "(":
            found, at = either(at + 1)
            assert tokens[at] == ")"
            return found, at + 1
        return {frozenset([tokens[at]])}, at + 1

    found, at = either(0)
    assert at == len(tokens)
    return found


def test_keys_and_limits_are_the_schemas(plan: Plan) -> None:
    if not has_llama(plan):
        assert "llama-swap/config.yaml" not in render_plan(plan, ["llama-swap"])
        return
    document = config(plan)
    assert document.keys() <= TOP_KEYS
    assert document["healthCheckTimeout"] >= 15
    assert all(model.keys() <= MODEL_KEYS for model in document["models"].values())
    assert all(VARIABLE.fullmatch(name) for name in document["routing"]["router"]["settings"]["matrix"]["vars"])


def test_every_reference_is_a_model_and_every_model_is_in_a_set(plan: Plan) -> None:
    if not has_llama(plan):
        return
    document = config(plan)
    matrix = document["routing"]["router"]["settings"]["matrix"]
    assert set(matrix["vars"].values()) == document["models"].keys()
    used = {
        name
        for expression in matrix["sets"].values()
        for combination in combinations(expression)
        for name in combination
    }
    assert used == matrix["vars"].keys()
    assert set(document.get("hooks", {}).get("on_startup", {}).get("preload", [])) <= document["models"].keys()
    aliases = [alias for model in document["models"].values() for alias in model.get("aliases", [])]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & document["models"].keys()


def test_hot_models_are_in_every_combination_and_warm_ones_take_turns() -> None:
    document = config(single_24gb())
    matrix = document["routing"]["router"]["settings"]["matrix"]
    names = {model: name for name, model in matrix["vars"].items()}
    hot = {names["worker-32b"], names["embedder"], names["reranker"]}
    eye, maths, giant = names["eye-4b"], names["maths-7b"], names["giant-120b"]
    for expression in matrix["sets"].values():
        for combination in combinations(expression):
            assert hot <= combination
            assert len(combination & {eye, maths, giant}) == 1
    assert document["hooks"]["on_startup"]["preload"] == ["worker-32b", "embedder", "reranker"]


def test_commands_listen_on_loopback_at_the_port_that_llama_swap_gives() -> None:
    for model in config(dual_24gb())["models"].values():
        words = shlex.split(model["cmd"])
        assert words[0] == "llama-server"
        assert words[-2:] == ["--port", "${PORT}"]
        assert words[words.index("--host") + 1] == "127.0.0.1"


def test_names_with_colons_and_slashes_get_short_names() -> None:
    plan = single_24gb()
    renamed = tuple(replace(one, id=f"org/{one.id}:q4") for one in plan.instances)
    roles = tuple(replace(role, instance=f"org/{role.instance}:q4") for role in plan.roles)
    document = config(replace(plan, instances=renamed, roles=roles))
    assert "org/worker-32b:q4" in document["models"]
    assert all(VARIABLE.fullmatch(name) for name in document["routing"]["router"]["settings"]["matrix"]["vars"])


def test_a_stack_without_llama_cpp_has_no_file() -> None:
    assert render_plan(services_stack(), ["llama-swap"]) == {}
