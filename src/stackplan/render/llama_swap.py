"""Target ``llama-swap``: llama.cpp instances behind one address, with the combinations that the plan proved to fit.

A set names models that may be loaded together; HOT models are in every set, so that they are never evicted. A WARM
member of a swap group is exchanged for another; a COLD model comes in when the WARM ones are out. Schema of v250
(2026-08).
"""

from typing import Any

from stackplan.plan import Instance, Plan
from stackplan.render.devices import visible_devices
from stackplan.render.documents import to_yaml
from stackplan.render.llama_options import as_arguments, llama_options
from stackplan.render.servers import (
    COLD,
    COLD_IDLE_SECONDS,
    HOT,
    LLAMA_CPP,
    WARM,
    WARM_IDLE_SECONDS,
    server_of,
    tier_of,
)
from stackplan.render.templates import shell

_LEAST_HEALTH_SECONDS = 120
_TTL = {HOT: 0, WARM: WARM_IDLE_SECONDS, COLD: COLD_IDLE_SECONDS}


def render(plan: Plan) -> dict[str, str]:
    """``llama-swap/config.yaml``; nothing without llama.cpp. Start with ``-listen 127.0.0.1:PORT``."""
    chosen = [instance for instance in plan.instances if instance.engine == LLAMA_CPP]
    return {"llama-swap/config.yaml": to_yaml(config(plan, chosen))} if chosen else {}


def config(plan: Plan, chosen: list[Instance]) -> dict[str, Any]:
    """The configuration as values."""
    hot = [instance.id for instance in chosen if tier_of(instance) == HOT]
    document: dict[str, Any] = {
        "healthCheckTimeout": _health_seconds(chosen),
        "startPort": 5800,
        "models": {instance.id: _model(plan, instance) for instance in chosen},
        "routing": {"router": {"use": "matrix", "settings": {"matrix": _matrix(chosen)}}},
    }
    if hot:
        document["hooks"] = {"on_startup": {"preload": hot}}
    return document


def _model(plan: Plan, instance: Instance) -> dict[str, Any]:
    options = {name: value for name, value in llama_options(plan, instance).items() if name != "sleep-idle-seconds"}
    words = ["llama-server", *as_arguments(options), "--no-ui", "--host", "127.0.0.1"]
    model: dict[str, Any] = {
        "cmd": " ".join([*(shell(word) for word in words), "--port", "${PORT}"]),
        "ttl": _TTL[tier_of(instance)],
    }
    if aliases := [role.role for role in plan.roles_of(instance.id) if role.role != instance.id]:
        model["aliases"] = aliases
    if environment := visible_devices(plan, server_of(plan, instance.id)):
        model["env"] = [f"{name}={value}" for name, value in environment.items()]
    return model


def _matrix(chosen: list[Instance]) -> dict[str, Any]:
    names = _variables(chosen)
    hot = [names[one.id] for one in chosen if tier_of(one) == HOT]
    groups: dict[str, list[str]] = {}
    for one in chosen:
        if tier_of(one) == WARM:
            groups.setdefault(one.swap_group or one.id, []).append(names[one.id])
    sets = {"resident": " & ".join([*hot, *(_either(members) for members in groups.values())])}
    for one in chosen:
        if tier_of(one) == COLD:
            sets[f"with-{names[one.id]}"] = " & ".join([*hot, names[one.id]])
    return {
        "vars": {names[one.id]: one.id for one in chosen},
        "sets": {name: expression for name, expression in sets.items() if expression},
    }


def _variables(chosen: list[Instance]) -> dict[str, str]:
    """Short names for models, in their order: the matrix takes letters and digits only, eight at most."""
    return {one.id: f"m{number}" for number, one in enumerate(chosen, start=1)}


def _either(members: list[str]) -> str:
    return members[0] if len(members) == 1 else f"({' | '.join(members)})"


def _health_seconds(chosen: list[Instance]) -> int:
    loads = [one.speed.load_seconds for one in chosen if one.speed and one.speed.load_seconds]
    return max(_LEAST_HEALTH_SECONDS, *(round(3 * seconds) for seconds in loads)) if loads else 600
