"""Where a role answers, seen from the host (loopback) or from inside the compose network."""

from enum import StrEnum
from typing import Any

from stackplan.plan import Plan, PlannedArtifact, ServedRole
from stackplan.remote import Fallback
from stackplan.render.servers import OLLAMA, SPEACHES, TEI, server_of


class Seen(StrEnum):
    """From where an address is used."""

    LOOPBACK = "loopback"
    COMPOSE = "compose"


def base_url(plan: Plan, role: ServedRole, seen: Seen) -> str:
    """``http://host:port`` of the server behind the role, without a path."""
    server = server_of(plan, role.instance)
    if seen is Seen.COMPOSE:
        return f"http://{server.id}:{server.container_port}"
    return f"http://127.0.0.1:{server.port}"


def served_name(plan: Plan, role: ServedRole) -> str:
    """The model name that a request to the role's server must carry."""
    instance = plan.instance(role.instance)
    if instance.engine == OLLAMA:
        return ollama_name(role.role)
    if instance.engine in (SPEACHES, TEI):
        return plan.artifact(instance.artifact).repository
    return instance.id


def request_body(plan: Plan, role: ServedRole, *, native: bool) -> dict[str, Any]:
    """What every request of the role carries beside the user's own words: that a model that could think shall not.

    llama.cpp and vLLM hand ``chat_template_kwargs`` to the model's template; Ollama has a field of its own, another
    one in its ``native`` interface than under /v1 (openai/openai.go of 0.17.4).
    """
    if role.mode != "chat" or role.thinking != "off":
        return {}
    if plan.instance(role.instance).engine == OLLAMA:
        return {"think": False} if native else {"reasoning_effort": "none"}
    return {"chat_template_kwargs": {"enable_thinking": False}}


def free_port(plan: Plan, first: int) -> int:
    """The first port from ``first`` on that the plan gives to nobody."""
    taken = {plan.gateway_port, *(instance.port for instance in plan.instances)}
    return next(port for port in range(first, 1 << 16) if port not in taken)


def ollama_name(role: str) -> str:
    """The Ollama model made for a role; prefixed, so that no model of the user's own is taken for it."""
    return f"stackplan-{role.lower()}"


def ollama_source(artifact: PlannedArtifact) -> str:
    """What Ollama pulls: a tag of its library, or a quantisation of a Hugging Face repository."""
    if artifact.format == "ollama":
        return artifact.ollama_tag or artifact.repository
    return f"hf.co/{artifact.repository}:{artifact.quantisation}"


def fallbacks(plan: Plan, role: ServedRole) -> list[Fallback]:
    """Remote endpoints for the role, in the order in which they are tried.

    A fallback without a role stands in where text is asked and text answered: vectors of two embedding models do not
    mix, and not every model sees. Whatever else it shall serve, it names.
    """
    named = {role.role, role.pool} - {""}
    plain = role.mode == "chat" and set(role.inputs) <= {"text"}
    matching = [one for one in plan.fallbacks if one.role in named or (not one.role and plain)]
    return sorted(matching, key=lambda fallback: (fallback.order, fallback.name))
