"""Target ``tensorzero``: chat roles as functions, embedding roles as embedding models, order by ``routing``.

TensorZero's OpenAI surface has chat and embeddings only (2026.6.0); roles that need another endpoint are named in a
comment with the address that serves them. A variant's ``weight`` samples, so it is never used for priority.
"""

from typing import Any

from stackplan.plan import Plan, ServedRole
from stackplan.remote import Fallback
from stackplan.render.compose_services import bind, hardening
from stackplan.render.documents import to_toml, to_yaml
from stackplan.render.endpoints import Seen, base_url, fallbacks, free_port, request_body, served_name
from stackplan.render.images import program_image
from stackplan.render.routing import aliases, stand_ins
from stackplan.render.servers import INFINITY, is_macos

GATEWAY_PORT = 3000
_TOTAL_MS = 300_000
_FIRST_TOKEN_MS = 120_000


def render(plan: Plan) -> dict[str, str]:
    """The gateway's configuration for the host and for the compose network; nothing when no role fits it."""
    if not any(role.mode in ("chat", "embedding") for role in plan.roles):
        return {}
    files = {"tensorzero/tensorzero.toml": _text(plan, Seen.LOOPBACK)}
    if not is_macos(plan):
        files["tensorzero/tensorzero.compose.toml"] = _text(plan, Seen.COMPOSE)
        files["compose.tensorzero.yaml"] = to_yaml({"services": {"tensorzero": _service(plan)}})
    return files


def config(plan: Plan, seen: Seen) -> dict[str, Any]:
    """The gateway's configuration as values."""
    chat = [role for role in plan.roles if role.mode == "chat"]
    embedding = [role for role in plan.roles if role.mode == "embedding"]
    host = "127.0.0.1" if seen is Seen.LOOPBACK else "0.0.0.0"  # noqa: S104  (published on loopback by compose)
    document: dict[str, Any] = {
        "gateway": {
            "bind_address": f"{host}:{GATEWAY_PORT}",
            "disable_pseudonymous_usage_analytics": True,
            "observability": {"enabled": False},
        },
        "object_storage": {"type": "disabled"},  # without it every request that carries an image fails
    }
    if chat:
        document["models"] = {role.role: _model(plan, role, seen) for role in chat}
        functions = {role.role: _function(role.role, stand_ins(plan, role)) for role in chat}
        by_name = {role.role: role for role in chat}
        for kind, name in aliases(plan).items():
            if name in by_name:
                functions[kind] = _function(name, stand_ins(plan, by_name[name]))
        document["functions"] = functions
    if embedding:
        document["embedding_models"] = {role.role: _embedding(plan, role, seen) for role in embedding}
    return document


def _service(plan: Plan) -> dict[str, Any]:
    """The gateway as a compose service; it has no key of its own, so it stays on loopback."""
    config_file = "/etc/tensorzero/tensorzero.toml"
    keys = sorted({fallback.key_variable for fallback in plan.fallbacks})
    return {
        "image": program_image(plan, "tensorzero"),
        "command": ["--config-file", config_file],
        "environment": {key: f"${{{key}:?set it in .env, see .env.example}}" for key in keys},
        "ports": [f"127.0.0.1:{free_port(plan, GATEWAY_PORT)}:{GATEWAY_PORT}"],
        "volumes": [bind("./tensorzero/tensorzero.compose.toml", config_file)],
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "--spider", f"http://127.0.0.1:{GATEWAY_PORT}/status"],
            "interval": "15s",
            "timeout": "5s",
            "retries": 5,
            "start_period": "30s",
        },
        **hardening(),
    }


def _text(plan: Plan, seen: Seen) -> str:
    elsewhere = [role for role in plan.roles if role.mode not in ("chat", "embedding")]
    remarks = tuple(
        f"{role.role} ({role.mode}) is not served by TensorZero: ask {base_url(plan, role, seen)} or LiteLLM"
        for role in elsewhere
    )
    if any(fallback.monthly_budget is not None for fallback in plan.fallbacks):
        remarks = (*remarks, "Monthly budgets are not kept here (TensorZero needs a database for limits): use LiteLLM")
    return to_toml(config(plan, seen), remarks)


def _model(plan: Plan, role: ServedRole, seen: Seen) -> dict[str, Any]:
    remote = fallbacks(plan, role)
    providers = {"local": _local(plan, role, seen)}
    providers |= {fallback.name: _remote(role, fallback) for fallback in remote}
    return {"routing": ["local", *(fallback.name for fallback in remote)], "providers": providers}


def _local(plan: Plan, role: ServedRole, seen: Seen) -> dict[str, Any]:
    infinity = plan.instance(role.instance).engine == INFINITY
    provider: dict[str, Any] = {
        "type": "openai",
        "api_base": base_url(plan, role, seen) + ("/" if infinity else "/v1/"),
        "model_name": served_name(plan, role),
        "api_key_location": "none",
    }
    if role.mode == "chat":
        provider["timeouts"] = _timeouts(_FIRST_TOKEN_MS, _TOTAL_MS)
    if body := request_body(plan, role, native=False):
        provider["extra_body"] = [{"pointer": f"/{name}", "value": value} for name, value in body.items()]
    return provider


def _timeouts(first_token_ms: int, total_ms: int) -> dict[str, Any]:
    return {
        "non_streaming": {"total_ms": total_ms},
        "streaming": {"ttft_ms": first_token_ms, "total_ms": max(total_ms, _TOTAL_MS)},
    }


def _remote(role: ServedRole, fallback: Fallback) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "type": "openai",
        "api_base": fallback.base_url,
        "model_name": fallback.model,
        "api_key_location": f"env::{fallback.key_variable}",
    }
    total_ms = fallback.timeout_seconds * 1000
    if role.mode == "chat":
        provider["timeouts"] = _timeouts(total_ms, total_ms)
    costs = [
        {"pointer": pointer, "cost_per_million": value}
        for pointer, value in (
            ("/usage/prompt_tokens", fallback.input_cost_per_million),
            ("/usage/completion_tokens", fallback.output_cost_per_million),
        )
        if value is not None
    ]
    return {**provider, "cost": costs} if costs else provider


def _function(role: str, others: tuple[str, ...]) -> dict[str, Any]:
    """A role's model, and local roles that stand in, in order, when it and its remote endpoints do not answer."""
    retries = {"num_retries": 1, "max_delay_s": 5}
    variants = {name: {"type": "chat_completion", "model": name, "retries": retries} for name in (role, *others)}
    function: dict[str, Any] = {"type": "chat", "variants": variants}
    if others:
        order = {"candidate_variants": [role], "fallback_variants": list(others)}
        function["experimentation"] = {"type": "static", **order}
    return function


def _embedding(plan: Plan, role: ServedRole, seen: Seen) -> dict[str, Any]:
    return {**_model(plan, role, seen), "timeout_ms": _TOTAL_MS}
