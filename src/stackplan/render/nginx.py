"""Target ``nginx``: TLS in front of the gateway for whoever leaves localhost; the gateway checks the key."""

from stackplan.plan import Plan
from stackplan.render.templates import render_template


def render(plan: Plan) -> dict[str, str]:
    """``nginx/stackplan.conf``, a server block to include inside ``http``."""
    return {"nginx/stackplan.conf": render_template("nginx/stackplan.conf.j2", gateway_port=plan.gateway_port)}
