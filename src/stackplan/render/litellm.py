"""Target ``litellm``: every role behind one OpenAI-compatible endpoint, local first and remote in order.

``config.yaml`` addresses servers on loopback, ``config.compose.yaml`` by their service names.
"""

from typing import Any

from stackplan.plan import Plan, ServedRole
from stackplan.remote import Fallback
from stackplan.render.documents import to_yaml
from stackplan.render.endpoints import Seen, base_url, fallbacks, request_body, served_name
from stackplan.render.routing import aliases, stand_ins
from stackplan.render.servers import COLD, HOT, INFINITY, OLLAMA, TEI, WARM, tier_of

REQUEST_TIMEOUT_SECONDS = 300
_LOAD_MARGIN_SECONDS = 60
_KEEP_ALIVE: dict[str, int | str] = {HOT: -1, WARM: "30m", COLD: "2m"}  # "-1" as text is refused by Ollama
_KEYLESS = "not-needed"  # without any value LiteLLM sends the user's own OPENAI_API_KEY to the local server


def render(plan: Plan) -> dict[str, str]:
    """The proxy's configuration, for the host and for the compose network."""
    return {
        "litellm/config.yaml": to_yaml(config(plan, Seen.LOOPBACK)),
        "litellm/config.compose.yaml": to_yaml(config(plan, Seen.COMPOSE)),
    }


def config(plan: Plan, seen: Seen) -> dict[str, Any]:
    """The proxy's configuration as values."""
    models = [entry for role in plan.roles for entry in _entries(plan, role, seen)]
    return {
        "model_list": models,
        "router_settings": {
            "routing_strategy": "simple-shuffle",
            "num_retries": 1,
            "allowed_fails": 1,
            "cooldown_time": 30,
            **_policy(plan),
        },
        "litellm_settings": {"drop_params": True, "request_timeout": REQUEST_TIMEOUT_SECONDS, "telemetry": False},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def _policy(plan: Plan) -> dict[str, Any]:
    """The routing policy: kinds of task as hidden names of roles, and local roles that stand in at the end."""
    policy: dict[str, Any] = {}
    names = aliases(plan)
    if names:
        policy["model_group_alias"] = {kind: {"model": role, "hidden": True} for kind, role in names.items()}
    others = {role.role: list(found) for role in plan.roles if (found := stand_ins(plan, role))}
    others |= {kind: others[role] for kind, role in names.items() if role in others}
    if others:
        policy["fallbacks"] = [{name: found} for name, found in others.items()]
    return policy


def _entries(plan: Plan, role: ServedRole, seen: Seen) -> list[dict[str, Any]]:
    local = {
        "model_name": role.role,
        "litellm_params": {**_local(plan, role, seen), "timeout": _timeout(plan, role), "order": 1},
        "model_info": {"id": f"{role.role}-local", "mode": role.mode},
    }
    remote = [_remote(plan, role, fallback) for fallback in fallbacks(plan, role)]
    return [local, *remote]


def _remote(plan: Plan, role: ServedRole, fallback: Fallback) -> dict[str, Any]:
    costs = {
        name: round(value / 1e6, 15)
        for name, value in (
            ("input_cost_per_token", fallback.input_cost_per_million),
            ("output_cost_per_token", fallback.output_cost_per_million),
        )
        if value is not None
    }
    return {
        "model_name": role.role,
        "litellm_params": {
            "model": f"openai/{fallback.model}",
            "api_base": fallback.base_url,
            "api_key": f"os.environ/{fallback.key_variable}",
            "timeout": fallback.timeout_seconds,
            "order": fallback.order,
            **costs,
            **_budget(plan, fallback),
        },
        "model_info": {"id": f"{role.role}-{fallback.name}", "mode": role.mode},
    }


def _budget(plan: Plan, fallback: Fallback) -> dict[str, Any]:
    """The endpoint's monthly budget, in equal parts: LiteLLM counts per deployment, and each role has its own."""
    if fallback.monthly_budget is None:
        return {}
    sharing = sum(other.name == fallback.name for role in plan.roles for other in fallbacks(plan, role))
    return {"max_budget": fallback.monthly_budget / sharing, "budget_duration": "1mo"}


def _local(plan: Plan, role: ServedRole, seen: Seen) -> dict[str, Any]:
    instance = plan.instance(role.instance)
    base, name = base_url(plan, role, seen), served_name(plan, role)
    if instance.engine == OLLAMA:
        provider = "ollama" if role.mode == "embedding" else "ollama_chat"
        keep_alive = {"keep_alive": _KEEP_ALIVE[tier_of(instance)]}
        return {"model": f"{provider}/{name}", "api_base": base, **keep_alive, **request_body(plan, role, native=True)}
    if role.mode == "rerank":
        return _rerank(instance.engine, name, base)
    # Infinity serves /embeddings at its root; the others under /v1.
    path = "" if instance.engine == INFINITY else "/v1"
    extra = {"extra_body": body} if (body := request_body(plan, role, native=False)) else {}
    return {"model": f"openai/{name}", "api_base": f"{base}{path}", "api_key": _KEYLESS, **extra}


def _rerank(engine: str, name: str, base: str) -> dict[str, Any]:
    if engine == TEI:  # its body is {query, texts}, which only this provider sends
        return {"model": f"huggingface/{name}", "api_base": f"{base}/rerank", "api_key": _KEYLESS}
    provider = "infinity" if engine == INFINITY else "hosted_vllm"
    return {"model": f"{provider}/{name}", "api_base": base, "api_key": _KEYLESS}


def _timeout(plan: Plan, role: ServedRole) -> int:
    """Seconds to wait for an answer: a model that is not resident has to be read from disk first."""
    instance = plan.instance(role.instance)
    if tier_of(instance) == HOT or instance.speed is None or not instance.speed.load_seconds:
        return REQUEST_TIMEOUT_SECONDS
    return REQUEST_TIMEOUT_SECONDS + _LOAD_MARGIN_SECONDS + round(instance.speed.load_seconds)
