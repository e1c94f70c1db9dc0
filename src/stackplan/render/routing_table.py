"""Target ``routing``: the routing policy as a small table that an application reads instead of repeating it."""

from typing import Any

from stackplan.plan import Plan
from stackplan.render.documents import to_yaml
from stackplan.render.routing import Decision, services, table


def render(plan: Plan) -> dict[str, str]:
    """``routing.yaml``."""
    document = {
        "gateway": f"http://127.0.0.1:{plan.gateway_port}/v1",
        "model_is": "role",
        "not_listed": "depth and number of agents that have no row are answered as the plain row of the task",
        "routes": [row(decision) for decision in table(plan)],
        "services": {
            name: [
                {"step": step.kind, "role": step.role, "because": step.because, "fallback": list(step.fallback)}
                for step in steps
            ]
            for name, steps in services(plan).items()
        },
    }
    return {"routing.yaml": to_yaml(document)}


def row(decision: Decision) -> dict[str, Any]:
    """A decision as plain values; the role's name is the model name that the gateway knows."""
    return {
        "task": decision.kind,
        "agents": decision.agents,
        "depth": decision.depth.value,
        "role": decision.role,
        "because": decision.because,
        "fallback": list(decision.fallback),
        "remote": list(decision.remote),
        "queued": decision.queued,
    }
